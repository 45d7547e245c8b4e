"""Owns the arithmetic of limits at the shop's door, pure over ``now``; it does not know what arrives.

Each limit is kept twice: over what was let in, which decides, and over everything that arrived, which tells
afterwards whether the client kept the limit.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from batchcart.model.limits import Bucket, Limit, Window

_ROUNDING = 1e-9


@dataclass(slots=True)
class WindowMeter:
    """A sliding window: an arrival counts until it is as old as the window is long."""

    limit: Window
    admitted: deque[float] = field(default_factory=deque)
    arrived: deque[float] = field(default_factory=deque)
    worst: float = 0

    def wait(self, now: float) -> float:
        """Count an arrival; the seconds until one like it would be let in, 0 where this one is."""
        since = now - self.limit.seconds + _ROUNDING
        for times in (self.admitted, self.arrived):
            while times and times[0] <= since:
                times.popleft()
        self.arrived.append(now)
        self.worst = max(self.worst, len(self.arrived))
        if len(self.admitted) < self.limit.count:
            return 0
        return self.admitted[-self.limit.count] + self.limit.seconds - now

    def admit(self, now: float) -> None:
        """Count the arrival among those let in."""
        self.admitted.append(now)


@dataclass(slots=True)
class BucketMeter:
    """A leaky bucket: an arrival adds one, what does not fit is refused."""

    limit: Bucket
    level: float = 0
    pressure: float = 0
    seen: float = 0
    worst: float = 0

    def wait(self, now: float) -> float:
        """Count an arrival; the seconds until one like it would be let in, 0 where this one is."""
        leaked = (now - self.seen) * self.limit.leak
        self.seen = now
        self.level = max(0.0, self.level - leaked)
        self.pressure = max(0.0, self.pressure - leaked) + 1
        self.worst = max(self.worst, self.pressure)
        overflow = self.level + 1 - self.limit.size
        return overflow / self.limit.leak if overflow > _ROUNDING else 0

    def admit(self, now: float) -> None:  # noqa: ARG002 - the window's twin needs the time
        """Count the arrival among those let in."""
        self.level += 1


@dataclass(frozen=True, slots=True)
class Meter:
    """All limits of one account; a request passes all of them or uses up none."""

    meters: Sequence[WindowMeter | BucketMeter]

    def arrive(self, now: float) -> float:
        """Count a request at ``now``; 0 lets it in, else the seconds until the limits would."""
        wait = max((meter.wait(now) for meter in self.meters), default=0.0)
        if wait <= 0:
            for meter in self.meters:
                meter.admit(now)
        return max(wait, 0.0)

    def worst(self) -> dict[str, float]:
        """For each limit the most arrivals in any window of its length, or the bucket's highest level."""
        return {str(meter.limit): round(meter.worst, 6) for meter in self.meters}


def meter(limits: Sequence[Limit]) -> Meter:
    """A fresh meter for ``limits``."""
    return Meter([WindowMeter(limit) if isinstance(limit, Window) else BucketMeter(limit) for limit in limits])
