"""Row: CPU per operation, and which share of it is batchcart's own."""

import statistics
from collections.abc import Callable
from functools import partial

import generate
import where
from figures import Figure, Row, Table
from processes import python, weigh
from rounds import Contenders, Rounds, interleaved
from workbench import Bench


def measure(bench: Bench) -> Row:
    """CPU of one more operation: the difference between a long and a short run, so that starting costs nothing here.

    What bare, tuned aiohttp costs for the same request counts as the client's share; all else, the check of the line
    and its plan included, is batchcart's own.
    """
    short, long = bench.size(5_000, 200), bench.size(60_000, 1_000)
    contenders: Contenders = {}
    for loop in bench.loops:
        contenders[f"bare {loop}"] = partial(_more, partial(_bare, bench, loop), short, long)
        contenders[f"batchcart {loop}"] = partial(_more, partial(_batchcart, bench, loop), short, long)
    found = interleaved(contenders, bench.size(7, 1))
    return Row(
        "overhead",
        "CPU per operation",
        [_figure(found, loop) for loop in bench.loops],
        [_table(found, long), *([where.measure(bench, loop) for loop in bench.loops] if where.py_spy() else [])],
    )


def _more(cpu: Callable[[int], tuple[float, float]], short: int, long: int) -> dict[str, float]:
    less, more = cpu(short), cpu(long)
    user, system = ((b - a) / (long - short) * 1e6 for a, b in zip(less, more, strict=True))
    return {"user": user, "system": system, "CPU": user + system}


def _batchcart(bench: Bench, loop: str, lines: int) -> tuple[float, float]:
    ended = bench.run(bench.job(generate.Job(lines)), bench.config(), loop=loop).ended
    return ended.user, ended.system


def _bare(bench: Bench, loop: str, lines: int) -> tuple[float, float]:
    job = bench.job(generate.Job(lines))
    ended = weigh([*python("bare.py"), job, bench.server.origin, "tuned", "--loop", loop])
    return ended.user, ended.system


def _figure(found: dict[str, Rounds], loop: str) -> Figure:
    pairs = zip(found["CPU"][f"bare {loop}"], found["CPU"][f"batchcart {loop}"], strict=True)
    shares = [100 * (1 - bare / ours) for bare, ours in pairs]
    over = statistics.median(share / (100 - share) * 100 for share in shares)
    least = 100 * (1 - min(found["CPU"][f"bare {loop}"]) / min(found["CPU"][f"batchcart {loop}"]))
    return Figure(
        f"batchcart's own share of the CPU per operation, on {loop}",
        "<= 10 %",
        statistics.median(shares),
        "%",
        bound=10.0,
        greater=False,
        detail=f"{over:.0f} % on top of bare; best/best {least:.0f} %",
    )


def _table(found: dict[str, Rounds], long: int) -> Table:
    rows = [
        [name, *(f"{statistics.median(found[part][name]):.1f}" for part in ("user", "system", "CPU"))]
        for name in sorted(found["CPU"])
    ]
    return Table(f"CPU µs of one more operation, up to {long:,}, medians", ["", "user", "system", "both"], rows)
