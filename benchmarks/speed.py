"""Row: operations a second with everything on, against aiohttp alone with the same requests, server and concurrency."""

import json
import statistics
from functools import partial

import generate
from figures import Curve, Figure, Row, Table
from processes import python, weigh
from rounds import Contenders, Rounds, best_ratio, interleaved, ratio
from workbench import Bench

_DEFAULT = "aiohttp as people write it, asyncio"


def measure(bench: Bench) -> Row:
    """Operations a second from the first request to the end of the process; limits on and far above, journal synced."""
    lines, rounds = bench.size(50_000, 300), bench.size(7, 1)
    job = generate.Job(lines)
    contenders: Contenders = {_DEFAULT: partial(_bare, bench, job, "default", "asyncio")}
    for loop in bench.loops:
        contenders[_tuned(loop)] = partial(_bare, bench, job, "tuned", loop)
        contenders[_ours(loop)] = partial(_batchcart, bench, job, loop)
    found = interleaved(contenders, rounds)
    figures = [
        Figure(
            f"operations/s against bare, tuned aiohttp, both on {loop}",
            ">= 1.00 times",
            ratio(found["rate"], _ours(loop), _tuned(loop)),
            "times",
            bound=1.00,
            detail=_detail(found, _ours(loop), _tuned(loop)),
        )
        for loop in bench.loops
    ]
    figures += [
        Figure(
            f"operations/s against aiohttp as people write it, batchcart on {loop}",
            ">= 1.15 times",
            ratio(found["rate"], _ours(loop), _DEFAULT),
            "times",
            bound=1.15,
            detail=_detail(found, _ours(loop), _DEFAULT),
        )
        for loop in bench.loops
    ]
    return Row(
        "speed",
        "Speed against aiohttp alone",
        [*figures, *_mixed(bench)],
        [_table(found, lines)],
        [Curve("speed", "Operations a second", "", "operations/s", _bars(found["rate"]), bars=True)],
    )


def _mixed(bench: Bench) -> list[Figure]:
    """The same with every second line on Tray, so with two accounts at once."""
    job = generate.Job(bench.size(50_000, 300), "both-creates", 2)
    contenders: Contenders = {
        "tuned": partial(_bare, bench, job, "tuned", bench.loop),
        "batchcart": partial(_batchcart, bench, job, bench.loop),
    }
    found = interleaved(contenders, bench.size(3, 1))
    what = f"the same with a 3dcart and a Tray account side by side, on {bench.loop}"
    detail = _detail(found, "batchcart", "tuned")
    times = ratio(found["rate"], "batchcart", "tuned")
    return [Figure(what, ">= 0.95 times", times, "times", 0.95, detail=detail)]


def _batchcart(bench: Bench, job: generate.Job, loop: str) -> dict[str, float]:
    config = bench.config(accounts=job.accounts, tray=(1,), concurrency=50 // job.accounts)
    run = bench.run(bench.job(job), config, loop=loop)
    assert run.lines == job.lines
    whole = job.lines / run.ended.wall
    return {"rate": run.rate, "whole": whole, "CPU": run.ended.cpu / job.lines * 1e6}


def _bare(bench: Bench, job: generate.Job, kind: str, loop: str) -> dict[str, float]:
    ended = weigh([*python("bare.py"), bench.job(job), bench.server.origin, kind, "--loop", loop])
    said = json.loads(ended.output)
    assert said["operations"] == job.lines
    rate, whole = job.lines / (ended.ended - said["began"]), job.lines / ended.wall
    return {"rate": rate, "whole": whole, "CPU": ended.cpu / job.lines * 1e6}


def _tuned(loop: str) -> str:
    return f"aiohttp bare and tuned, {loop}"


def _ours(loop: str) -> str:
    return f"batchcart, {loop}"


def _detail(found: dict[str, Rounds], one: str, other: str) -> str:
    best, whole = best_ratio(found["rate"], one, other), ratio(found["whole"], one, other)
    return f"best/best {best:.2f}; whole processes, start and check included, {whole:.2f}"


def _table(found: dict[str, Rounds], lines: int) -> Table:
    middle = {figure: {name: statistics.median(of) for name, of in rounds.items()} for figure, rounds in found.items()}
    rows = [
        [name, *(f"{middle[figure][name]:,.0f}" for figure in ("rate", "whole", "CPU"))]
        for name in sorted(middle["rate"], key=lambda name: -middle["rate"][name])
    ]
    head = ["", "operations/s, first request to end", "operations/s, whole process", "CPU µs per operation"]
    return Table(f"{lines:,} creates at 50 in flight, medians of {len(next(iter(found['rate'].values())))}", head, rows)


def _bars(rates: Rounds) -> dict[str, list[tuple[float, float]]]:
    return {name: [(0.0, round(statistics.median(of)))] for name, of in rates.items()}
