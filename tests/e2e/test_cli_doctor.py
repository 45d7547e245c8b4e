"""`batchcart doctor`: every kind of trouble is found, named and told how to fix, and health is told as health."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Cli, Ended, ShopServer, batchcart, open_cli

from batchcart.accounts.config import load_config
from batchcart.accounts.diagnostics import fits
from batchcart.accounts.state import AccountState
from batchcart.model.errors import quote
from batchcart.platforms import load_adapters
from batchcart.runs.probe import clock_sentence


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path) -> Cli:
    made = open_cli(shop_server, tmp_path)
    (tmp_path / "batchcart.toml").chmod(0o600)
    return made


def doctor(folder: Path, *words: str, code: int) -> Ended:
    return batchcart("doctor", *words, folder=folder, code=code)


def to_mend(folder: Path, *words: str) -> list[tuple[str, str]]:
    """What the doctor has to say about those things that are not well."""
    found: dict[str, Any] = json.loads(doctor(folder, "--json", *words, code=1).out)
    assert not found["well"]
    return [(one["about"], one["sentence"]) for one in found["findings"] if not one["well"]]


def test_all_is_well_where_all_is_well(shop: Cli) -> None:
    ended = doctor(shop.folder, code=0)

    assert ended.out.endswith("All checks passed\n")
    for account in ("acme", "loja", "sklep"):
        assert f"account {account}" in ended.out
        assert sum(shop.endpoint(account).saw.requests.values()) == 1
        assert not shop.endpoint(account).saw.effects
    assert ended.out.count("the shop took the credentials") == 3
    assert ended.out.count("clock and the shop's agree") == 3
    assert {path.name for path in shop.folder.iterdir()} == {"batchcart.toml", "state"}


def test_named_accounts_alone_are_looked_at_and_offline_asks_no_shop(shop: Cli) -> None:
    doctor(shop.folder, "loja", code=0)
    assert sum(shop.endpoint("sklep").saw.requests.values()) == 0
    ended = doctor(shop.folder, "--offline", code=0)

    assert "took the credentials" not in ended.out
    assert sum(shop.endpoint("loja").saw.requests.values()) == 1
    assert "did you mean 'loja'?" in doctor(shop.folder, "lojja", code=2).err


def test_without_a_config_it_says_what_there_is(tmp_path: Path) -> None:
    ended = doctor(tmp_path, code=0)

    assert "batchcart init writes one" in ended.out
    assert "will be created by the first run" in ended.out
    assert doctor(tmp_path, "sandbox-tray", code=0).out


def test_a_config_that_cannot_be_read_is_code_two(tmp_path: Path) -> None:
    (tmp_path / "batchcart.toml").write_text("accounts = [")

    assert "batchcart.toml: not TOML" in doctor(tmp_path, code=2).err


def test_missing_and_unguarded_secrets_are_named_one_by_one(shop: Cli) -> None:
    shop.configure(loja={"access_token": None, "refresh_token": None})
    config = shop.folder / "batchcart.toml"
    secrets = 'access_token = { env = "NOT_SET_ANYWHERE" }\nrefresh_token = { file = "r.key" }\n'
    config.write_text(config.read_text().replace("[accounts.loja]", f"[accounts.loja]\n{secrets}"))
    config.chmod(0o644)
    (about, config_told), (_, env_told), (_, file_told) = to_mend(shop.folder)

    assert about == "config"
    assert config_told.startswith("others can read batchcart.toml, which holds secrets of acme, sklep; fix it with")
    assert "access_token: environment variable NOT_SET_ANYWHERE is not set; " in env_told
    assert "r.key cannot be read: no such file or directory; put the secret into its first line" in file_told
    assert ("config", config_told) in to_mend(shop.folder, "sklep", "--offline")
    config.chmod(0o600)
    (shop.folder / "r.key").write_text("token")
    (shop.folder / "r.key").chmod(0o644)

    assert "others can read" in dict(to_mend(shop.folder, "loja", "--offline"))["account loja"]
    assert sum(shop.endpoint("loja").saw.requests.values()) == 0


def test_a_command_that_has_a_secret_is_run_only_where_the_secret_is_needed(shop: Cli) -> None:
    script = shop.folder / "secret.py"
    script.write_text("open('runs', 'a').write('x'); print('an-access-token')")
    shop.configure(loja={"access_token": None, "refresh_token": None})
    config = shop.folder / "batchcart.toml"
    line = f'access_token = {{ command = "{sys.executable} secret.py" }}'
    config.write_text(config.read_text().replace("[accounts.loja]", f"[accounts.loja]\n{line}"))
    config.chmod(0o600)
    shop.job([{"op": "cart.get", "account": "loja", "cart_id": "k"}])
    told = f"the output of {quote(f'{sys.executable} secret.py')}"

    assert told in batchcart("accounts", folder=shop.folder, code=0).out
    assert (
        f"loja: a run reads access_token from {told}" in batchcart("check", "job.jsonl", folder=shop.folder, code=0).out
    )
    assert f"access_token from {told}, not read now" in doctor(shop.folder, "loja", "--offline", code=0).out
    assert not (shop.folder / "runs").exists()
    assert "the shop took the credentials" in doctor(shop.folder, "loja", code=0).out
    assert (shop.folder / "runs").read_text() == "x"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("401", "(credentials of sklep: access_token from batchcart.toml)"),
        ("500", "HTTP 500"),
        ("reset-before", "was cut"),
        ("refuse", "cannot be reached"),
    ],
)
def test_what_a_shop_did_is_told_for_it_alone(shop: Cli, kind: str, told: str) -> None:
    shop.hook("sklep", "" if kind == "refuse" else kind)
    if kind == "refuse":
        shop.configure(sklep={"base_url": "http://127.0.0.1:9"})
        (shop.folder / "batchcart.toml").chmod(0o600)
    ((about, sentence),) = to_mend(shop.folder)

    assert about == "account sklep"
    assert told in sentence


def test_an_address_that_is_no_shop_is_told(shop: Cli) -> None:
    origin = shop.shop_server.sandbox.origin
    shop.configure(loja={"api_address": f"{origin}/nothing/web_api"})
    (shop.folder / "batchcart.toml").chmod(0o600)
    ((about, sentence),) = to_mend(shop.folder)

    assert about == "account loja"
    assert "check address" in sentence
    assert sentence.endswith(" (address: api_address of loja in batchcart.toml)")


def test_a_clock_that_differs_is_told_with_how_much(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    # A module that Python reads at its start sets the process's clock forward.
    (shop.folder / "sitecustomize.py").write_text("import time\nreal = time.time\ntime.time = lambda: real() + 4000\n")
    monkeypatch.setenv("PYTHONPATH", str(shop.folder))
    found = to_mend(shop.folder, "loja")

    assert [about for about, _ in found] == ["clock"]
    assert "account loja: this machine's clock is" in found[0][1]
    assert "ahead of the shop's" in found[0][1]
    assert clock_sentence(-90).startswith("this machine's clock is 90 s behind the shop's")


def test_a_state_folder_that_is_open_or_shut_is_told(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor(shop.folder, code=0)
    place = shop.folder / "state" / "batchcart"
    place.chmod(0o755)
    assert dict(to_mend(shop.folder, "--offline"))["state folder"].endswith(f"chmod 700 {place}")
    place.chmod(0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(shop.folder / "state"))
    at_work = AccountState.open("loja", load_config(shop.folder / "batchcart.toml", load_adapters())["loja"].identity)
    told = doctor(shop.folder, "--offline", code=0).out
    assert f"a run is at work on loja (pid {os.getpid()})" in told
    at_work.close()
    assert "a run is at work" not in doctor(shop.folder, code=0).out
    place.rename(place.with_name("other"))
    place.write_text("a file in its place")

    assert "cannot be written" in dict(to_mend(shop.folder, "--offline"))["state folder"]


def test_a_disk_without_room_is_told(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    little = "import shutil\nshutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6)\n"
    (shop.folder / "sitecustomize.py").write_text(little)
    monkeypatch.setenv("PYTHONPATH", str(shop.folder))

    assert "make room" in dict(to_mend(shop.folder, "--offline"))["disk"]


def test_a_file_system_that_cannot_keep_a_journal_is_told(
    shop: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = "import sqlite3\nreal = sqlite3.connect\nsqlite3.connect = lambda path, *a, **k: real(':memory:')\n"
    (shop.folder / "sitecustomize.py").write_text(mode)
    monkeypatch.setenv("PYTHONPATH", str(shop.folder))

    assert "in mode memory, but runs need wal" in dict(to_mend(shop.folder, "--offline"))["SQLite"]


@pytest.mark.parametrize(
    ("version", "requirement", "good"),
    [
        ("8.2", "click<10,>=8.2", True),
        ("8.10.0", "click<10,>=8.2", True),
        ("8.1.9", "click<10,>=8.2", False),
        ("10.0.0", "click<10,>=8.2", False),
        ("1.0", "backports.zstd<2,>=1.0; (python_version < '3.14') and extra == 'zstd'", True),
        ("3.0.0rc1", "rich>=3", True),
    ],
)
def test_a_library_outside_its_bounds_is_found(version: str, requirement: str, good: bool) -> None:  # noqa: FBT001
    assert fits(version, requirement) is good
