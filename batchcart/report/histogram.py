"""Owns counting durations in buckets that grow with them, for percentiles with a stated error; it knows no results."""

import math
from collections import Counter
from collections.abc import Iterable

RELATIVE_ERROR = 0.01
"""How far a percentile may lie from the true one, as a share of it."""

SHORTEST = 0.05
"""Milliseconds below which a duration counts as none: result lines tell tenths."""

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
PER_LOG = 1 / math.log(_GROWTH)
"""A duration of ``ms`` lies in bucket ``ceil(log(ms) * PER_LOG)``."""

_NONE = -(1 << 20)


class Durations:
    """Durations in milliseconds, counted in buckets whose bounds grow by two per cent.

    Their number depends on the shortest and the longest duration only: a thousand buckets reach from 50 µs to 7 hours.
    """

    __slots__ = ("count", "counts", "longest", "shortest", "total")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.shortest = math.inf
        self.longest = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        self.counts[math.ceil(math.log(ms) * PER_LOG) if ms >= SHORTEST else _NONE] += 1
        self.count += 1
        self.total += ms
        self.longest = max(self.longest, ms)
        self.shortest = min(self.shortest, ms)

    @property
    def mean(self) -> float:
        """The mean, exactly."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The duration that ``percent`` of all do not exceed, within RELATIVE_ERROR; 0 where there are none."""
        rank, seen = max(1, math.ceil(self.count * percent / 100)), 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return min(max(_middle(bucket), self.shortest), self.longest)
        return 0.0

    def spread(self, per_decade: int) -> dict[int, int]:
        """How many durations lie from 10^(k/per_decade) to 10^((k+1)/per_decade) ms, by k, without gaps."""
        bars: Counter[int] = Counter()
        for bucket, count in self.counts.items():
            bars[math.floor(math.log10(max(_middle(bucket), SHORTEST)) * per_decade + 1e-9)] += count
        return {k: bars[k] for k in range(min(bars), max(bars) + 1)} if bars else {}


def merge(parts: Iterable[Durations]) -> Durations:
    """All durations of the parts."""
    whole = Durations()
    for part in parts:
        whole.counts.update(part.counts)
        whole.count += part.count
        whole.total += part.total
        whole.shortest = min(whole.shortest, part.shortest)
        whole.longest = max(whole.longest, part.longest)
    return whole


def _middle(bucket: int) -> float:
    """The duration that is off by the same share from both bounds of its bucket."""
    return 0.0 if bucket == _NONE else 2 * _GROWTH**bucket / (_GROWTH + 1)
