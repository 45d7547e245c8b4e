"""Owns when an account's sends left, which of them may not have arrived yet, and how regular the way to the shop is.

A send counts from its answer, since the shop has surely seen it by then, however long its way was; where a window is
too short for that to cost little, from the moment its bytes leave, unless the way is too irregular for that. All that
count lie in the history in the order in which they began to count; behind them stand places for those that left and do
not count yet. Which place is whose does not matter.
"""

import math
from array import array
from dataclasses import dataclass, field
from itertools import pairwise

from batchcart.accounts.send_history import SendHistory

LONGEST_WAY = 1.0  # seconds to the shop; what a killed process sent has arrived by then, or never will
_FIRST_JITTER, _MOST_JITTER = 0.002, 0.1
MOST_LATEST = 256
_ENOUGH = 10  # round trips from which on they say how regular the way is


@dataclass(slots=True)
class Departures:
    """The sends of one account. ``bearable`` is the jitter that its windows' margins can hold.

    With ``strict`` every send counts from its answer; without it that is so while the jitter is unknown, or more than
    is bearable, or the round trip is ``affordable``: then it costs no more than a margin, and holds a way that becomes
    shorter as well.
    """

    history: SendHistory
    strict: bool
    bearable: float
    affordable: float
    jitter: float = _FIRST_JITTER  # usual seconds by which a round trip differs from the others
    delay: float = 0.0  # usual seconds between permit and send
    from_leaving: float = -math.inf  # the last send that counts from there; those of an earlier run may all do
    latest: "array[float]" = field(default_factory=lambda: array("d"))  # when the last ones left
    _count: int = 0
    _round_trips: int = 0
    _round_trip: float = 0.0
    _permits: dict[int, float] = field(default_factory=dict)  # let through at this time, and not left yet
    _pending: set[int] = field(default_factory=set)  # left, and count from their answer
    _unanswered: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.from_leaving = self.history.nth_last(1)

    def permit(self, now: float) -> int:
        """One more send is let through; its number."""
        self._count += 1
        self._permits[self._count] = now
        self._unanswered.add(self._count)
        return self._count

    def leave(self, number: int, now: float) -> None:
        """The send's bytes leave now."""
        self.delay += 0.1 * (now - self._permits.pop(number, now) - self.delay)
        self.latest.append(now)
        if len(self.latest) == 2 * MOST_LATEST:
            del self.latest[:MOST_LATEST]
        counts = not self.counts_from_answer
        if counts:
            self.from_leaving = now
        if counts and not self._pending:
            self.history.record(now)
            return
        self.history.record(now + LONGEST_WAY)
        self._pending.add(number)
        if counts:
            self._settle(number, now)

    def answer(self, number: int, now: float, round_trip: float) -> None:
        """The send has its answer, or will never have one."""
        self._unanswered.discard(number)
        if self._permits.pop(number, None) is not None:
            return  # it never left
        if self._pending:
            self._settle(number, now)
        self._round_trips += 1
        if self._round_trips == 1:
            self._round_trip = round_trip
            return
        weight = 1 / self._round_trips if self._round_trips < _ENOUGH else 0.1
        self.jitter += weight * (min(abs(round_trip - self._round_trip), _MOST_JITTER) - self.jitter)
        self._round_trip += weight * (round_trip - self._round_trip)

    def _settle(self, number: int, now: float) -> None:
        if number in self._pending:
            self.history.update(self.history.count - len(self._pending), now)
            self._pending.remove(number)

    @property
    def counts_from_answer(self) -> bool:
        """Whether a send that leaves now counts from its answer."""
        if self.strict or self._round_trips < _ENOUGH or self.jitter > self.bearable:
            return True
        return self._round_trip <= self.affordable

    @property
    def permits(self) -> int:
        """Sends that were let through and have not left yet."""
        return len(self._permits)

    @property
    def in_flight(self) -> int:
        """Sends that were let through and are not answered yet."""
        return len(self._unanswered)

    def freed_after(self, count: int) -> float | None:
        """When the send began to count that must fall out of a window of ``count`` before one more; -inf for nothing.

        None where that is one that does not count yet. Without ``strict`` one that is not answered counts at the latest
        when it has surely arrived, so that a shop which lets requests hang does not stop all others.
        """
        place = count - len(self._permits)
        waits = len(self._pending) if self.strict else 0
        return self.history.nth_last(place) if place > waits else None

    def came_closer(self, apart: float, since: float) -> bool:
        """Whether any two of the last sends after that moment left closer together than that."""
        latest = self.latest[-MOST_LATEST:]
        return any(later - earlier < apart for earlier, later in pairwise(latest) if earlier > since)

    def count_since(self, since: float) -> int:
        """How many of the sends that are remembered left, or were answered, after that moment."""
        low, high = 0, min(self.history.count, self.history.capacity)
        while low < high:  # they lie in order: halve until the oldest one is found
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.history.nth_last(middle) > since else (low, middle - 1)
        return low
