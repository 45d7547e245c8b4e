"""Row: the same job by the tools that people would otherwise use, whole processes, side by side."""

import shutil
import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import generate
import msgspec
from answers import CART, HEADERS
from environments import environment, version
from figures import Curve, Figure, Row, Table
from processes import Ended, weigh
from rounds import Contenders, Rounds, interleaved, ratio
from workbench import Bench

_SCRIPTS = Path(__file__).with_name("peers_as_written")


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to do the job without batchcart: its script, its packages, and how many times slower it is expected."""

    name: str
    script: str
    packages: tuple[str, ...]
    bound: float


PEERS = (
    Peer("aiohttp, gather and semaphore", "gather.py", ("aiohttp>=3.14,<4",), 1.5),
    Peer("requests, 32 threads", "threads.py", ("requests>=2.32,<3",), 8.0),
    Peer("httpx and aiometer", "aiometered.py", ("httpx>=0.28,<1", "aiometer>=1.0,<2"), 10.0),
    Peer("Scrapy", "crawler.py", ("scrapy>=2.13,<3",), 15.0),
    Peer("parallel-request script", "parallel_script.py", ("aiohttp>=3.14,<4",), 10.0),
)
_OURS, _CURL = "batchcart", "curl --parallel"


def measure(bench: Bench) -> Row:
    """Operations a second, CPU and peak memory of whole processes: start, reading the job, requests, results."""
    lines = bench.size(20_000, 300)
    pythons = {peer.name: environment(Path(peer.script).stem, peer.packages) for peer in PEERS}
    contenders: Contenders = {_OURS: partial(_ours, bench, lines)}
    for peer in PEERS:
        contenders[peer.name] = partial(_peer, bench, pythons[peer.name], peer, lines)
    if shutil.which("curl"):
        contenders[_CURL] = partial(_curl, bench, lines)
    found = interleaved(contenders, bench.size(3, 1))
    heavy = _much(bench, pythons[PEERS[0].name])
    versions = {peer.name: _versions(pythons[peer.name], peer) for peer in PEERS}
    return Row(
        "peers",
        "The same job by other tools",
        [_figure(found["rate"], peer) for peer in PEERS] + _memory(found, heavy),
        [_table(found, lines, versions), heavy],
        [Curve("peers", "Operations a second, whole process", "", "operations/s", _bars(found["rate"]), bars=True)],
        _notes(found),
    )


def _figure(rates: Rounds, peer: Peer) -> Figure:
    return Figure(
        f"operations/s against {peer.name}",
        f">= {peer.bound:g} times",
        ratio(rates, _OURS, peer.name),
        "times",
        peer.bound,
    )


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


def _peer(bench: Bench, python: Path, peer: Peer, lines: int) -> dict[str, float]:
    results = bench.new(".jsonl")
    job = bench.job(generate.Job(lines))
    ended = weigh([python, _SCRIPTS / peer.script, job, results, bench.server.origin])
    with results.open("rb") as file:
        assert sum(1 for _ in file) == lines, peer.name
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


def _much(bench: Bench, python: Path) -> Table:
    """Peak memory at a job of some size: batchcart first, then gather."""
    lines = bench.size(100_000, 2_000)
    rows = [[_OURS, f"{lines:,}", f"{_ours(bench, lines)['MiB']:.0f}"]]
    rows.append([PEERS[0].name, f"{lines:,}", f"{_peer(bench, python, PEERS[0], lines)['MiB']:.0f}"])
    return Table("Peak memory at a longer job", ["", "lines", "MiB"], rows)


def _versions(python: Path, peer: Peer) -> str:
    names = [package.partition(">")[0] for package in peer.packages]
    return ", ".join(f"{name} {version(python, name)}" for name in names)


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
    if _CURL in found["rate"]:
        times = ratio(found["rate"], _CURL, _OURS)
        notes.append(
            f"`curl --parallel` did {times:.1f} times the operations/s of batchcart. It is written in C, reads its "
            "requests from a file made for it, and has none of the promises: no check, limit, retry, journal, result."
        )
    return notes
