"""Which proxy stands between us and a shop: by the config, by the environment, or none; and what is seen of it."""

from pathlib import Path

import pytest
from cli_harness import batchcart

from batchcart.accounts.config import load_config
from batchcart.accounts.proxy import proxy_of_environment, read_proxy
from batchcart.model.errors import UsageError
from batchcart.platforms import load_adapters

HTTPS = {"HTTPS_PROXY": "http://proxy.example:3128"}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://Proxy.Example", "http://proxy.example"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("ann:word@proxy.example:3128", "http://proxy.example:3128"),
    ],
)
def test_a_proxy_is_written_with_and_without_scheme_and_credentials(text: str, url: str) -> None:
    assert read_proxy(text, "proxy", "").url == url


@pytest.mark.parametrize(
    ("text", "authorization", "secrets"),
    [
        ("http://ann:word-1@p:1", "Basic YW5uOndvcmQtMQ==", {"YW5uOndvcmQtMQ==", "ann:word-1", "word-1"}),
        ("http://ann:w%40rd%3A@p:1", "Basic YW5uOndAcmQ6", {"YW5uOndAcmQ6", "ann:w@rd:", "w@rd:", "w%40rd%3A"}),
        (
            "http://ann:a%3A%2F%3F%23%40%25@p:1",
            "Basic YW5uOmE6Lz8jQCU=",
            {"YW5uOmE6Lz8jQCU=", "ann:a:/?#@%", "a:/?#@%", "a%3A%2F%3F%23%40%25"},
        ),
        ("http://ann:w@rd@p:1", "Basic YW5uOndAcmQ=", {"YW5uOndAcmQ=", "ann:w@rd", "w@rd"}),
        ("http://ann:wörd@p:1", "Basic YW5uOnfDtnJk", {"YW5uOnfDtnJk", "ann:wörd", "wörd"}),
        ("http://ann:w%C3%B6rd@p:1", "Basic YW5uOnfDtnJk", {"YW5uOnfDtnJk", "ann:wörd", "wörd", "w%C3%B6rd"}),
        ("http://ann:w%F6rd@p:1", "Basic YW5uOnf2cmQ=", {"YW5uOnf2cmQ=", "ann:wörd", "wörd", "w%F6rd"}),
        ("http://ann@p:1", "Basic YW5uOg==", {"YW5uOg==", "ann:"}),
        ("http://:word@p:1", "Basic OndvcmQ=", {"OndvcmQ=", ":word", "word"}),
        ("http://p:1", "", set()),
    ],
)
def test_a_proxys_credentials_become_its_header_and_are_known_as_secrets(
    text: str, authorization: str, secrets: set[str]
) -> None:
    proxy = read_proxy(text, "proxy", "")
    assert (proxy.authorization, set(proxy.secrets)) == (authorization, secrets)
    assert not any(secret in f"{proxy} {proxy!r}" for secret in secrets)


@pytest.mark.parametrize(
    "text",
    [
        "socks5://ann:canary-word@p:1080", "http://canary-word@", "ftp://p", "http://p:x", "http://p/canary-word",
        "a b", "http://ann:canary-word/x@p:1", "http://ann:canary-word?x@p:1", "http://ann:1?canary-word@p:1",
        "http://ann:canary-word#@p:1", "http://ann:canary-word\u2100@p:1", "http://ann:canary-word\t@p:1",
    ],
)  # fmt: skip
def test_what_is_no_http_proxy_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_proxy(text, "proxy", "account 'a': proxy")
    assert str(caught.value).startswith("account 'a': proxy: expected an HTTP proxy's address")
    assert "canary-word" not in str(caught.value)


def test_a_user_name_that_no_proxy_can_be_told_is_refused() -> None:
    with pytest.raises(UsageError, match="account 'a': proxy: a proxy takes no user name with a colon") as caught:
        read_proxy("http://a%3Ann:canary-word@p:1", "proxy", "account 'a': proxy")
    assert "canary-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "variables", "found"),
    [
        ("https://shop.example", HTTPS, "http://proxy.example:3128 (HTTPS_PROXY)"),
        ("https://shop.example", {"https_proxy": "p:1", **HTTPS}, "http://p:1 (https_proxy)"),
        ("https://shop.example", {"https_proxy": "", **HTTPS}, "http://proxy.example:3128 (HTTPS_PROXY)"),
        ("https://shop.example", {"HTTP_PROXY": "p:1"}, "None"),
        ("http://shop.example", {"HTTP_PROXY": "p:1", **HTTPS}, "http://p:1 (HTTP_PROXY)"),
        ("http://shop.example", {"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"}, "None"),
        ("https://shop.example", {}, "None"),
        ("https://localhost:8443", HTTPS, "None"),
        ("https://127.0.0.1:8443", HTTPS, "None"),
        ("https://[::1]:8443", HTTPS, "None"),
    ],
)
def test_the_environments_proxy_is_taken_by_the_addresss_scheme(
    address: str, variables: dict[str, str], found: str
) -> None:
    assert str(proxy_of_environment(address, variables)) == found


