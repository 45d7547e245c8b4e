"""A run on a Dask cluster: workers come and die, the scheduler goes, and no secret is seen there.

On demand, where the extra is installed: pytest -m cluster
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from certificates import open_authority
from cli_harness import KEYS, Cli, argv, batchcart, pids_below, until
from test_seats import carts, free_port, is_listening, is_stopped, started

from batchcart import __version__
from batchcart.sandbox.messages import Call

pytestmark = [pytest.mark.cluster, pytest.mark.posix]
pytest.importorskip("distributed")

Tls = tuple[str, ...]

_WORK = """
import os, sys
from distributed import Client, Security
address, ca, cert, key = sys.argv[1:]
security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
with Client(address, security=security) as client:
    for worker in client.nthreads():
        print(client.submit(os.getpid, workers=[worker], allow_other_workers=False, pure=False).result(30))
"""


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    authority = open_authority(tmp_path / "authority")
    pair = authority.sign("node", "IP:127.0.0.1")
    return tuple(map(str, (authority.certificate, pair.certificate, pair.key)))


def dask(role: str, *words: str, tls: Tls) -> list[str]:
    files = [f"--tls-{name}={path}" for name, path in zip(("ca-file", "cert", "key"), tls, strict=True)]
    shown = [] if any(word.startswith("--dashboard") for word in words) else ["--no-dashboard"]
    return [sys.executable, "-m", f"distributed.cli.dask_{role}", *words, *shown, *files]


def ours(tls: Tls) -> list[str]:
    return [f"--tls-{name}={path}" for name, path in zip(("ca", "cert", "key"), tls, strict=True)]


@contextmanager
def scheduler(folder: Path, port: int, tls: Tls, *words: str) -> Iterator[int]:
    """A scheduler's pid."""
    with started(folder, *dask("scheduler", "--host=127.0.0.1", f"--port={port}", *words, tls=tls)) as process:
        until(lambda: is_listening(port))
        yield process.pid


def worker(folder: Path, port: int, tls: Tls) -> list[str]:
    words = (f"tls://127.0.0.1:{port}", "--host=127.0.0.1", "--nthreads=1", "--no-nanny")
    return dask("worker", *words, f"--local-directory={folder}", tls=tls)


@contextmanager
def host(folder: Path, port: int, tls: Tls) -> Iterator["subprocess.Popen[bytes]"]:
    """A host's worker with its nanny, which starts it again when it dies."""
    words = [word for word in worker(folder, port, tls) if word != "--no-nanny"]
    with started(folder, *words) as process:
        yield process
        process.terminate()
        process.wait(30)


def memory_of(pid: int) -> Iterator[bytes]:
    """What a process can write to: all that it holds."""
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()  # type: ignore[union-attr]
            if mode.startswith("rw"):
                memory.seek(int(begin, 16))
                try:
                    yield memory.read(int(end, 16) - int(begin, 16))
                except OSError:  # what is mapped but not there
                    continue


def pages(port: int) -> list[bytes]:
    """What the scheduler shows of itself, and of its workers and their tasks, to whoever asks."""
    origin, seen, ahead = f"http://127.0.0.1:{port}", dict[str, bytes](), ["/info/main/workers.html"]
    ahead += [f"/json/{name}.json" for name in ("counts", "identity", "index")]
    ahead += [f"/info/{name}" for name in ("logs.html", "health", "metrics", "sitemap.json")]
    while ahead:
        if (place := ahead.pop()) not in seen:
            with suppress(urllib.error.URLError), urllib.request.urlopen(origin + place, timeout=20) as answer:
                seen[place] = answer.read()
                found = re.findall(r'href="(?:\.\./)*/?((?:info|json)?/?[\w/:%.-]+\.html)"', seen[place].decode())
                ahead += [f"/info/{name.removeprefix('info/')}" for name in found]
    return list(seen.values())


