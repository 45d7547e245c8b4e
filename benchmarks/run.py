"""Runs the benchmarks and writes the report.

python benchmarks/run.py                      all rows, about an hour; writes benchmarks/REPORT.md
python benchmarks/run.py --quick              a smoke test of a minute or two
python benchmarks/run.py --only speed peers   some rows
python benchmarks/run.py --results FILE       keeps the figures there as JSON; with --only the other rows stay
"""

import argparse
import importlib
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import generate
import msgspec
from figures import Figure, Report, Row
from loadserver import LoadServer, greatest_rate, load_server
from machine import machine, versions
from report import number, write
from workbench import Bench, loops_of

ROWS = {
    "speed": "speed",
    "peers": "peers",
    "overhead": "overhead",
    "limits": "limit_use",
    "signals": "limit_signals",
    "finish": "finish_times",
    "referees": "referees",
    "servers": "limiting_servers",
    "memory": "memory",
    "check": "checking",
    "resume": "resume",
    "startup": "startup",
    "scaling": "scaling",
    "many": "many_accounts",
    "seats": "seats",
    "hub": "hub_share",
    "earlier": "earlier",
}
"""The rows and their scripts."""


def main() -> None:
    """Measure, tell as it goes, keep the figures, write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small jobs, one round: shows that everything works")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--results", type=Path, help="where the figures go as JSON")
    parser.add_argument("--report", type=Path, help="folder of REPORT.md and its plots [here; with --quick a new one]")
    parser.add_argument("--server", choices=("nginx", "raw"), default="", help="load server [nginx where installed]")
    parser.add_argument("--folder", type=Path, help="where jobs and results lie meanwhile; a disk, not memory")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # servers and runs end with us
    with (
        tempfile.TemporaryDirectory(prefix="batchcart-bench-", dir=given.folder) as folder,
        load_server(given.server) as server,
    ):
        client, most = greatest_rate(server, seconds=1 if given.quick else 5)
        bench = Bench(Path(folder), server, quick=given.quick)
        bench.loops = loops_of(bench.folder, bench.job(generate.Job(1)), bench.config())
        kept = _kept(given.results) if given.only else []
        report = Report(_now(), given.quick, machine(), versions(), _server(server, client, most), kept)
        for name in given.only or ROWS:
            rows = _among([_measured(bench, name)], report.rows)
            report = msgspec.structs.replace(report, date=_now(), rows=rows)
            if given.results:  # a row takes minutes: what is measured stays, whatever becomes of the others
                given.results.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    report_folder = given.report or (Path(tempfile.mkdtemp()) if given.quick else Path(__file__).parent)
    report_folder.mkdir(parents=True, exist_ok=True)
    print(write(report, report_folder))


def _measured(bench: Bench, name: str) -> Row:
    print(f"{name} …", file=sys.stderr)
    began = time.monotonic()
    row: Row = importlib.import_module(ROWS[name]).measure(bench)
    for figure in row.figures:
        print(f"    {_told(figure)}", file=sys.stderr)
    return msgspec.structs.replace(row, seconds=time.monotonic() - began, date=_now())


def _kept(results: Path | None) -> list[Row]:
    """The rows that were measured before."""
    if results is None or not results.exists():
        return []
    return msgspec.json.decode(results.read_bytes(), type=Report).rows


def _among(fresh: list[Row], kept: list[Row]) -> list[Row]:
    """The rows that were measured now, in the place of the old ones of their names."""
    rows = {row.name: row for row in (*kept, *fresh)}
    return [rows[name] for name in ROWS if name in rows]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _told(figure: Figure) -> str:
    verdict = {True: ", met", False: ", NOT MET", None: ""}[figure.met]
    target = f" (target {figure.target}{verdict})" if figure.target else ""
    return f"{figure.what}: {number(figure)}{target}"


def _server(server: LoadServer, client: str, most: float) -> dict[str, str]:
    return {"load server": f"{server.kind}, one worker; it answers {most:,.0f} creates/s to {client}"}


if __name__ == "__main__":
    main()
