"""Owns what a benchmark measured: times of requests, percentiles, the use of limits; arithmetic, no clock of its own.

Two times are told of each request. Service time runs from its sending to its answer. Time from plan runs from the
moment for which the account's limits had a place for it, whether or not it was sent then: a request that had to wait
because others were slow counts that wait, as its sender would.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from batchcart.model.limits import Bucket, Limit, Window

_PACED = 60.0
"""Seconds: sends are spread evenly over a window of this length, while a longer one is a quota, used as needed."""

_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


@dataclass(slots=True)
class RequestTrace:
    """One account's requests in the order they were sent: when each left and when it was over, in seconds."""

    limits: Sequence[Limit]
    began: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    throttled: int = 0

    def begin(self, now: float) -> int:
        """A request is sent; its number."""
        self.began.append(now)
        self.ended.append(math.nan)
        return len(self.began) - 1

    def end(self, number: int, now: float) -> None:
        """The request is over."""
        self.ended[number] = now


class Times(msgspec.Struct, frozen=True):
    """A distribution in milliseconds."""

    p50: float
    p90: float
    p99: float
    p999: float = msgspec.field(name="p99.9")
    max: float = 0.0


class BenchFigures(msgspec.Struct, frozen=True):
    """What a benchmark came to. ``limit_use`` is the share of what the limits allowed while it ran; None: no limit.

    ``cpu_us`` is this process's own CPU time an operation, in microseconds; ``peak_mib`` its largest memory, None where
    the system does not tell.
    """

    seconds: float
    operations: int
    not_ok: int
    requests: int
    retries: int
    throttled: int
    operations_per_second: float
    requests_per_second: float
    service_ms: Times
    from_plan_ms: Times | None
    limit_use: float | None
    cpu_us: float
    peak_mib: float | None


def times_of(seconds: Iterable[float]) -> Times:
    """The distribution of durations; by nearest rank, so that each figure is one that occurred."""
    ordered = sorted(seconds)
    ranks = [max(0, math.ceil(share * len(ordered)) - 1) for share in _SHARES.values()]
    return Times(*(round(ordered[rank] * 1000, 3) for rank in ranks)) if ordered else Times(0, 0, 0, 0, 0)


def plan_time(limits: Sequence[Limit], number: int) -> float:
    """The seconds from the beginning after which the limits have a place for request ``number``, from 0 on."""
    return max((_place(limit, number) for limit in limits), default=0.0)


def count_allowed(limits: Sequence[Limit], seconds: float) -> float:
    """How many requests the limits allow from one at the beginning to one at the end of so many seconds."""
    return min((_room(limit, seconds) for limit in limits), default=math.inf)


def _place(limit: Limit, number: int) -> float:
    match limit:
        case Window(count, length) if length <= _PACED:
            return number * length / count
        case Window(count, length):
            return number // count * length
        case Bucket(size, leak):
            return max(0.0, (number + 1 - size) / leak)


def _room(limit: Limit, seconds: float) -> float:
    match limit:
        case Window(count, length) if length <= _PACED:
            return 1 + seconds * count / length
        case Window(count, length):
            return count * (1 + seconds // length)
        case Bucket(size, leak):
            return size + seconds * leak


def service_times(tapes: Iterable[RequestTrace]) -> Times:
    """From sending to answer."""
    return times_of(
        ended - began
        for tape in tapes
        for began, ended in zip(tape.began, tape.ended, strict=True)
        if not math.isnan(ended)
    )


def times_from_plan(tapes: Sequence[RequestTrace], start: float) -> Times | None:
    """From the place that the limits had for a request to its answer; None if no account has a limit."""
    limited = [tape for tape in tapes if tape.limits]
    if not limited:
        return None
    return times_of(
        ended - min(began, start + plan_time(tape.limits, number))
        for tape in limited
        for number, (began, ended) in enumerate(zip(tape.began, tape.ended, strict=True))
        if not math.isnan(ended)
    )


def limit_use(tapes: Iterable[RequestTrace]) -> float | None:
    """The requests of limited accounts as a share of what was allowed from each one's first to its last.

    Windows are counted as evenly spread; in a short run, which may catch up within one, that could be over 1.
    """
    limited = [tape for tape in tapes if tape.limits and tape.began]
    if not limited:
        return None
    room = sum(count_allowed(tape.limits, max(tape.began) - tape.began[0]) for tape in limited)
    return min(1.0, round(sum(len(tape.began) for tape in limited) / room, 4))


def span(tapes: Iterable[RequestTrace]) -> tuple[float, float]:
    """When the first request left and when the last was over."""
    begun = [tape.began[0] for tape in tapes if tape.began]
    over = [ended for tape in tapes for ended in tape.ended if not math.isnan(ended)]
    return (min(begun), max(over)) if begun and over else (0.0, 0.0)


def differing(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    """The names of settings that are not the same in both."""
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
