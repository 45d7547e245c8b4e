"""Row: peak memory of whole runs, from ten thousand lines to two hundred thousand."""

import generate
from figures import Curve, Figure, Row, Table
from processes import own_peak
from workbench import Bench, Run

_MIX = "carts"


def measure(bench: Bench) -> Row:
    """Peak memory of whole runs: carts of 3 to 5 lines spread over the file, on one account and on many."""
    steps = (bench.size(10_000, 1_000), bench.size(50_000, 2_000), bench.size(200_000, 5_000))
    few, most = steps[0], steps[-1]
    shops = (1, bench.size(200, 5))
    runs = {(lines, accounts): _run(bench, lines, accounts) for accounts in shops for lines in steps}
    peaks = {sort: run.ended.peak / 1024 for sort, run in runs.items()}
    smallest = peaks[few, 1]
    measuring = own_peak() / 1024
    assert measuring < smallest, f"the measuring process is larger ({measuring:.0f} MiB) than what it measures"
    figures = [Figure(f"peak memory, {few:,} lines", "<= 64 MiB", smallest, "MiB", bound=64.0, greater=False)]
    for accounts in shops:
        what = f"peak memory, {most:,} lines, {_of(accounts)}: more than at {few:,}"
        more = peaks[most, accounts] - peaks[few, accounts]
        figures.append(Figure(what, "<= 8 MiB", more, "MiB", bound=8.0, greater=False))
    rows = [_line(lines, accounts, run) for (lines, accounts), run in runs.items()]
    head = ["lines", "accounts", "peak MiB", "operations/s, first request to end", "seconds before the first request"]
    return Row("memory", "Memory", figures, [Table("Whole runs", head, rows)], [_curve(peaks)])


def _of(accounts: int) -> str:
    return "one account" if accounts == 1 else f"{accounts:,} accounts"


def _run(bench: Bench, lines: int, accounts: int) -> Run:
    job = bench.job(generate.Job(lines, _MIX, accounts))
    run = bench.run(job, bench.config(accounts=accounts, concurrency=50 if accounts == 1 else 8))
    assert run.lines == lines
    return run


def _line(lines: int, accounts: int, run: Run) -> list[str]:
    before = run.began - run.ended.began
    return [f"{lines:,}", f"{accounts:,}", f"{run.ended.peak / 1024:.1f}", f"{run.rate:,.0f}", f"{before:.1f}"]


def _curve(peaks: dict[tuple[int, int], float]) -> Curve:
    lines: dict[str, list[tuple[float, float]]] = {}
    for (size, accounts), peak in peaks.items():
        lines.setdefault(_of(accounts), []).append((float(size), round(peak, 1)))
    return Curve("memory", "Peak memory against job size", "lines", "MiB", lines)