def test_a_killed_worker_loses_nothing_and_no_secret_is_in_the_scheduler(shop: Cli, tls: Tls) -> None:
    port, shown, logs = free_port(), free_port(), shop.folder / "workers"
    shop.job([*carts("loja", 12), *carts("sklep", 12)])
    for account in ("loja", "sklep"):
        shop.hook(account, "delay")
    words = ("run", "job.jsonl", "--progress=none", "--concurrency=1", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    board = f"--dashboard-address=127.0.0.1:{shown}"
    with scheduler(shop.folder, port, tls, board) as pid, ExitStack() as stack:
        first, second = (stack.enter_context(started(shop.folder, *worker(logs, port, tls))) for _ in range(2))
        run = stack.enter_context(started(shop.folder, *argv(*words)))
        until(lambda: shop.endpoint("loja").saw.effects["create"] >= 2 or run.poll() is not None, 60)
        held = pages(shown)
        assert any(b"sit_on_worker" in page for page in held)
        first.kill()
        held += memory_of(pid)
        third = stack.enter_context(started(shop.folder, *worker(logs, port, tls)))
        _, err = run.communicate(timeout=90)
        assert run.returncode == 0, err
        assert b"ended in the middle of its work" in err
        assert second.poll() is None
        assert third.poll() is None
        told = subprocess.run(
            [sys.executable, "-c", _WORK, f"tls://127.0.0.1:{port}", *tls], capture_output=True, timeout=60, check=True
        )
        assert set(map(int, told.stdout.split())) == {second.pid, third.pid}  # both are free for others
    assert set(shop.statuses().values()) == {"ok"}
    for account in ("loja", "sklep"):
        assert shop.endpoint(account).saw.effects["create"] == 12
    secret = ("private_key", "token", "access_token", "refresh_token")
    secrets = [keys[name].encode() for keys in KEYS.values() for name in secret if name in keys]
    assert any(b"sit_on_worker" in part for part in held)  # the look sees what is there
    assert not [secret for secret in secrets if any(secret in part for part in held)]


def test_a_run_goes_on_without_its_scheduler_and_with_a_new_one(shop: Cli, tls: Tls) -> None:
    port, logs = free_port(), shop.folder / "workers"
    shop.job(carts("loja", 24))
    shop.hook("loja", "delay")
    effects = shop.endpoint("loja").saw.effects
    words = ("run", "job.jsonl", "--progress=none", "--concurrency=2", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    with ExitStack() as stack:
        with scheduler(shop.folder, port, tls):
            old = stack.enter_context(started(shop.folder, *worker(logs, port, tls)))
            run = stack.enter_context(started(shop.folder, *argv(*words)))
            until(lambda: effects["create"] >= 2 or run.poll() is not None, 40)
        until(lambda: effects["create"] >= 10 or run.poll() is not None, 40)
        old.kill()
        stack.enter_context(scheduler(shop.folder, port, tls))
        stack.enter_context(started(shop.folder, *worker(logs, port, tls)))
        _, err = run.communicate(timeout=90)
    assert run.returncode == 0, err
    assert all(b"others go on" in line or b"seats that live go on" in line for line in err.splitlines()), err
    assert effects["create"] == 24


def test_a_worker_that_its_nanny_started_again_is_a_seat_again(shop: Cli, tls: Tls) -> None:
    port = free_port()
    shop.job(carts("loja", 24))
    shop.hook("loja", "delay")
    effects = shop.endpoint("loja").saw.effects
    words = ("run", "job.jsonl", "--progress=none", "--concurrency=4", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    with scheduler(shop.folder, port, tls), host(shop.folder, port, tls) as nanny, ExitStack() as stack:
        run = stack.enter_context(started(shop.folder, *argv(*words, f"--seats-at=0.0.0.0:{free_port()}")))
        until(lambda: effects["create"] >= 2 or run.poll() is not None, 40)
        for pid in pids_below(nanny.pid):
            os.kill(pid, signal.SIGKILL)
        _, err = run.communicate(timeout=90)
    assert run.returncode == 0, err
    assert err.count(b"others go on with its accounts") == 1
    assert effects["create"] == 24


def test_what_a_shop_answered_a_frozen_worker_ends_the_line_once_the_worker_wakes_up(shop: Cli, tls: Tls) -> None:
    port = free_port()
    shop.configure(acme={"concurrency": 1})
    shop.job(carts("acme", 2))
    words = ("run", "job.jsonl", "--progress=none", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    with scheduler(shop.folder, port, tls), ExitStack() as stack:
        frozen = stack.enter_context(started(shop.folder, *worker(shop.folder, port, tls)))
        pids = [frozen.pid]

        def freeze(call: Call) -> str:
            if call.method == "POST" and pids:
                os.kill(pids.pop(), signal.SIGSTOP)
            return ""

        shop.hook("acme", freeze)
        run = stack.enter_context(started(shop.folder, *argv(*words)))
        until(lambda: is_stopped(frozen.pid))
        stack.enter_context(started(shop.folder, *worker(shop.folder / "other", port, tls)))
        until(lambda: (shop.folder / "job.results.jsonl").read_bytes().count(b"\n") == 3)
        assert set(shop.statuses()) == {4, 5, 6}
        os.kill(frozen.pid, signal.SIGCONT)
        _, err = run.communicate(timeout=90)
    assert run.returncode == 0, err
    assert b"said nothing for 6 s" in err
    assert set(shop.statuses().values()) == {"ok"}
    assert shop.endpoint("acme").saw.effects == {"create": 2, "add": 2}


def test_a_run_whose_cluster_is_gone_waits_as_long_as_it_may(shop: Cli, tls: Tls) -> None:
    port = free_port()
    shop.job(carts("loja", 24))
    shop.hook("loja", "delay")
    words = ("run", "job.jsonl", "--progress=none", "--patience=0", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    with ExitStack() as stack:
        with scheduler(shop.folder, port, tls):
            own = stack.enter_context(started(shop.folder, *worker(shop.folder, port, tls)))
            run = stack.enter_context(started(shop.folder, *argv(*words)))
            until(lambda: shop.endpoint("loja").saw.effects["create"] >= 2 or run.poll() is not None, 40)
            own.kill()
        _, err = run.communicate(timeout=90)
    assert run.returncode == 3, err
    assert b"no seat was there" in err
    again = batchcart(*words, folder=shop.folder, code=2)
    assert "no Dask scheduler can be reached there" in again.err


def test_the_doctor_looks_at_each_worker(shop: Cli, tls: Tls) -> None:
    port = free_port()
    words = ("doctor", "--offline", "--json", "loja", f"--cluster=tls://127.0.0.1:{port}", *ours(tls))
    gone = json.loads(batchcart(*words, folder=shop.folder, code=1).out)
    assert "no Dask scheduler can be reached there" in gone["findings"][-1]["sentence"]
    with scheduler(shop.folder, port, tls), started(shop.folder, *worker(shop.folder, port, tls)):
        found = until(lambda: looked if len(looked := ask(words, shop.folder)) == 2 else None, 60)
    assert found[0]["sentence"].endswith("TLS with certificates on both sides")
    assert found[1]["about"].startswith("worker tls://127.0.0.1:")
    assert found[1]["sentence"].startswith(f"batchcart {__version__}, Python 3.")


def ask(words: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """What the doctor says of a cluster that is well; nothing as long as it is not."""
    found = json.loads(batchcart(*words, folder=folder).out)["findings"]
    ours = [one for one in found if one["about"].startswith(("cluster", "worker"))]
    return ours if all(one["well"] for one in ours) else []
