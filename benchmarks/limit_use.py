"""Row: how much of a limit is used, and how many 429 that costs, at a shop with a sliding window and jitter."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import generate
from figures import Figure, Row, Table
from processes import python, serving
from workbench import Bench


@dataclass(frozen=True, slots=True)
class Limit:
    """``count`` requests in ``seconds``; ``windows`` is for how many windows a run lasts."""

    text: str
    count: int
    seconds: float
    windows: int


_SLOW = (Limit("2/s", 2, 1.0, 60), Limit("50/s", 50, 1.0, 60), Limit("180/60s", 180, 60.0, 2))
_FAST = (Limit("500/s", 500, 1.0, 30),)


@dataclass(frozen=True, slots=True)
class Use:
    """What the shop saw of one run: use in percent, requests let through and refused, its own lateness in seconds."""

    limit: Limit
    use: float
    let_through: int
    refused: int
    late: float


def measure(bench: Bench) -> Row:
    """Use of each limit over a run that lasts whole windows. The slow ones run at the same time, the fast one alone."""
    with ThreadPoolExecutor(len(_SLOW)) as at_once:
        uses = list(at_once.map(lambda limit: _use(bench, limit), _SLOW if not bench.quick else _SLOW[:2]))
    uses += [_use(bench, limit) for limit in _FAST]
    figures = [Figure(f"use of a limit of {use.limit.text}", ">= 99 %", use.use, "%", bound=99.0) for use in uses]
    refused = sum(use.refused for use in uses)
    figures.append(Figure("answers 429, all these together", "0", float(refused), "", bound=0.0, greater=False))
    head = ["limit", "windows", "let through", "429", "use", "shop late by at most"]
    rows = [_line(use) for use in uses]
    note = (
        "Use is the time that so many requests take at the least under the limit, spread evenly, divided by the time "
        "between the arrivals of the first and the last one. The shop lets each request arrive 0 to 2 ms late; where "
        "it was later by itself, other work had its core."
    )
    return Row("limits", "Use of a limit", figures, [Table("As the shop saw it", head, rows)], notes=[note])


def seen(origin: str) -> dict[str, float]:
    """What the shop of windowserver.py saw."""
    with urllib.request.urlopen(f"{origin}/seen") as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]


def _line(use: Use) -> list[str]:
    counts = [f"{count:,}" for count in (use.limit.windows, use.let_through, use.refused)]
    return [use.limit.text, *counts, f"{use.use:.2f} %", f"{use.late * 1000:.1f} ms"]


def _use(bench: Bench, limit: Limit) -> Use:
    windows = bench.size(limit.windows, min(limit.windows, 6))
    lines = limit.count * windows + 1
    job = bench.job(generate.Job(lines))
    with serving([*python("windowserver.py"), str(limit.count), str(limit.seconds)]) as port:
        origin = f"http://127.0.0.1:{port}"
        bench.run(job, bench.config(limits=[limit.text], origin=origin))
        said = seen(origin)
    least = (lines - 1) * limit.seconds / limit.count
    taken = said["last"] - said["first"]
    return Use(limit, 100 * least / taken, int(said["let_through"]), int(said["refused"]), said["late"])
