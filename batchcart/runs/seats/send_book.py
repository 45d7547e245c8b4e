"""Owns an account's sends as the hub knows them, by intents and answers: later than they left, never earlier.

A request leaves at most ``LASTS`` seconds after its intent was asked for, so it counts from then until its answer comes
by; what has none when its seat is lost or gives the account back counts from that moment, if that is later. So a window
and a bucket hold across seats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchcart.accounts.send_history import SendHistory
from batchcart.model.limits import Bucket, Limit, Window
from batchcart.runs.seats.settling import LASTS

_MARGIN = 0.003  # seconds between two sends of a bucket of one, beside what it leaks in


@dataclass(slots=True)
class SendBook:
    """The sends of an account with these limits, in a history that may outlive the run."""

    sends: SendHistory
    limits: Sequence[Limit]
    clock: Callable[[], float]
    _open: dict[int, int] = field(default_factory=dict)  # the number of the request that a line waits for
    _drops: list[float] = field(default_factory=list)  # seconds that one send takes to leak, of each bucket

    def __post_init__(self) -> None:
        buckets = [limit for limit in self.limits if isinstance(limit, Bucket)]
        self._drops = [1 / bucket.leak + (2 * _MARGIN if bucket.size == 1 else 0.0) for bucket in buckets]

    def intend(self, line: int, number: int) -> None:
        """A line's request is about to leave, or is so again and counts anew; an earlier one has its answer then."""
        if not self.limits:
            return
        self.end(line)
        now = self.clock()
        self._open[line] = number
        self.sends.record(now + LASTS)
        for index, drop in enumerate(self._drops):
            self.sends.set_bucket_empty_at(index, max(now, self.sends.bucket_empty_at(index)) + drop)

    def answer(self, line: int, number: int) -> None:
        """The line's request of that number has its answer."""
        if self._open.get(line) == number:
            self.end(line)

    def end(self, line: int) -> None:
        """The line waits for no request any more."""
        if line in self._open:
            self.sends.update(self.sends.count - len(self._open), self.clock())
            del self._open[line]

    def settle(self, empty_in: Sequence[float] | None) -> None:
        """No seat has the account any more: what has no answer counts as sent now, or when it may leave at the latest.

        ``empty_in`` are the seconds until its buckets are empty, as the seat that had it says; None where it died.
        """
        now = self.clock()
        for place in range(min(len(self._open), self.sends.capacity), 0, -1):
            self.sends.update(self.sends.count - place, max(now, self.sends.nth_last(place)))
        self._open.clear()
        for index in range(len(self._drops)):
            level = self.sends.bucket_empty_at(index) + LASTS if empty_in is None else now + empty_in[index]
            self.sends.set_bucket_empty_at(index, level)

    def ages(self) -> list[float]:
        """The ages of the sends that a limit may still count, in seconds, the oldest first."""
        now = self.clock()
        longest = max((limit.seconds for limit in self.limits if isinstance(limit, Window)), default=0.0)
        ages = []
        for place in range(1, min(self.sends.count, self.sends.capacity) + 1):
            age = now - self.sends.nth_last(place)
            if age > longest:
                break
            ages.append(max(0.0, age))
        return ages[::-1]

    def empty_in(self) -> list[float]:
        """Seconds until each bucket has leaked empty."""
        now = self.clock()
        return [max(0.0, self.sends.bucket_empty_at(index) - now) for index in range(len(self._drops))]
