"""No secret of a run in several processes is anywhere but in the processes that use it and where its owner put it."""

import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cli_harness import PLATFORMS, Cli, add, argv, create, pids_below, until
from test_seats import free_port, started

from batchcart.sandbox.messages import Call

SECRETS = {name: f"canary-of-{name}-5b1f" for name in ("private-key", "token", "access", "fresh", "bearer", "proxy")}


def configure(shop: Cli) -> None:
    """Secrets in the config, in files and in the environment."""
    secret = shop.folder / "secret.key"
    secret.write_text(SECRETS["private-key"])
    secret.chmod(0o600)
    shop.configure(
        acme={"private_key": "{file}", "token": SECRETS["token"]},
        loja={"access_token": SECRETS["access"], "refresh_token": SECRETS["fresh"]},
        sklep={"access_token": "{env}"},
    )
    config = shop.folder / "batchcart.toml"
    text = config.read_text().replace('"{file}"', '{ file = "secret.key" }')
    config.write_text(text.replace('"{env}"', '{ env = "SKLEP_TOKEN" }'))


def files_below(*folders: Path) -> Iterator[Path]:
    """Files of the run: all but those in which its owner, or the run for its owner alone, keeps secrets."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.name in {"batchcart.toml", "secret.key"} or not path.is_file():
                continue
            if path.name == "tokens.json":
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                continue
            yield path


def contents(*folders: Path) -> Iterator[bytes]:
    """What is in the files of the run, but for those that another one takes the place of right now."""
    for path in files_below(*folders):
        with suppress(FileNotFoundError):
            yield path.read_bytes()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a path that is short enough for a socket in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("is_killed", [False, pytest.param(True, marks=pytest.mark.storm)])
def test_no_secret_is_in_a_file_a_command_line_or_the_environment_of_a_seat(
    shop: Cli, monkeypatch: pytest.MonkeyPatch, temporary: Path, *, is_killed: bool
) -> None:
    configure(shop)
    monkeypatch.setenv("TMPDIR", str(temporary))
    port, shown = free_port(), list[bytes]()
    shop.job(lines := [make(account, f"c{n}") for account in PLATFORMS for n in range(40) for make in (create, add)])

    def expire(call: Call) -> str:
        return "401" if shop.endpoint("loja").saw.requests["GET auth"] == 0 and call.route == "POST carts" else "delay"

    for account in PLATFORMS:
        shop.hook(account, expire if account == "loja" else "delay")
    words = ("run", "job.jsonl", "--processes=2", "--progress=plain", "--log=log.jsonl", "--metrics=m.prom", "--json")
    monkeypatch.setenv("SKLEP_TOKEN", SECRETS["bearer"])
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRETS['proxy']}@proxy.example.com:3128")
    with started(shop.folder, *argv(*words, f"--seats-at=127.0.0.1:{port}")) as run:
        monkeypatch.delenv("SKLEP_TOKEN")
        monkeypatch.delenv("HTTPS_PROXY")
        until(lambda: len(pids_below(run.pid)) == 2, 60)
        with started(shop.folder, *argv("seat", f"127.0.0.1:{port}")) as seat:
            until(lambda: shop.endpoint("loja").saw.requests["GET auth"], 60)
            until(lambda: all(shop.endpoint(account).saw.effects["create"] for account in PLATFORMS), 60)
            seats = {*pids_below(run.pid), seat.pid}
            for pid in seats:
                shown += [Path(f"/proc/{pid}/{what}").read_bytes() for what in ("cmdline", "environ")]
            shown.append(Path(f"/proc/{run.pid}/cmdline").read_bytes())
            if is_killed:
                os.kill(max(pids_below(run.pid)), signal.SIGKILL)
            shown += contents(shop.folder, temporary)  # with the journal's log
            for account in PLATFORMS:
                shop.hook(account, "")
            shown += run.communicate(timeout=60)
            shown += seat.communicate(timeout=60)
    assert run.returncode in {0, 1}, shown[-3]
    assert len(shop.results()) == len(lines)
    shown += contents(shop.folder, temporary)
    shown += [str(path).encode() for path in files_below(shop.folder, temporary)]
    secrets = [*SECRETS.values(), "sandbox-access", "sandbox-refresh"]  # how the simulator begins its new tokens
    assert [secret for secret in secrets if any(secret.encode() in text for text in shown)] == []
