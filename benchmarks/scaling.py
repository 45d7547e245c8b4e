"""Row: what the size of the job, the concurrency and the number of accounts do to the cost of an operation."""

import statistics

import generate
from figures import Curve, Figure, Row
from workbench import Bench

Points = list[tuple[float, float]]

_WHOLE = (
    (1_000, 2_000, 5_000, 10_000, 20_000, 40_000),
    (1, 2, 5, 10, 20, 50, 100, 200),
    (1, 3, 10, 30, 100, 300),
)
_QUICK = ((200, 400, 800), (1, 10), (1, 10))
"""Job sizes, concurrencies, numbers of accounts."""


def measure(bench: Bench) -> Row:
    """CPU of whole runs, each the less disturbed of two."""
    sizes, widths, shops = _QUICK if bench.quick else _WHOLE
    lines = bench.size(8_000, 400)
    by_size = [(float(size), _seconds(bench, size, 50, 1)) for size in sizes]
    by_width = [(float(width), _seconds(bench, lines, width, 1) / lines * 1e6) for width in widths]
    many = bench.size(20_000, 400)
    by_shops = [(float(count), _seconds(bench, many, 8, count) / many * 1e6) for count in shops]
    return Row(
        "scaling",
        "Cost against size, concurrency and accounts",
        [_straight(by_size), _width(by_width), _flat(by_shops, many)],
        curves=[
            Curve("job-size", "CPU against job size", "lines", "seconds", {"batchcart": by_size}),
            Curve("concurrency", "CPU against concurrency", "in flight", "µs per operation", {"batchcart": by_width}),
            Curve("accounts", "CPU against accounts", "accounts", "µs per operation", {"batchcart": by_shops}),
        ],
    )


def _seconds(bench: Bench, lines: int, concurrency: int, accounts: int) -> float:
    job = bench.job(generate.Job(lines, accounts=accounts))
    config = bench.config(accounts=accounts, concurrency=concurrency)
    return min(bench.run(job, config).ended.cpu for _ in range(bench.size(2, 1)))


def _straight(points: Points) -> Figure:
    """How well a straight line fits."""
    fit = statistics.correlation([x for x, _ in points], [y for _, y in points]) ** 2
    what = f"CPU against job size, {points[0][0]:,.0f} to {points[-1][0]:,.0f} lines: fit of a straight line"
    return Figure(what, "linear: R² >= 0.99", fit, "", bound=0.99)


def _width(points: Points) -> Figure:
    times = points[-1][1] / min(y for _, y in points)
    what = f"CPU per operation at {points[-1][0]:,.0f} in flight against the cheapest concurrency"
    detail = "the job is the same, so a cost that is linear in the work is flat here"
    return Figure(what, "linear: <= 1.3 times", times, "times", bound=1.3, greater=False, detail=detail)


def _flat(points: Points, lines: int) -> Figure:
    what = f"CPU per operation at {points[-1][0]:,.0f} accounts against one, {lines:,} lines"
    times = points[-1][1] / points[0][1]
    return Figure(what, "", times, "times", detail="for 1,000 and more see the row `many`")
