"""Row: the use of a limit at nginx and haproxy, which count in their own ways; where they are installed."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import generate
import msgspec
from answers import CREATED
from figures import Figure, Row, Table
from loadserver import installed, wait_for
from workbench import Bench, forget, run_words

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    log_format seen '$msec $status';
    default_type application/json;
    limit_req_status 429;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{origin}; location / {{ return 201 '{created}'; }} access_log off; }}
{servers}
}}
"""
_NGINX_SERVER = """
    {zone}
    server {{
        listen 127.0.0.1:{port};
        access_log {folder}/{port}.log seen;
        location / {{ {limit} proxy_pass http://127.0.0.1:{origin}; }}
    }}
"""
_HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
{servers}
"""
_HAPROXY_SERVER = """
frontend f{port}
    bind 127.0.0.1:{port}
    stick-table type integer size 10 expire 10m store http_req_rate({seconds}s)
    http-request track-sc0 int(1)
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {count} }}
    default_backend b{port}
backend b{port}
    server s1 127.0.0.1:{backend}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A server's limit in its own words, what the config says, and what is truly let through a second.

    ``bound`` is the least use in percent, ``refused`` the most of all requests that may be answered 429, in percent.
    """

    what: str
    config: str
    rate: float
    bound: float
    refused: float
    nginx: tuple[str, int] = ("", 0)
    haproxy: tuple[int, int] = (0, 0)

    def least(self, lines: int) -> float:
        """Seconds between the first and the last of so many requests, if the server lets through all it can."""
        if self.haproxy[0]:
            # The first window takes the limit at once and nothing more until it is over. Later ones add what is left of
            # the last window, as a share: evenly, one less than the limit passes.
            count, seconds = self.haproxy
            return seconds + (lines - count) * seconds / (count - 1)
        return (lines - 1 - self.nginx[1]) / self.rate


CASES = (
    Case("nginx 180r/m, no burst", "180/min", 3.0, 95, 2, nginx=("180r/m", 0)),
    Case("nginx 180r/m, burst of 20", "180/min", 3.0, 95, 2, nginx=("180r/m", 20)),
    Case("nginx 2r/s, no burst", "2/s", 2.0, 95, 2, nginx=("2r/s", 0)),
    Case("nginx 90r/m, config twice too high", "180/min", 1.5, 85, 2, nginx=("90r/m", 0)),
    Case("haproxy 180 in 60 s", "180/min", 3.0, 95, 2, haproxy=(180, 60)),
    Case("haproxy 18 in 2 s", "18/2s", 9.0, 95, 2, haproxy=(18, 2)),
    Case("haproxy 90 in 60 s, config twice too high", "180/min", 1.5, 85, 2, haproxy=(90, 60)),
)


@dataclass(frozen=True, slots=True)
class Use:
    """What came through one server: use in percent, requests let through and refused."""

    case: Case
    use: float
    let_through: int
    refused: int

    @property
    def refused_share(self) -> float:
        """Requests that were answered 429, in percent of all."""
        return 100 * self.refused / (self.let_through + self.refused)


def measure(bench: Bench) -> Row:
    """Each case at the same time as the others, for five minutes."""
    title = "Limits as nginx and haproxy count"
    there = [case for case in CASES if installed("haproxy" if case.haproxy[0] else "nginx")]
    if installed("nginx") is None:
        return Row("servers", title, [], [], notes=["Not measured: nginx is not installed."])
    with _servers(there) as running, ThreadPoolExecutor(len(there)) as at_once:
        uses = list(at_once.map(lambda one: _use(bench, *one), zip(there, running, strict=True)))
    figures = []
    for use in uses:
        what = f"use of the limit of {use.case.what}"
        figures.append(Figure(what, f">= {use.case.bound:g} %", use.use, "%", use.case.bound))
        what, most = f"answers 429 of {use.case.what}", use.case.refused
        figures.append(Figure(what, f"< {most:g} %", use.refused_share, "%", most, greater=False))
    rows = [
        [use.case.what, use.case.config, f"{use.use:.1f} %", f"{use.let_through:,}", f"{use.refused:,}"] for use in uses
    ]
    note = (
        "Real servers, no Retry-After. Use is the time that so many requests take at the least, as the server counts, "
        "divided by the time between the first and the last one that came through."
    )
    return Row(
        "servers", title, figures, [Table("", ["server", "config", "use", "let through", "429"], rows)], notes=[note]
    )


@dataclass(frozen=True, slots=True)
class _Running:
    port: int
    log: Path


def _use(bench: Bench, case: Case, running: _Running) -> Use:
    lines = int(case.rate * bench.size(300, 60)) + 1
    job = bench.job(generate.Job(lines))
    config = bench.config(concurrency=8, limits=[case.config], origin=f"http://127.0.0.1:{running.port}")
    results = bench.new(".results.jsonl")
    bench.command(*run_words(job, config, results), "--patience", "10")
    with results.open("rb") as file:
        sent = sum(msgspec.json.decode(line)["attempts"] for line in file)
    forget(results)
    seen = [line.split() for line in running.log.read_text().splitlines()]
    came = [float(at) for at, status in seen if status == "201"]
    return Use(case, 100 * case.least(lines) / (came[-1] - came[0]), len(came), sent - len(came))


@contextmanager
def _servers(cases: Sequence[Case]) -> Iterator[list[_Running]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        origin, *ports = _free_ports(1 + 2 * len(cases))
        fronts, behind = ports[: len(cases)], ports[len(cases) :]
        nginx, haproxy, running = [], [], []
        for case, port, backend in zip(cases, fronts, behind, strict=True):
            counted = backend if case.haproxy[0] else port
            zone, limit = _limited(counted, *case.nginx)
            nginx.append(_NGINX_SERVER.format(folder=folder, port=counted, origin=origin, zone=zone, limit=limit))
            if case.haproxy[0]:
                count, seconds = case.haproxy
                haproxy.append(_HAPROXY_SERVER.format(port=port, backend=backend, count=count, seconds=seconds))
            running.append(_Running(port, folder / f"{counted}.log"))
        created = CREATED.text.replace("{n}", "$connection-$connection_requests")
        _start(
            stack, folder, "nginx", _NGINX.format(folder=folder, origin=origin, created=created, servers="".join(nginx))
        )
        if haproxy:
            _start(stack, folder, "haproxy", _HAPROXY.format(servers="".join(haproxy)))
        for port in fronts:
            wait_for(port)
        yield running


def _limited(port: int, rate: str, burst: int) -> tuple[str, str]:
    """What nginx is told of a server's limit: its zone, and how it is kept."""
    if not rate:
        return "", ""
    kept = f"limit_req zone=z{port} burst={burst} nodelay;" if burst else f"limit_req zone=z{port};"
    return f"limit_req_zone $server_port zone=z{port}:1m rate={rate};", kept


def _free_ports(count: int) -> list[int]:
    with ExitStack() as taken:
        found = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]


def _start(stack: ExitStack, folder: Path, name: str, config: str) -> None:
    """A server of the config, in the foreground until the stack is closed."""
    path, binary = folder / f"{name}.conf", installed(name)
    assert binary is not None
    path.write_text(config)
    command: list[str | Path] = (
        [binary, "-p", folder, "-c", path] if name == "nginx" else [binary, "-db", "-q", "-f", path]
    )
    process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    stack.callback(process.terminate)