@pytest.mark.parametrize(
    "entry",
    [
        "*", "shop.example", ".shop.example", "example", "SHOP.Example", "shop.example:443", "other, shop.example",
        "other shop.example", "*.example", "10.0.0.0/8", "10.1.2.3",
    ],
)  # fmt: skip
def test_an_entry_of_no_proxy_leaves_its_hosts_out(entry: str) -> None:
    address = "https://10.1.2.3" if entry.startswith("10") else "https://shop.example"
    for name in ("NO_PROXY", "no_proxy"):
        assert proxy_of_environment(address, {**HTTPS, name: entry}) is None


@pytest.mark.parametrize(
    "entry",
    ["", " , ", "other.example", "hop.example", "shop.example.org", "shop.example:8443", "10.0.0.0/8", "x:y", "."],
)
def test_an_entry_of_no_proxy_leaves_no_other_hosts_out(entry: str) -> None:
    assert proxy_of_environment("https://shop.example", {**HTTPS, "NO_PROXY": entry}) is not None


def config(folder: Path, proxy: str) -> Path:
    path = folder / "batchcart.toml"
    path.write_text(
        '[accounts.acme]\nplatform = "tray"\napi_address = "https://shop.invalid"\naccess_token = "token-12345"\n'
        f"{proxy}\n"
    )
    return path


def test_the_configs_proxy_comes_before_the_environments_and_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example:1")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("WAY_OUT", "http://ann:canary-word@proxy.example:3128")
    for given in ('proxy = { env = "WAY_OUT" }', 'proxy = "http://ann:canary-word@proxy.example:3128"'):
        account = load_config(config(tmp_path, given), load_adapters())["acme"].resolve()
        assert str(account.proxy) == "http://proxy.example:3128 (proxy in the config)"
        assert "canary-word" in account.secrets
    assert load_config(config(tmp_path, ""), load_adapters())["acme"].resolve().proxy is None


def test_the_simulators_own_accounts_never_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://other.example:1")
    assert load_config(None, load_adapters())["sandbox-tray"].resolve().proxy is None


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_doctor_says_which_proxy_is_used_and_shows_no_credentials(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, "timeout = 2")
    monkeypatch.setenv(variable, "http://ann:canary-word@127.0.0.1:1")
    ended = batchcart("doctor", "--json", folder=tmp_path, code=1)
    sentences = [found["sentence"] for found in ended.figures["findings"]]
    assert f"its shop is reached through the proxy http://127.0.0.1:1 ({variable})" in sentences
    assert any(f"its proxy http://127.0.0.1:1 ({variable}) cannot be reached" in sentence for sentence in sentences)
    assert "canary" not in ended.out + ended.err


def test_a_run_through_a_proxy_shows_its_credentials_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, 'proxy = { env = "WAY_OUT" }\ntimeout = 2')
    monkeypatch.setenv("WAY_OUT", "http://ann:canary-word@127.0.0.1:1")
    (tmp_path / "job.jsonl").write_text('{"op":"cart.get","account":"acme","cart_id":"k"}\n')
    ended = batchcart("run", "job.jsonl", "--patience", "0.01", "--log", "log", folder=tmp_path, code=3)
    assert "its proxy http://127.0.0.1:1 (proxy in the config) cannot be reached: connection refused" in ended.err
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary" not in written + ended.out.encode() + ended.err.encode()


def test_a_proxy_that_is_none_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    config(tmp_path, 'proxy = "socks5://ann:canary-word@p:1080"')
    (tmp_path / "job.jsonl").write_text('{"op":"cart.get","account":"acme","cart_id":"k"}\n')
    ended = batchcart("run", "job.jsonl", folder=tmp_path, code=2)
    assert "account 'acme': proxy: expected an HTTP proxy's address" in ended.err
    assert "canary" not in ended.err
