"""`batchcart init`: accounts put into a config, by options and at a terminal, and the trial of their credentials."""

import os
import pty
import select
import shlex
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Cli, ShopServer, argv, batchcart, environment, in_turn, open_cli

SECRET = "an-access-token"


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A command line without a config yet; the tokens stand in the environment."""
    for name in ("ACCESS", "REFRESH", "LOJA_ACCESS_TOKEN", "LOJA_REFRESH_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    made = open_cli(shop_server, tmp_path)
    (tmp_path / "batchcart.toml").unlink()
    return made


def config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "batchcart.toml").read_text())["accounts"]
    return found


def address(shop: Cli, platform: str) -> str:
    return shop.shop_server.sandbox.address(platform, shop.shop)


def tray(shop: Cli, *more: str) -> list[str]:
    return ["init", "--platform", "tray", "--address", address(shop, "tray"), "--access-token", "env:ACCESS", *more]


def at_a_terminal(folder: Path, answers: list[tuple[str, str]], *words: str) -> tuple[int, str]:
    """Run the command at a terminal and give each answer when its question stands there; exit code and screen."""
    ours, theirs = pty.openpty()
    screen = ""
    with subprocess.Popen(
        argv("init", *words), cwd=folder, env=environment(folder), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = 0
        for question, answer in answers:
            # What is typed before the space behind a question is dropped where the answer is hidden.
            while question not in screen[seen:] or not screen.endswith(" "):
                if not select.select([ours], [], [], 60)[0]:
                    process.kill()
                    pytest.fail(f"{question!r} was not asked: {screen[seen:]!r}")
                screen += os.read(ours, 4096).decode()
            seen = len(screen)
            os.write(ours, f"{answer}\n".encode())
        try:
            while True:
                if not select.select([ours], [], [], 60)[0]:
                    process.kill()
                    pytest.fail(f"it does not end: {screen[seen:]!r}")
                if not (found := os.read(ours, 4096)):
                    break
                screen += found.decode()
        except OSError:  # the other end has gone
            pass
    os.close(ours)
    return process.returncode, screen


def test_options_make_an_account_whose_credentials_are_tried(shop: Cli) -> None:
    ended = batchcart(*tray(shop, "--account", "loja", "--refresh-token", "file:r.key"), folder=shop.folder, code=1)
    assert "r.key cannot be read" in ended.err
    (shop.folder / "r.key").write_text(SECRET)
    (shop.folder / "r.key").chmod(0o600)
    (shop.folder / "batchcart.toml").unlink()
    ended = batchcart(*tray(shop, "--account", "loja", "--refresh-token", "file:r.key"), folder=shop.folder, code=0)

    assert "the shop took the credentials" in ended.err
    assert stat.S_IMODE((shop.folder / "batchcart.toml").stat().st_mode) == 0o600
    assert config(shop.folder)["loja"] == {
        "platform": "tray",
        "api_address": address(shop, "tray"),
        "access_token": {"env": "ACCESS"},
        "refresh_token": {"file": "r.key"},
    }
    saw = shop.endpoint("loja").saw
    assert sum(saw.requests.values()) == 1
    assert not saw.effects
    assert "1 operation is in order" in batchcart("check", "first-loja.jsonl", folder=shop.folder, code=0).out


def test_every_platform_gets_an_account_and_a_job_that_passes_the_checks(shop: Cli) -> None:
    for name, words in {
        "acme": [
            *("--platform", "3dcart", "--address", "https://acme.example.com", "--base-url", address(shop, "3dcart")),
            *("--private-key", "env:ACCESS", "--token", "env:ACCESS"),
        ],
        "loja": [*tray(shop)[1:], "--refresh-token", "env:REFRESH"],
        "sklep": [
            *("--platform", "shoplo", "--address", address(shop, "shoplo")),
            *("--access-token", "env:ACCESS", "--app-id", "17"),
        ],
        "stary": [
            *("--platform", "shoplo", "--address", address(shop, "shoplo"), "--auth", "oauth1"),
            *("--consumer-key", "env:ACCESS", "--consumer-secret", "env:ACCESS"),
            *("--token", "env:ACCESS", "--token-secret", "env:ACCESS"),
        ],
    }.items():
        ended = batchcart("init", *words, "--account", name, folder=shop.folder, code=0)
        assert "the shop took the credentials" in ended.err, name
        batchcart("check", f"first-{name}.jsonl", folder=shop.folder, code=0)
    assert list(config(shop.folder)) == ["acme", "loja", "sklep", "stary"]
    batchcart("run", "first-sklep.jsonl", folder=shop.folder, code=0)
    for path in shop.folder.glob("*.*"):
        assert SECRET.encode() not in path.read_bytes(), path


def test_an_account_is_added_below_what_stood_in_the_config(shop: Cli) -> None:
    path = shop.folder / "batchcart.toml"
    path.write_text(
        '# mine\n[accounts.old]  # kept\nplatform = "tray"\napi_address = "a.example"\naccess_token = "a-token"\n'
    )
    path.chmod(0o640)
    before = path.read_text()
    batchcart(*tray(shop, "--account", "new one", "--no-try"), folder=shop.folder, code=0)

    assert path.read_text().startswith(before)
    assert list(config(shop.folder)) == ["old", "new one"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert shop.requests() == 0
    again = batchcart(*tray(shop, "--account", "old", "--no-try"), folder=shop.folder, code=2)
    assert "there is an account 'old' already" in again.err


WRONG = [
    (["--platform", "tary"], "did you mean 'tray'?"),
    (["--account", "x"], "--platform is missing"),
    (["--platform", "tray"], "is missing"),
    (["--platform", "tray", "--app-id", "1"], "--app-id is not an option of tray"),
    (["--platform", "tray", "--access-token", SECRET], "--access-token: expected env:NAME, file:PATH, "),
    (["--platform", "tray", "--access-token", f"env:{SECRET}"], "expected env:NAME, file:PATH, "),
    (["--platform", "tray", "--access-token", "env:A", "--address", "http://shop.example"], "in the clear"),
    (["--platform", "shoplo", "--access-token", "env:A"], "app_id"),
    (
        ["--platform", "tray", "--access-token", "env:A", "--address", "a.example", "--account", "sandbox-tray"],
        "built-in",
    ),
    (["--platform", "tray", "--access-token", "env:A", "--address", "notaurl"], "--address: expected an address"),
    (
        ["--platform", "tray", "--access-token", "env:A", "--address", "a.example", "--account", "https://a.example"],
        "looks like an address",
    ),
]
INIT = [["init", *words] for words, _ in WRONG]


def test_what_is_wrong_with_the_options_is_told_without_the_secret(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(len(WRONG))]
    for place in places:
        place.mkdir()
    for (words, told), ended in zip(WRONG, in_turn([*zip(places, INIT, strict=True)], tmp_path), strict=True):
        assert ended.code == 2, words
        assert told in ended.err
        assert SECRET not in ended.err
    for place in places:
        assert {path.name for path in place.iterdir()} == {"code", "out", "err"}


def test_a_config_that_cannot_take_the_account_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "batchcart.toml"
    words = ["init", "--platform", "tray", "--access-token", "env:A", "--address", "a.example", "--no-try"]
    for text in ("accounts = {}\n", "accounts = [", "[other]\n"):
        path.write_text(text)
        assert "batchcart.toml: " in batchcart(*words, folder=tmp_path, code=2).err
        assert path.read_text() == text
    assert [found.name for found in tmp_path.iterdir()] == ["batchcart.toml"]


KINDS = {
    "401": "refused the access token",
    "500": "HTTP 500",
    "429": "HTTP 429",
    "reset-before": "the connection was cut",
    "html-502": "a web page",
}


def test_what_the_shop_did_is_said_in_a_sentence(shop: Cli) -> None:
    kinds = iter(KINDS)
    shop.hook("loja", lambda _call: next(kinds))
    places = [shop.folder / kind for kind in KINDS]
    for place in places:
        place.mkdir()
    ended = in_turn([(place, tray(shop, "--account", "loja")) for place in places], shop.folder)

    for one, told in zip(ended, KINDS.values(), strict=True):
        assert one.code == 1
        assert told in one.err
        assert "batchcart doctor loja" in one.err
    assert all(config(place)["loja"] for place in places)


def test_a_shop_that_is_not_there_is_said_to_be_unreachable(shop: Cli) -> None:
    words = ["--platform", "tray", "--address", "http://127.0.0.1:9/web_api", "--access-token", "env:ACCESS"]
    assert "cannot be reached" in batchcart("init", *words, folder=shop.folder, code=1).err


def test_at_a_terminal_it_asks_for_the_rest_and_adds_the_account(shop: Cli) -> None:
    answers = [
        ("Platform", "tray"),
        ("api_address", address(shop, "tray")),
        ("Name of the account", "loja"),
        ("access_token [env:", SECRET),
        ("kept nowhere", ""),
        ("refresh_token (- leaves it out) [env:", "-"),
        ("First job [new]", "a-cart-key"),
    ]
    code, screen = at_a_terminal(shop.folder, answers)

    assert code == 0, screen
    assert "the shop took the credentials" in screen
    assert config(shop.folder)["loja"]["access_token"] == {"env": "LOJA_ACCESS_TOKEN"}
    assert "refresh_token" not in config(shop.folder)["loja"]


def test_a_secret_is_written_only_if_it_was_typed_hidden_and_agreed_to(shop: Cli) -> None:
    given = ["--platform", "tray", "--address", address(shop, "tray"), "--account", "loja", "--refresh-token", "env:R"]
    typed = "typed-and-never-shown"
    asked = [("access_token [env:", "type"), ("access_token, hidden:", typed)]
    rest = [("consumer_key (-", "-"), ("consumer_secret (-", "-"), ("First job [new]", "later")]
    code, screen = at_a_terminal(
        shop.folder,
        [*asked, ("only you can read?", "n"), ("access_token [env:", "env:ACCESS"), *rest],
        *given,
        "--no-try",
    )
    assert code == 0, screen
    assert config(shop.folder)["loja"]["access_token"] == {"env": "ACCESS"}
    (shop.folder / "batchcart.toml").write_text("")
    (shop.folder / "batchcart.toml").chmod(0o644)
    code, more = at_a_terminal(shop.folder, [*asked, ("only you can read?", "y"), *rest[:2]], *given, "--no-try")

    assert code == 0, more
    assert config(shop.folder)["loja"]["access_token"] == typed
    assert stat.S_IMODE((shop.folder / "batchcart.toml").stat().st_mode) == 0o600
    assert typed not in screen + more


def test_the_kind_of_credentials_decides_what_is_asked(shop: Cli) -> None:
    answers = [("Kind of credentials", "oauth1"), ("Name of the account", "")]
    for key in ("consumer_key", "consumer_secret", "token", "token_secret"):
        answers += [(f"{key} [env:", ""), ("put the secret there later?", "y")]
    code, screen = at_a_terminal(shop.folder, answers, "--platform", "shoplo", "--no-try")

    assert code == 0, screen
    assert config(shop.folder)["shoplo"]["auth"] == "oauth1"
    assert config(shop.folder)["shoplo"]["token_secret"] == {"env": "SHOPLO_TOKEN_SECRET"}


def test_the_trial_keeps_the_accounts_limits_and_its_lock(shop: Cli) -> None:
    shop.configure(loja={"limits": ["1/h"]})
    (shop.folder / "batchcart.toml").chmod(0o600)
    batchcart("doctor", "loja", folder=shop.folder, code=0)
    shop.job([{"op": "cart.get", "account": "loja", "cart_id": "k"}])
    with shop.started("run", "job.jsonl") as process:
        assert process.stderr is not None
        assert b"1/h is used up" in process.stderr.readline()
        told = batchcart("doctor", "loja", folder=shop.folder, code=1).out
        assert f"not asked: account 'loja' is in use by another run (pid {process.pid})" in told
        assert f"a run is at work on loja (pid {process.pid})" in told
    assert sum(shop.endpoint("loja").saw.requests.values()) == 1


def test_at_a_terminal_the_platform_is_asked_for_whatever_else_is_given(shop: Cli) -> None:
    code, screen = at_a_terminal(
        shop.folder,
        [
            ("Platform", "tray"),
            ("Name of the account", "my shop"),
            ("access_token [", "env:ACCESS"),
            ("refresh_token", "-"),
            ("First job [new]", "later"),
        ],
        "--address",
        "http://127.0.0.1:1/web_api",
    )

    assert code == 1
    assert "Check again with: batchcart doctor 'my shop'" in screen
    assert "--platform is missing" in batchcart("init", "--account", "loja", folder=shop.folder, code=2).err


def test_each_answer_is_checked_when_it_is_given_and_asked_for_again_with_the_reason(shop: Cli) -> None:
    (shop.folder / "batchcart.toml").write_text(
        '[accounts.old]\nplatform = "shoplo"\napp_id = "1"\naccess_token = "abcd"\n'
    )
    answers = [
        ("api_address", "http//nowhere at all"),
        ("expected an address such as", "notaurl"),
        ("expected an address such as", address(shop, "tray")),
        ("Name of the account", "https://loja.example"),
        ("looks like an address", "old"),
        ("has an account 'old' already", "sandbox-tray"),
        ("built-in sandbox's", "loja"),
        ("access_token [env:", "env:NOT_SET_ANYWHERE"),
        ("put the secret there later?", "n"),
        ("access_token [env:", "type"),
        ("access_token, hidden:", "abc"),
        ("has 3 characters", "command:no-such-program-here"),
        ("put the secret there later?", "n"),
        ("access_token [env:", "env:ACCESS"),
        ("refresh_token (-", "-"),
        ("First job [new]", "new"),
        ("product_id of a product", "shoe"),
        ("expected a whole number", "10"),
    ]
    code, screen = at_a_terminal(shop.folder, answers, "--platform", "tray")

    assert code == 0, screen
    assert config(shop.folder)["loja"]["access_token"] == {"env": "ACCESS"}
    assert "Next: batchcart run first-loja.jsonl" in screen
    batchcart("run", "first-loja.jsonl", folder=shop.folder, code=0)
    saw = shop.endpoint("loja").saw
    assert saw.effects


def test_what_was_answered_is_kept_in_a_command_when_the_person_stops(shop: Cli) -> None:
    answers = [
        ("api_address", "https://loja.example"),
        ("Name of the account", "my shop"),
        ("access_token [env:", "env:ACCESS"),
        ("refresh_token (-", "\x04"),
    ]
    code, screen = at_a_terminal(shop.folder, answers, "--platform", "tray")

    assert code == 2
    said = " ".join(screen.split())
    assert "stopped; nothing was written. To go on with your answers:" in said
    command = "init --platform tray --account 'my shop' --address https://loja.example --access-token env:ACCESS"
    assert f"batchcart {command}" in said
    batchcart(*shlex.split(command), "--no-try", folder=shop.folder, code=0)


def test_a_first_job_that_succeeds_is_written_by_options(shop: Cli) -> None:
    for platform, words in {
        "tray": ["--access-token", "env:ACCESS", "--new-cart", "10"],
        "3dcart": ["--private-key", "env:ACCESS", "--token", "env:ACCESS", "--new-cart"],
    }.items():
        place = ["--address", address(shop, platform)]
        if platform == "3dcart":
            place = ["--address", "https://acme.example.com", "--base-url", address(shop, "3dcart")]
        shown = batchcart(
            "init", "--platform", platform, *place, *words, "--account", f"a-{platform}", folder=shop.folder, code=0
        )
        assert "a cart that is created, read and deleted again" in shown.out
        batchcart("run", f"first-a-{platform}.jsonl", folder=shop.folder, code=0)
    refused = batchcart(*tray(shop, "--account", "b", "--new-cart"), folder=shop.folder, code=2)
    assert "tray creates a cart with a product in it; give the product_id of one" in refused.err


def test_an_interrupted_question_says_that_nothing_was_written(shop: Cli) -> None:
    code, screen = at_a_terminal(shop.folder, [("Platform", "\x04")])

    assert (code, "stopped; nothing was written" in screen) == (2, True)
    assert not (shop.folder / "batchcart.toml").exists()


def test_a_config_that_is_there_is_told_how_to_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHCART_CONFIG", "shops.toml")
    assert "batchcart run first.jsonl --config shops.toml" in batchcart("init", folder=tmp_path, code=0).out
    assert not (tmp_path / "batchcart.toml").exists()
    ended = batchcart("init", folder=tmp_path, code=2)

    assert "shops.toml already exists and was not overwritten; to add an account to it: batchcart init" in ended.err
