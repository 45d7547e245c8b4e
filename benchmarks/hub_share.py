"""Row: what the hub of a run with seats has to do for each operation, with seats that only note."""

import socket
import subprocess

import generate
import msgspec
from figures import Figure, Row, Table
from processes import SERVER_CORE, Process, pin, python
from workbench import Bench, forget, run_words

_SHAPES = (
    ("at full load", 8, 1_000, 8, 0.0),
    ("at full load", 64, 1_000, 8, 0.0),
    ("at some 4,000 operations/s", 2, 20, 8, 0.04),
)
"""What it is called, seats, accounts, lines of an account under way, seconds until an answer."""


class Noted(msgspec.Struct, frozen=True):
    """What seats that only note say at their end: lines, the hub's seconds of CPU, seconds."""

    lines: int
    cpu: float
    seconds: float


def measure(bench: Bench) -> Row:
    """CPU of the hub alone, on a core of its own, each the less disturbed of three."""
    lines = bench.size(20_000, 200)
    figures, rows = [], []
    for called, seats, accounts, width, latency in _SHAPES:
        accounts = bench.size(accounts, seats)  # noqa: PLW2901
        found = [_note(bench, lines, accounts, (seats, width, latency)) for _ in range(bench.size(3, 1))]
        best = min(found, key=lambda noted: noted.cpu / noted.lines)
        cost = best.cpu / best.lines * 1e6
        what = f"CPU of the hub per operation, {seats} seats that only note, {accounts:,} accounts, {called}"
        figures.append(Figure(what, "<= 30 µs", cost, "µs", bound=30.0, greater=False))
        rows.append([str(seats), f"{accounts:,}", f"{best.lines / best.seconds:,.0f}/s", f"{cost:.0f} µs"])
    head = ["seats", "accounts", "operations", "CPU of the hub per operation"]
    return Row("hub", "The hub of a run with seats", figures, [Table("", head, rows)])


def _note(bench: Bench, lines: int, accounts: int, shape: tuple[int, int, float]) -> Noted:
    job, config = bench.job(generate.Job(lines, accounts=accounts)), bench.config(accounts=accounts)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    said: list[str] = []

    def meanwhile(hub: Process) -> None:
        command = [*map(str, python("noting_seats.py")), str(port), str(hub.pid), *map(str, shape)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as noting:
            pin(noting.pid, SERVER_CORE)
            said.append(noting.communicate(timeout=300)[0])

    results = bench.new(".results.jsonl")
    words = (*run_words(job, config, results), "--seats-at", f"127.0.0.1:{port}")
    bench.command(*words, meanwhile=meanwhile)
    forget(results)
    return msgspec.json.decode(said[0], type=Noted)
