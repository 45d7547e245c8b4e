"""Owns how fast accounts are of late and when they will be done, from glances at a tick; all of it is arithmetic."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchcart.runs.snapshot import Glance

_NOW = 10.0  # seconds over which a rate is taken
_KEPT = 60.0  # seconds of work from which the time left is told
_ENOUGH = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was done and sent by a moment."""

    at: float
    done: int
    sent: int


@dataclass(slots=True)
class Course:
    """One account's last minute; long waits are left out of ``work``. All moments are wall-clock time."""

    samples: deque[Sample] = field(default_factory=deque)
    work: deque[tuple[float, int]] = field(default_factory=deque)  # seconds and lines, tick by tick
    worked: float = 0.0
    ended: int = 0

    def take(self, now: float, glance: Glance) -> None:
        """Take in one more glance."""
        if self.samples and now < self.samples[-1].at:
            self.samples.clear()  # the clock was set back
        if self.samples and not _idle(now, glance):
            last = self.samples[-1]
            self.work.append((now - last.at, glance.done - last.done))
            self.worked += now - last.at
            self.ended += glance.done - last.done
            while self.worked - self.work[0][0] > _KEPT:
                seconds, lines = self.work.popleft()
                self.worked -= seconds
                self.ended -= lines
        self.samples.append(Sample(now, glance.done, glance.sent))
        while now - self.samples[0].at > _NOW:
            self.samples.popleft()

    def rate(self) -> float:
        """Requests a second of late."""
        first, last = self.samples[0], self.samples[-1]
        return (last.sent - first.sent) / (last.at - first.at) if last.at > first.at else 0.0

    def left(self, glance: Glance, now: float) -> float | None:
        """Seconds until the account's lines have ended; None where nobody can tell.

        The slower of two: what the limits allow at best, and how fast lines ended of late. A wait comes on top.
        """
        if not glance.at_work or glance.waiting == "unreachable":
            return None
        lines, pace = glance.lines - glance.done, self.ended / self.worked if self.worked >= _ENOUGH else 0.0
        wait = max(0.0, glance.until - now) if glance.until is not None else 0.0
        if not pace and not glance.best and not wait:
            return None
        return wait + max(glance.best, lines / pace if pace else 0.0)


def _idle(now: float, glance: Glance) -> bool:
    """Whether it waits so long that this says nothing about how fast it works; short pauses are a part of that."""
    return glance.waiting == "unreachable" or (glance.until is not None and glance.until - now > _NOW)


@dataclass(slots=True)
class Pace:
    """The course of every account."""

    courses: dict[str, Course] = field(default_factory=dict)

    def take(self, now: float, glances: Iterable[Glance]) -> None:
        """Take in what all accounts look like now."""
        for glance in glances:
            self.courses.setdefault(glance.account, Course()).take(now, glance)

    def rate(self, glance: Glance) -> float:
        """The account's requests a second of late."""
        return self.courses[glance.account].rate()

    def left(self, glances: Iterable[Glance], now: float) -> float | None:
        """Seconds until all of these are done, as far as it can be told."""
        found = (self.courses[glance.account].left(glance, now) for glance in glances)
        return max((seconds for seconds in found if seconds is not None), default=None)
