"""Row: the same job by the tools that people would otherwise use, whole processes, side by side."""

import re
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import generate
import msgspec
from answers import CART, HEADERS
from environments import environment, node_environment, node_version, version
from figures import Curve, Figure, Row, Table
from processes import Ended, weigh
from rounds import Contenders, Rounds, interleaved, ratio
from workbench import Bench

_SCRIPTS = Path(__file__).with_name("peers_as_written")


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to do the job without batchcart: its script, its packages, and how many times slower it is expected.

    There is no ``bound`` for what somebody would take who wants speed alone.
    """

    name: str
    script: str
    packages: tuple[str, ...]
    bound: float | None


@dataclass(frozen=True, slots=True)
class Made:
    """A peer with its environment: the command that runs it, where, and the versions of its packages."""

    peer: Peer
    command: tuple[str | Path, ...]
    folder: Path | None
    versions: str


PEERS = (
    Peer("aiohttp, gather and semaphore", "gather.py", ("aiohttp>=3.14,<4",), 1.5),
    Peer("requests, 32 threads", "threads.py", ("requests>=2.32,<3",), 7.0),
    Peer("httpx and aiometer", "aiometered.py", ("httpx>=0.28,<1", "aiometer>=1.0,<2"), 10.0),
    Peer("Scrapy", "crawler.py", ("scrapy>=2.13,<3",), 15.0),
    Peer("parallel-request script", "parallel_script.py", ("aiohttp>=3.14,<4",), 10.0),
)
FAST = (
    Peer("pycurl", "multi_curl.py", ("pycurl>=7.45,<8",), None),
    Peer("wreq", "wreqs.py", ("wreq>=0.12,<1",), None),
    Peer("pyreqwest", "pyreqwests.py", ("pyreqwest>=0.11,<1",), None),
    Peer("undici", "undici.mjs", ("undici@^6",), None),
)
"""HTTP clients that are not written in Python, 50 at a time; the last one runs on Node."""
_FAST_NAMES = tuple(peer.name for peer in FAST)
_CURL_BOUND = 0.6
_OURS, _CURL = "batchcart", "curl --parallel"


def measure(bench: Bench) -> Row:
    """Operations a second, CPU and peak memory of whole processes: start, reading the job, requests, results."""
    lines = bench.size(20_000, 300)
    made = [_make(peer) for peer in (*PEERS, *FAST) if not _needs_node(peer) or shutil.which("npm")]
    contenders: Contenders = {_OURS: partial(_ours, bench, lines)}
    for one in made:
        contenders[one.peer.name] = partial(_peer, bench, one, lines)
    if shutil.which("curl"):
        contenders[_CURL] = partial(_curl, bench, lines)
    found = interleaved(contenders, bench.size(3, 1))
    heavy = _much(bench, made[0])
    return Row(
        "peers",
        "The same job by other tools",
        _figures(found["rate"], made) + _memory(found, heavy),
        [_table(found, lines, {one.peer.name: one.versions for one in made}), heavy],
        [Curve("peers", "Operations a second, whole process", "", "operations/s", _bars(found["rate"]), bars=True)],
        _notes(found),
    )


def _figures(rates: Rounds, made: Sequence[Made]) -> list[Figure]:
    bounds = {one.peer.name: one.peer.bound for one in made}
    if _CURL in rates:
        bounds[_CURL] = _CURL_BOUND
    return [
        Figure(
            f"operations/s against {name}",
            "" if bound is None else f">= {bound:g} times",
            ratio(rates, _OURS, name),
            "times",
            bound,
        )
        for name, bound in bounds.items()
    ]


def _memory(found: dict[str, Rounds], heavy: Table) -> list[Figure]:
    peaks = {name: statistics.median(numbers) for name, numbers in found["MiB"].items()}
    least = min(peaks[peer.name] for peer in PEERS)
    ours, gathered = (float(row[2]) for row in heavy.rows)
    return [
        Figure(
            f"peak memory against gather, {heavy.rows[0][1]} lines",
            "a fraction: <= 0.5 times",
            ours / gathered,
            "times",
            bound=0.5,
            greater=False,
        ),
        Figure("peak memory against the smallest peer, short job", "", peaks[_OURS] / least, "times"),
    ]


def _ours(bench: Bench, lines: int) -> dict[str, float]:
    run = bench.run(bench.job(generate.Job(lines)), bench.config())
    assert run.lines == lines
    return _weights(run.ended, lines)


def _peer(bench: Bench, made: Made, lines: int) -> dict[str, float]:
    results = bench.new(".jsonl")
    job = bench.job(generate.Job(lines))
    ended = weigh([*made.command, job, results, bench.server.origin], cwd=made.folder)
    with results.open("rb") as file:
        assert sum(1 for _ in file) == lines, made.peer.name
    results.unlink()
    return _weights(ended, lines)


def _curl(bench: Bench, lines: int) -> dict[str, float]:
    config = bench.new(".curl")
    with bench.job(generate.Job(lines)).open("rb") as job, config.open("w") as file:
        headers = "".join(f'header = "{name}: {value}"\n' for name, value in HEADERS.items())
        for number, line in enumerate(job):
            data = bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["data"]).decode()
            escaped = data.replace("\\", "\\\\").replace('"', '\\"')
            file.write("next\n" if number else "")
            file.write(f'url = "{bench.server.origin}{CART}"\ndata = "{escaped}"\n{headers}')
            file.write('header = "Content-Type: application/json"\noutput = /dev/null\n')
    ended = weigh(["curl", "--silent", "--parallel", "--parallel-max", "50", "--config", config])
    config.unlink()
    return _weights(ended, lines)


def _weights(ended: Ended, lines: int) -> dict[str, float]:
    return {"rate": lines / ended.wall, "CPU": ended.cpu / lines * 1e6, "MiB": ended.peak / 1024}


def _much(bench: Bench, gather: Made) -> Table:
    """Peak memory at a job of some size: batchcart first, then gather."""
    lines = bench.size(100_000, 2_000)
    rows = [[_OURS, f"{lines:,}", f"{_ours(bench, lines)['MiB']:.0f}"]]
    rows.append([gather.peer.name, f"{lines:,}", f"{_peer(bench, gather, lines)['MiB']:.0f}"])
    return Table("Peak memory at a longer job", ["", "lines", "MiB"], rows)


def _make(peer: Peer) -> Made:
    script = _SCRIPTS / peer.script
    if _needs_node(peer):
        folder = node_environment(script.stem, peer.packages)
        found = [f"{name} {node_version(folder, name)}" for name in _names(peer)]
        return Made(peer, ("node", script), folder, ", ".join(found))
    python = environment(script.stem, peer.packages)
    return Made(peer, (python, script), None, ", ".join(f"{name} {version(python, name)}" for name in _names(peer)))


def _needs_node(peer: Peer) -> bool:
    return peer.script.endswith(".mjs")


def _names(peer: Peer) -> list[str]:
    return [re.split("[>@]", package)[0] for package in peer.packages]


def _table(found: dict[str, Rounds], lines: int, versions: dict[str, str]) -> Table:
    middle = {figure: {name: statistics.median(of) for name, of in rounds.items()} for figure, rounds in found.items()}
    ranked = sorted(middle["rate"], key=lambda name: -middle["rate"][name])
    rows = [
        [
            name,
            f"{middle['rate'][name]:,.0f}",
            f"{middle['CPU'][name]:,.0f}",
            f"{middle['MiB'][name]:.0f}",
            versions.get(name, ""),
        ]
        for name in ranked
    ]
    head = ["", "operations/s", "CPU µs per operation", "peak MiB", "versions"]
    return Table(f"{lines:,} creates, medians", head, rows)


def _bars(rates: Rounds) -> dict[str, list[tuple[float, float]]]:
    return {name: [(0.0, round(statistics.median(of)))] for name, of in rates.items()}


def _notes(found: dict[str, Rounds]) -> list[str]:
    notes = ["None of the others checks the job before sending, keeps a limit's window, or can go on after a kill."]
    fast = [(name, ratio(found["rate"], name, _OURS)) for name in found["rate"] if name in (_CURL, *_FAST_NAMES)]
    if fast:
        told = ", ".join(f"{name} {times:.1f}" for name, times in sorted(fast, key=lambda one: -one[1]))
        notes.append(
            f"Who wants requests alone, at the greatest speed, is better off with a client that is not written in "
            f"Python; times the operations/s of batchcart: {told}. They have none of the promises: no check, limit, "
            "retry, journal."
        )
    return notes
