"""Owns the load server: which one is there, starting it on its own core, and showing that it is not the bottleneck."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from answers import CART, CHANGED, CREATED, ITEM_ADDED, ITEM_CHANGED, TRAY, TRAY_CREATED, Answer
from processes import pin, python, serving, weigh

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    reset_timedout_connection on;
    default_type application/json;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = {cart} {{ {created} }}
        location ~ /Item$ {{ {item_added} }}
        location ~ /Item/(?<key>[^/]+)$ {{ {item_changed} }}
        location ~ ^{cart}/(?<key>[^/]+)$ {{ {changed} }}
        location {tray} {{ {tray_created} }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class LoadServer:
    """A load server that runs."""

    kind: str
    origin: str


def installed(server: str) -> str | None:
    """The path of a server's program, where it is installed."""
    return shutil.which(server, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def load_server(kind: str = "") -> Iterator[LoadServer]:
    """The load server, nginx where it is installed; ``kind`` asks for "nginx" or "raw"."""
    if kind != "raw" and installed("nginx"):
        with _nginx() as port:
            yield LoadServer("nginx", f"http://127.0.0.1:{port}")
    else:
        with serving(python("rawserver.py")) as port:
            yield LoadServer("raw", f"http://127.0.0.1:{port}")


@contextmanager
def _nginx() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as taken:
        folder, port = Path(name), taken.getsockname()[1]
        taken.close()
        made = {"created": CREATED, "item_added": ITEM_ADDED, "tray_created": TRAY_CREATED}
        changed = {"changed": CHANGED, "item_changed": ITEM_CHANGED}
        returns = {name: _return(answer, "$connection-$connection_requests") for name, answer in made.items()}
        returns |= {name: _return(answer, "$key") for name, answer in changed.items()}
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, cart=CART, tray=TRAY, **returns))
        binary = installed("nginx")
        assert binary is not None
        with subprocess.Popen([binary, "-p", name, "-c", config], stderr=subprocess.DEVNULL) as process:
            pin(process.pid, 0)
            try:
                wait_for(port)
                yield port
            finally:
                process.terminate()


def _return(answer: Answer, number: str) -> str:
    return f"return {answer.status} '{answer.text.replace('{n}', number)}';"


def wait_for(port: int) -> None:
    """Wait until something listens there; raises TimeoutError after some seconds."""
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError(f"nothing answers at port {port}")


_WRK = """
wrk.method = "POST"
wrk.body = '{"CustomerId":1,"BillingFirstName":"Ada","BillingLastName":"Ada","BillingCity":"Miami"}'
wrk.headers["Content-Type"] = "application/json"
"""


def greatest_rate(server: LoadServer, *, seconds: float) -> tuple[str, float]:
    """Which client was used, and the requests a second that the server answered it from the other core."""
    if shutil.which("wrk") is None:
        ended = weigh([*python("hammer.py"), server.origin, str(seconds)])
        return "raw socket client", float(ended.output)
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "post.lua"
        script.write_text(_WRK)
        ended = weigh(["wrk", "-t1", "-c50", f"-d{max(1, round(seconds))}s", "-s", script, f"{server.origin}{CART}"])
    found = re.search(r"Requests/sec:\s+([0-9.]+)", ended.output)
    assert found is not None, ended.output
    return "wrk", float(found[1])


def versions() -> dict[str, str]:
    """The versions of nginx, wrk and curl that are there."""
    found = {}
    for name, option in (("nginx", "-v"), ("wrk", "-v"), ("curl", "--version")):
        if binary := installed(name):
            said = subprocess.run([binary, option], capture_output=True, text=True, check=False)
            words = (said.stdout + said.stderr).splitlines()[0].split()
            found[name] = next((word.rpartition("/")[2] for word in words if re.search("[0-9]", word)), "")
    return found


if __name__ == "__main__":
    with load_server(sys.argv[1] if len(sys.argv) > 1 else "") as running:
        print(running.kind, running.origin, *greatest_rate(running, seconds=2))
