"""Row: what 1,000 and 5,000 accounts cost in one command, and what a second process does."""

import platform

import generate
from figures import Figure, Row, Table
from workbench import Bench, Run

_MIB = 1024  # KiB
_LINES = 20  # of each account


def measure(bench: Bench) -> Row:
    """One account at 50 in flight, many at 8, and many in two processes; all on one core beside the server's."""
    many, most = bench.size(1_000, 20), bench.size(5_000, 40)
    lines = many * _LINES
    one, thousand = _run(bench, lines, 1, 50), _run(bench, lines, many, 8)
    thousands, two = _run(bench, most * _LINES, most, 8), _run(bench, lines, many, 8, "--processes", "2")
    python, beside = f"Python {platform.python_version()}", f"one account at 50 in flight: {_cpu(one):.0f} µs"
    more = (thousand.ended.peak - one.ended.peak) / _MIB
    after = thousands.ended.ended - thousands.ended_last
    figures = [
        _bounded(f"CPU per operation at {many:,} accounts", 160.0, _cpu(thousand), "µs", f"{python}; {beside}"),
        _bounded(f"memory at {many:,} accounts more than at one", 30.0, more, "MiB"),
        _bounded(f"peak memory at {most:,} accounts of {_LINES} lines", 400.0, thousands.ended.peak / _MIB, "MiB"),
        _bounded(f"from the last result of {most:,} accounts to the end", 2.0, after, "s"),
        Figure("CPU of --processes 2, all together, against one process", "", _cpu(two) / _cpu(thousand), "times"),
    ]
    runs = {"1": one, f"{many:,}": thousand, f"{most:,}": thousands, f"{many:,}, two processes": two}
    rows = [[name, f"{run.lines:,}", f"{_cpu(run):.0f} µs", f"{run.rate:,.0f}/s", f"{run.ended.peak / _MIB:.0f} MiB"]
            for name, run in runs.items()]  # fmt: skip
    head = ["accounts", "lines", "CPU per operation", "operations", "peak memory of the largest process"]
    return Row("many", "Thousands of accounts", figures, [Table("", head, rows)])


def _bounded(what: str, most: float, measured: float, unit: str, detail: str = "") -> Figure:
    return Figure(what, f"<= {most:g} {unit}", measured, unit, bound=most, greater=False, detail=detail)


def _run(bench: Bench, lines: int, accounts: int, concurrency: int, *more: str) -> Run:
    job = bench.job(generate.Job(lines, accounts=accounts))
    return bench.run(job, bench.config(accounts=accounts, concurrency=concurrency), more=more)


def _cpu(run: Run) -> float:
    return run.ended.cpu / run.lines * 1e6
