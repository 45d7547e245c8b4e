"""Owns an account's sends as the hub knows them, by intents and answers: later than they left, never earlier.

A request leaves at most ``LASTS`` seconds after its intent was asked for, so it counts from then until its answer comes
by; what has none when its seat is lost or gives the account back counts from that moment, if that is later. So a window
and a bucket hold across seats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchcart.accounts.send_history import SendHistory
from batchcart.model.limits import Bucket, Limit, Window
from batchcart.runs.seats.protocol import AccountRows
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

    def note(self, rows: AccountRows) -> None:
        """Requests are about to leave, or are so again and count anew; others have their answer, or their line its end.

        A line's next request says that the one before it has its answer.
        """
        if not self.limits:
            return
        waiting, answered = self._open, 0
        for line, number, _, _ in rows.intents:
            key = line if line > 0 else -number
            answered += key in waiting
            waiting[key] = number
        for line, number, _, _ in rows.responses:
            key = line if line > 0 else -number
            if waiting.get(key) == number:
                del waiting[key]
                answered += 1
        for line, _, _, _, _ in rows.results:
            answered += waiting.pop(line, None) is not None
        now = self.clock()
        if rows.intents:
            self._record(len(rows.intents), now)
        if answered:
            self.sends.update_many(self.sends.count - len(waiting) - answered, answered, now)

    def _record(self, count: int, now: float) -> None:
        self.sends.record_many(count, now + LASTS)
        for index, drop in enumerate(self._drops):
            self.sends.set_bucket_empty_at(index, max(now, self.sends.bucket_empty_at(index)) + count * drop)

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
