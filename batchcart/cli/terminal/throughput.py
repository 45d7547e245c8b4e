"""Owns how fast accounts are and when they will be done, from snapshots at a tick; all of it is arithmetic."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from batchcart.runs.snapshot import AccountSnapshot

_NOW = 10.0  # seconds over which a rate is taken
_KEPT = 60.0  # seconds of work from which the time left is told
_ENOUGH = 2.0
_LEAST = 1.0  # seconds left while a line is open


class Sample(msgspec.Struct, frozen=True):
    """What was done and sent by a moment."""

    at: float
    done: int
    sent: int


@dataclass(slots=True)
class AccountThroughput:
    """One account's last minute; long waits are left out of ``work``. All moments are wall-clock time.

    ``quiet`` are the seconds of work since a line ended.
    """

    samples: deque[Sample] = field(default_factory=deque)
    work: deque[tuple[float, int]] = field(default_factory=deque)  # seconds and lines, tick by tick
    worked: float = 0.0
    ended: int = 0
    quiet: float = 0.0

    def take(self, now: float, snapshot: AccountSnapshot) -> None:
        """Take in one more snapshot."""
        if self.samples and now < self.samples[-1].at:
            self.samples.clear()  # the clock was set back
        if self.samples and not _idle(now, snapshot):
            last = self.samples[-1]
            self.work.append((now - last.at, snapshot.done - last.done))
            self.worked += now - last.at
            self.ended += snapshot.done - last.done
            self.quiet = self.quiet + now - last.at if snapshot.done == last.done else 0.0
            while self.worked - self.work[0][0] > _KEPT:
                seconds, lines = self.work.popleft()
                self.worked -= seconds
                self.ended -= lines
        self.samples.append(Sample(now, snapshot.done, snapshot.sent))
        while now - self.samples[0].at > _NOW:
            self.samples.popleft()

    def rate(self) -> float:
        """Recent requests a second."""
        first, last = self.samples[0], self.samples[-1]
        return (last.sent - first.sent) / (last.at - first.at) if last.at > first.at else 0.0

    def estimate_seconds(self, snapshot: AccountSnapshot, now: float) -> float | None:
        """Seconds until the account's lines have ended; None if nobody can tell, or none is left to end.

        The slower of two: what the limits allow at best, and how fast lines ended recently; where none did for a while,
        it takes as long again. A wait comes on top.
        """
        if not snapshot.at_work or snapshot.held_up:
            return None
        lines, pace = snapshot.lines - snapshot.done, self.ended / self.worked if self.worked >= _ENOUGH else 0.0
        wait = max(0.0, snapshot.waiting_until - now) if snapshot.waiting_until is not None else 0.0
        if not pace and not snapshot.best and not wait:
            return None
        return max(_LEAST, wait + max(snapshot.best, lines / pace if pace else 0.0, self.quiet))


def _idle(now: float, snapshot: AccountSnapshot) -> bool:
    """Whether it waits so long that this says nothing about how fast it works; short pauses are a part of that."""
    return snapshot.waiting == "unreachable" or (
        snapshot.waiting_until is not None and snapshot.waiting_until - now > _NOW
    )


@dataclass(slots=True)
class Throughput:
    """The course of every account."""

    courses: dict[str, AccountThroughput] = field(default_factory=dict)

    def take(self, now: float, snapshots: Iterable[AccountSnapshot]) -> None:
        """Take in what all accounts look like now."""
        for snapshot in snapshots:
            self.courses.setdefault(snapshot.account, AccountThroughput()).take(now, snapshot)

    def rate(self, snapshot: AccountSnapshot) -> float:
        """The account's recent requests a second."""
        return self.courses[snapshot.account].rate()

    def estimate_seconds(self, snapshots: Iterable[AccountSnapshot], now: float) -> float | None:
        """Seconds until all of these are done, but for the lines that are held up, as far as it can be told."""
        found = (self.courses[snapshot.account].estimate_seconds(snapshot, now) for snapshot in snapshots)
        return max((seconds for seconds in found if seconds is not None), default=None)
