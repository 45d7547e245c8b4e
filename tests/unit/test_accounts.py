"""The config: every key of an account, every mistake in words, no secret in any of them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from platform_parts import SIMULATED

from batchcart.accounts.config import DEFAULT_FILE, ENVIRONMENT, Account, AccountConfig, config_path, load_config
from batchcart.accounts.config_table import ConfigTable
from batchcart.model.errors import UsageError
from batchcart.model.limits import Bucket, Window
from batchcart.platforms import load_adapters

NAMES = ", ".join(load_adapters())
TRAY = 'platform = "tray"\napi_address = "https://loja.example/web_api"\naccess_token = "SECRET-ACCESS"\n'
SHOPLO = 'platform = "shoplo"\naccess_token = "SECRET-ACCESS"\napp_id = 1234\n'
THREEDCART = (
    'platform = "3dcart"\nsecure_url = "https://acme.example"\nprivate_key = "SECRET-KEY"\ntoken = "SECRET-TOKEN"\n'
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "batchcart.toml"


def entry(config: Path, keys: str) -> AccountConfig:
    config.write_text(f"[accounts.acme]\n{keys}")
    return load_config(config, load_adapters()).find("acme")


def account(config: Path, keys: str) -> Account:
    return entry(config, keys).resolve()


def read_all(config: Path) -> list[Account]:
    return [found.resolve() for found in load_config(config, load_adapters()).values()]


def refusal(config: Path, keys: str, *, whole: bool = False) -> str:
    config.write_text(keys if whole else f"[accounts.acme]\n{keys}")
    with pytest.raises(UsageError) as caught:
        read_all(config)
    assert "SECRET" not in str(caught.value)
    return str(caught.value).removeprefix(f"{config}: ").removeprefix("account 'acme': ")


def test_an_account_without_options_has_the_defaults(config: Path) -> None:
    found = account(config, TRAY)

    assert found.address == "https://loja.example/web_api"
    assert found.limits == (Window(180, 60.0), Window(10_000, 86_400.0))
    assert (found.options.concurrency, found.options.timeout, found.options.pacing) == (8, 30.0, "burst")
    assert (found.options.encoding, found.ca_file, found.embedded) == ("json", None, False)
    assert found.secrets == ("SECRET-ACCESS",)


def test_every_platform_has_its_default_limits(config: Path) -> None:
    assert entry(config, THREEDCART).limits == (Bucket(50, 2.0),)
    assert entry(config, SHOPLO).limits == (Window(2, 1.0),)


def test_the_options_of_an_account_are_read(config: Path) -> None:
    (config.parent / "ca.pem").write_text("")
    keys = (
        'limits = ["18/2s", "bucket 5 leak 1/s"]\nconcurrency = 3\ntimeout = 5\n'
        'pacing = "smooth"\nstrict = true\nencoding = "form"\n'
    )
    found = account(config, SHOPLO + keys + 'ca_file = "ca.pem"\nbase_url = "https://proxy.example:8443/shoplo/"')

    assert found.limits == (Window(18, 2.0), Bucket(5, 1.0))
    assert (found.options.concurrency, found.options.timeout, found.options.pacing) == (3, 5.0, "smooth")
    assert found.options.strict
    assert found.options.encoding == "form"
    assert found.ca_file == config.parent / "ca.pem"
    assert found.address == "https://proxy.example:8443/shoplo"


def test_no_limits_switch_limiting_off(config: Path) -> None:
    assert entry(config, TRAY + "limits = []").limits == ()


def test_a_number_without_quotes_is_taken_as_the_text_it_is(config: Path) -> None:
    assert account(config, SHOPLO).credentials["app_id"] == "1234"


def test_the_secure_url_goes_out_as_written(config: Path) -> None:
    found = account(config, THREEDCART.replace("https://acme.example", "acme.example/shop"))

    assert found.credentials["secure_url"] == "acme.example/shop"


@pytest.mark.parametrize(
    "given",
    ["loja.example", "loja.example/", "https://loja.example", "https://loja.example/web_api", "loja.example/web_api/",
     "https://loja.example/web_api/web_api"],
)  # fmt: skip
def test_tray_addresses_may_be_written_in_any_form(config: Path, given: str) -> None:
    assert (
        account(config, TRAY.replace("https://loja.example/web_api", given)).address == "https://loja.example/web_api"
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (TRAY + "limit = []", "unknown key 'limit'; did you mean 'limits'?"),
        (TRAY + 'secure_url = "x"', "unknown key 'secure_url'; "),
        ('api_address = "x"', f"platform is missing; it is one of {NAMES}"),
        ("platform = 5", f"platform: expected a string; it is one of {NAMES}"),
        ('platform = ["tray"]', f"platform: expected a string; it is one of {NAMES}"),
        ('platform = "tray"\napi_address = "x"', "access_token is missing"),
        ('platform = "3dcart"\ntoken = "x"', "3dcart needs secure_url, private_key and token, or access_token"),
        ('platform = "shoplo"\nauth = "oauth1"\ntoken = "x"', 'auth = "oauth1" needs consumer_key, consumer_secret, '),
        ('platform = "shoplo"\nauth = "basic"', "auth is \"bearer\" or \"oauth1\", not 'basic'"),
        (TRAY + 'limits = "180/min"', "limits: expected an array, each entry a string"),
        (TRAY + "limits = [180]", "limits: expected an array, each entry a string"),
        (TRAY + 'limits = ["180/mn"]', "limits: '180/mn' is not a limit: write "),
        (TRAY + 'limits = ["0/s"]', "limits: '0/s' is not a limit: write "),
        (TRAY + 'limits = ["1/s", "1/s", "1/s", "1/s", "1/s", "1/s", "1/s", "1/s", "1/s"]', "limits: 9 of them, but "),
        (TRAY + "concurrency = true", "concurrency: expected a whole number"),
        (TRAY + 'concurrency = "8"', "concurrency: expected a whole number"),
        (TRAY + "concurrency = 1.5", "concurrency: expected a whole number"),
        (TRAY + "concurrency = 0", "concurrency is a whole number from 1 to 10000"),
        (TRAY + "concurrency = 99999999999999999999", "concurrency is a whole number from 1 to 10000"),
        (TRAY + "timeout = true", "timeout: expected a number"),
        (TRAY + "timeout = -1", "timeout is a number of seconds above 0 and at most 3600"),
        (TRAY + "timeout = nan", "timeout is a number of seconds above 0 and at most 3600"),
        (TRAY + "timeout = inf", "timeout is a number of seconds above 0 and at most 3600"),
        (TRAY + 'pacing = "fast"', 'pacing: expected "burst" or "smooth"'),
        (TRAY + 'pacing = "strict"', 'pacing: "strict" is a key of its own: write strict = true in its place'),
        (TRAY + 'encoding = "xml"', 'encoding: expected "form" or "json"'),
        (TRAY + "insecure = 1", "insecure: expected true or false"),
        (TRAY + 'ca_file = "none.pem"', "ca_file "),
        (TRAY.replace('"SECRET-ACCESS"', '["SECRET"]'), 'access_token: expected a string, { env = "NAME" }, '),
        (TRAY.replace('"SECRET-ACCESS"', "5.5"), 'access_token: expected a string, { env = "NAME" }, '),
        (TRAY.replace('"SECRET-ACCESS"', '{ evn = "X" }'), 'access_token: expected a string, { env = "NAME" }, '),
        (TRAY.replace('"SECRET-ACCESS"', '{ env = "X", file = "Y" }'), "access_token: expected a string, "),
        (TRAY.replace('"SECRET-ACCESS"', '""'), "access_token: its text in the config is empty; put the secret there"),
        (TRAY.replace('"SECRET-ACCESS"', '"SECRET\\nX: y"'), "access_token: its text in the config holds a line "),
        (TRAY.replace('"SECRET-ACCESS"', '{ env = "BATCHCART_NONE" }'), "access_token: environment variable BATCHCART"),
        (TRAY.replace('"SECRET-ACCESS"', '{ file = "none" }'), "access_token: file "),
        (TRAY.replace('"SECRET-ACCESS"', '{ file = "no\\u0000ne" }'), "access_token: file "),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_what_it_takes(config: Path, keys: str, told: str) -> None:
    assert refusal(config, keys).startswith(told)


@pytest.mark.parametrize(
    "address",
    [
        "http://loja.example",
        "http://127.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
    ],
)
def test_an_address_in_the_clear_is_refused_unless_it_is_said_to_be_safe(config: Path, address: str) -> None:
    keys = TRAY.replace("https://loja.example/web_api", address)

    assert refusal(config, keys).startswith("api_address: http:// sends credentials in the clear; use https://, or set")
    assert account(config, keys + "insecure = true").address == f"{address}/web_api"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "127.1.2.3", "[::1]:81"])
def test_loopback_may_be_spoken_to_in_the_clear(config: Path, host: str) -> None:
    keys = SHOPLO + f'base_url = "http://{host}/prefix"'

    assert account(config, keys).address == f"http://{host}/prefix"


@pytest.mark.parametrize(
    "address",
    ["ftp://x", "https://", "https://SECRET:SECRET@shop.example", "https://@shop.example", "https://x?token=SECRET",
     "https://shop.example#x", "https://shop.example:99999", "https://shop example", "https://[::1", "https://a\\u0000b",
     ""],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_showing_it(config: Path, address: str) -> None:
    assert refusal(config, SHOPLO + f'base_url = "{address}"').startswith(
        "base_url: expected an address such as https://"
    )


def test_secrets_come_from_text_environment_and_files(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHCART_A_KEY", " from-env\n")
    (config.parent / "token").write_text("\ufefffrom-file\n# a remark\n")
    keys = (
        'platform = "3dcart"\nsecure_url = "x"\nprivate_key = { env = "BATCHCART_A_KEY" }\ntoken = { file = "token" }'
    )
    found = account(config, keys)

    assert (found.credentials["private_key"], found.credentials["token"]) == ("from-env", "from-file")
    assert set(found.secrets) == {"from-env", "from-file"}
    assert "from-" not in repr(found.credentials)


def test_an_account_whose_platform_is_missing_harms_no_other(config: Path) -> None:
    config.write_text(f"[accounts.acme]\n{TRAY}[accounts.loja]\n{TRAY.replace('tray', 'trai')}")
    found = load_config(config, load_adapters())

    assert found.find("acme").adapter.name == "tray"
    with pytest.raises(UsageError) as caught:
        found.find("loja")
    assert str(caught.value) == (
        f"account 'loja' in {config} is of platform 'trai', which is not known (did you mean 'tray'?), "
        "unless by a package not installed"
    )


def test_a_secret_is_read_only_when_the_account_is_used(config: Path) -> None:
    assert entry(config, TRAY.replace('"SECRET-ACCESS"', '{ env = "BATCHCART_NONE" }')).name == "acme"


def test_the_built_in_accounts_are_always_there(config: Path) -> None:
    names = {f"sandbox-{name}" for name in SIMULATED}
    config.write_text("")

    assert set(load_config(None, load_adapters())) == set(load_config(config, load_adapters())) == names
    assert all(found.resolve().embedded for found in load_config(None, load_adapters()).values())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[accounts.acme", "not TOML: "),
        ("x = " + "[" * 5000, "not TOML: nested too deeply"),
        ("x = " + "9" * 5000, "not TOML: "),
        ("[acounts.a]", "unknown key 'acounts'; did you mean 'accounts'?"),
        ("accounts = 5", "accounts is a table of accounts: [accounts.NAME]"),
        ("[accounts]\nacme = 5", "expected a table: [accounts.acme]"),
        ("[accounts.sandbox-tray]", "account 'sandbox-tray': this name is the built-in sandbox's; choose another"),
        ('[accounts.""]', "account '': a name has at least one character"),
        ('[accounts."a\\u0000b"]', "account 'a\\x00b': a name has"),
    ],
)
def test_a_file_that_is_no_config_is_told_why(config: Path, text: str, told: str) -> None:
    assert refusal(config, text, whole=True).startswith(told)


def test_a_config_that_cannot_be_read_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "latin").write_bytes(b"# \xe9")
    told = {
        "none": "does not exist; `batchcart init`",
        ".": "is a folder",
        "loop": "cannot be read",
        "latin": "not TOML",
    }
    for name, words in told.items():
        with pytest.raises(UsageError) as caught:
            load_config(tmp_path / name, load_adapters())
        assert words in str(caught.value)


def test_the_config_is_the_given_one_or_the_environments_or_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert config_path(None) is None
    (tmp_path / DEFAULT_FILE).touch()
    assert config_path(None) == Path(DEFAULT_FILE)
    monkeypatch.setenv(ENVIRONMENT, "other.toml")
    assert config_path(None) == Path("other.toml")
    assert config_path("mine.toml") == Path("mine.toml")


def test_an_account_that_points_elsewhere_has_another_place(config: Path) -> None:
    before = entry(config, SHOPLO).identity

    assert entry(config, SHOPLO.replace("SECRET-ACCESS", "SECRET-RENEWED")).identity == before
    assert entry(config, SHOPLO.replace("1234", "1235")).identity != before
    assert entry(config, SHOPLO + 'base_url = "https://other.example"').identity != before


SCALARS = [
    '"x"',
    "5",
    "true",
    "1.5",
    "nan",
    "[]",
    "{}",
    '["x"]',
    '{ env = "HOME" }',
    "2026-01-01",
    '"http://x"',
    '"tray"',
    '"3dcart"',
]
KEYS = [
    "platform",
    "limits",
    "concurrency",
    "timeout",
    "api_address",
    "access_token",
    "base_url",
    "token",
    "secure_url",
    "x",
]


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(SCALARS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_table_makes_reading_the_config_stumble(config: Path, keys: dict[str, str]) -> None:
    config.write_text("[accounts.acme]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
    try:
        load_config(config, load_adapters()).find("acme").resolve()
    except UsageError:
        return


@given(st.binary(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_make_reading_the_config_stumble(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    try:
        load_config(config, load_adapters())
    except UsageError:
        return


BAD_SECRETS = [
    ("", "is empty"),
    (" \n ", "is empty"),
    ("one\ntwo-of-the-secret", "holds a line break"),
    ("one\rtwo-of-the-secret", "holds a line break"),
    ("one\u2028two-of-the-secret", "holds a line break"),
    ("two words-of-it", "holds a space"),
    ("two\twords-of-it", "holds a space"),
    ('"quoted-secret"', "holds a quotation mark"),
    ("back\\slash-secret", "holds a backslash"),
    ("\x1b[31mred-secret", "holds a character that no secret of a shop has"),
    ("naïve-secret", "holds a character that no secret of a shop has"),
    ("ok", "has 2 characters, but a secret has 4 to 4,096"),
    ("x" * 4097, "has 4,097 characters, but a secret has 4 to 4,096"),
]


@pytest.mark.parametrize(("secret", "told"), BAD_SECRETS)
def test_what_can_be_no_secret_is_told_with_the_variable_it_came_from(
    config: Path, monkeypatch: pytest.MonkeyPatch, secret: str, told: str
) -> None:
    monkeypatch.setenv("BATCHCART_A_KEY", secret)
    said = refusal(config, TRAY.replace('"SECRET-ACCESS"', '{ env = "BATCHCART_A_KEY" }'))

    assert said.startswith(f"access_token: environment variable BATCHCART_A_KEY {told}; put the secret there")
    assert len(secret.strip()) < 4 or secret not in said


@pytest.mark.parametrize(("secret", "told"), [one for one in BAD_SECRETS if "\n" not in one[0].strip()])
def test_what_can_be_no_secret_is_told_with_the_file_it_came_from(config: Path, secret: str, told: str) -> None:
    (config.parent / "a.key").write_text(secret, newline="")
    said = refusal(config, TRAY.replace('"SECRET-ACCESS"', '{ file = "a.key" }'))

    assert said.startswith(f"access_token: file {config.parent / 'a.key'} {told}; put the secret there")
    assert len(secret.strip()) < 4 or secret not in said


@pytest.mark.posix
@pytest.mark.parametrize("place", ["/dev/zero", ".", "none"])
def test_a_secret_file_that_is_none_is_named(config: Path, place: str) -> None:
    said = refusal(config, TRAY.replace('"SECRET-ACCESS"', f'{{ file = "{place}" }}'))

    assert said.startswith(f"access_token: file {config.parent / place} cannot be read: ")
    assert said.endswith("; put the secret into its first line")


@pytest.mark.parametrize(
    ("value", "told"), [("", "it is empty"), ("a\\nb: c", "it holds characters that cannot be sent")]
)
def test_a_setting_that_cannot_be_sent_is_named(config: Path, value: str, told: str) -> None:
    assert refusal(config, SHOPLO.replace("1234", f'"{value}"')).startswith(f"app_id: {told}")


def test_no_secret_is_in_an_accounts_repr_also_where_the_config_has_it_in_clear() -> None:
    shop = {
        "platform": "shoplo",
        "base_url": "https://shop.example",
        "access_token": "a-secret-token",
        "app_id": "x",
        "proxy": "http://me:a-secret-word@proxy.example:8080",
    }
    found = load_config(ConfigTable({"accounts": {"acme": shop}}), load_adapters())
    assert "a-secret" not in repr(found)
    assert "a-secret" not in repr(found.find("acme").resolve())


def test_of_accounts_that_might_be_meant_the_configs_own_come_first(config: Path) -> None:
    config.write_text(f"[accounts.zoo]\n{TRAY}")

    assert "it is one of zoo, sandbox-" in load_config(config, load_adapters()).absence("nope")
