"""What was given up does not arrive later: with a killed process, a stopped one, and a network that goes for a while.

The tests with networks of their own take a minute each and need Linux and the right to make network namespaces:
`pytest -m network`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cable import FAR, Network, network
from cli_harness import argv, environment, lines_until, until

SUPPORT = Path(__file__).parents[1] / "support"

LINES = 160


def configured(folder: Path, address: str, *more: str) -> None:
    lines = ['[accounts.loja]\nplatform = "tray"\naccess_token = "token-12345"\nrefresh_token = "fresh-12345"']
    lines += [f'api_address = "{address}"', "insecure = true", 'limits = ["40/s"]', *more]
    (folder / "batchcart.toml").write_text("\n".join(lines))
    adds = [
        {"op": "cart.create", "account": "loja", "cart": f"c{n}", "data": {"product_id": 5, "quantity": 1}}
        for n in range(LINES)
    ]
    (folder / "job.jsonl").write_text("".join(json.dumps(line) + "\n" for line in adds))


COMMANDS = {
    "run": ("run", "job.jsonl"),
    "workers": ("run", "job.jsonl", "--processes", "2"),
    "doctor": ("doctor",),
    "renewal": ("run", "job.jsonl"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_process_resets_its_connections_to_shops(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        configured(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}", "concurrency = 1")
        run = subprocess.Popen(
            argv(*COMMANDS[name]),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with listener.accept()[0] as shop:
            shop.settimeout(30)
            shop.recv(1 << 16)
            if name == "renewal":
                shop.sendall(b'HTTP/1.1 401 No\r\nContent-Length: 12\r\n\r\n{"code":401}')
                assert b"/auth" in shop.recv(1 << 16)
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            with pytest.raises(ConnectionResetError):
                shop.recv(1 << 16)


@contextmanager
def shop_and_job(net: Network, folder: Path, *more: str) -> Iterator[Path]:
    effects = folder / "effects"
    effects.touch()
    serve = [sys.executable, str(SUPPORT / "tray_shop.py"), FAR, str(effects)]
    shop = subprocess.Popen(net.within(net.far, *serve), stdout=subprocess.PIPE, text=True)
    (port,) = lines_until(shop, lambda _: True)
    configured(folder, f"http://{FAR}:{port.strip()}/web_api", *more)
    try:
        yield effects
    finally:
        shop.kill()
        shop.communicate()


def started(net: Network, folder: Path) -> "subprocess.Popen[bytes]":
    words = net.within(net.near, *argv("run", "job.jsonl", "--progress", "none", "--patience", "2"))
    return subprocess.Popen(words, cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL)


OUTAGE = 17.0
"""Seconds: beyond the time-out of the run that is left alone, and within that of the runs that are killed."""


@pytest.mark.network
@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", ["killed", "stopped and killed", "left alone"])
def test_what_a_lost_network_kept_back_does_not_arrive_after_it_was_given_up(tmp_path: Path, what: str) -> None:
    """No effect comes twice and none is lost where the network goes, whatever throws away what was on its way.

    It is green without SO_LINGER too; ``test_a_killed_process_resets_its_connections_to_shops`` is what shows that.
    """
    patient = "timeout = 3" if what == "left alone" else "timeout = 60"
    with network() as net, shop_and_job(net, tmp_path, patient) as effects:
        run = started(net, tmp_path)
        until(lambda: len(effects.read_text().split()) > LINES // 4, 120)
        net.lose_all(begin=True)
        lost_at = time.monotonic()
        time.sleep(1)
        if what == "stopped and killed":
            run.send_signal(signal.SIGSTOP)
            time.sleep(1)
        if what != "left alone":
            run.kill()
            run.wait()
        time.sleep(max(0.0, lost_at + OUTAGE - time.monotonic()))
        net.lose_all(begin=False)
        if what != "left alone":
            run = started(net, tmp_path)
        run.wait(300)
        time.sleep(60)  # as long as a kernel may go on sending
    found = Counter(effects.read_text().split())
    assert [cart for cart, times in found.items() if times > 1] == []
    results = [json.loads(line) for line in (tmp_path / "job.results.jsonl").read_text().splitlines()]
    assert Counter(result["status"] for result in results) == {"ok": LINES}
    assert len(found) == LINES
