"""Owns what an account's 429s teach; it does not wait, and counts no send.

A 429 may mean that a burst was too close, that one request overtook another, that too many were on their way, or that
the limit is lower than the config says. Which of them is asked in this order, and the first that fits gets the lesson:
the spacing (`gates.py`, `pace_search.py`), the connections (`connection_limit.py`), the limit (`adaptive_limit.py`).
"""

import math
from collections import deque

from batchcart.engine.adaptive_limit import AdaptiveLimit, RefusalEvidence
from batchcart.engine.alternation import Alternation
from batchcart.engine.connection_limit import ConnectionLimit
from batchcart.engine.departures import Departures
from batchcart.engine.gates import ConnectionGate, Gate, LearntGate, SpacingGate
from batchcart.engine.pace_search import PaceSearch, begin_search
from batchcart.model.limits import Bucket, Limit, Window

_FEWEST = 10  # sends at full speed that are looked at, to see what a shop lets through
_WEAK = 0.25  # of a limit: a shop that lets less through says nothing of its limit
_CLOSE = 0.5  # of the time between two sends of an even spread: what is closer was a burst
_FAIR = 0.35  # of what was asked for: where less is let through, it is more than some that overtook others
_SINGLE = 2  # let through of a burst, or fewer: the shop allows none
_ALTERNATIONS = 2  # of good answers and refusals, from which on the shop wants requests further apart
_CYCLES, _LESS = 4, 0.9  # of good answers and then 429s, that say what is let through, and where that is less
_SPREAD_FOR = 7 * 86_400.0  # seconds for which a shop's wish is remembered


class RefusalLessons:
    """What was learnt of one account's shop: ``limit``, whether it wants its requests spread, how many at a time."""

    __slots__ = (
        "_alternation",
        "_apart",
        "_began",
        "_connections",
        "_departures",
        "_last",
        "_refused",
        "_search",
        "_span",
        "_uncounted",
        "gates",
        "limit",
        "of",
        "spread_until",
    )

    def __init__(self, of: Limit | None, departures: Departures) -> None:
        self.of = of
        self.limit = _full(of)
        self.spread_until = -math.inf
        self._departures = departures
        self._apart = SpacingGate(departures, self._spacing, lambda: self._search is not None)
        self._connections = ConnectionLimit()
        self.gates: tuple[Gate, ...] = (
            self._apart,
            LearntGate(departures, self._window),
            ConnectionGate(departures, self._connections),
        )
        # Seconds that are looked at, to see what a shop lets through.
        self._span = max(self.limit.seconds, _FEWEST * self.limit.seconds / self.limit.most)
        self._uncounted = 0  # good answers that no 429 was compared with yet
        self._refused: deque[float] | None = None  # once there are some: it takes half a kilobyte
        self._alternation = Alternation()
        self._search: PaceSearch | None = None
        self._began = self._last = -math.inf  # of sending without a gap, and the last permit

    def resume(self, now: float, spread_until: float, allowed: float | None) -> None:
        """What an earlier run learnt of this limit; ``allowed`` is None where it believed the config."""
        self.spread_until = min(spread_until, now + _SPREAD_FOR)
        if allowed is not None and 0 < allowed < self.limit.most:
            self.limit = self.limit.resume(allowed, now)

    def bind(self, now: float) -> bool:
        """Whether anything that was learnt may hold a send up."""
        return self.limit.allowed is not None or self.spread_until > now or self._connections.most is not None

    def record_permit(self, now: float, paused_until: float) -> None:
        """A send is let through."""
        if now - self._last > self._span / 2 and now - paused_until > self._span / 2:
            self._began = now
        self._last = now

    def record_success(self, now: float, *, alike: bool) -> None:
        """A good answer; ``alike`` says that its request was on its way before the last 429 came."""
        if not alike:
            self._alternation.record_success(now)
            if self._search is not None:
                search = self._search.after_success(self._departures.in_flight)
                self._search = search if search.rate < self._believed else None
        if self.limit.allowed is None:
            self._uncounted += 1
        else:
            self.limit = self.limit.after_success(now)

    def record_throttle(self, now: float, *, alike: bool) -> None:
        """A 429; ``alike`` says that its request was on its way before the last one came: it tells the same again."""
        self.limit, self._uncounted = self.limit.count_good(self._uncounted), 0
        if self._refused is None:
            self._refused = deque(maxlen=self._departures.history.capacity)
        self._refused.append(now)
        observed = self._let_through(now)
        weak = _WEAK * self._believed
        if observed < weak and self._departures.in_flight:
            self._connections.refuse(now, self._departures.in_flight, alike=alike)
        if alike:
            return
        self._alternation.record_throttle(now, observed, spread=self._spacing(now) is not None)
        before = self.limit.allowed
        if self.of is not None and not self._blames_the_way(now):
            # Where a window has just turned over, the first in a row saw one that is past, and tells nothing.
            self._learn(now, observed if observed < weak else self._alternation.observed)
        if self.limit.allowed != before:
            self._alternation.forget_cycles()
            if before is None:
                self._apart.forget()  # it was the rate, and not the way

    def _blames_the_way(self, now: float) -> bool:
        """Whether it was no matter of the rate: a burst, a request that overtook another, or too many at a time."""
        if self._burst(now):
            self.spread_until = now + _SPREAD_FOR
            if self._alternation.observed * self._span <= _SINGLE * self.limit.seconds:
                self._search = begin_search(self._believed)
            return True
        if self._spacing(now) is None:
            return self._alternation.in_row == 1
        if self._overtook(now) and self._apart.refuse(now, self._alternation.gap):
            self._alternation.forget_cycles()
            return True
        others = self._departures.in_flight
        if crowded := self._connections.tries(others):
            self._connections.refuse(now, others, alike=False)
        return crowded

    def _learn(self, now: float, observed: float) -> None:
        """It was one: the search for the spacing goes on or ends, or the limit is lower than believed."""
        seen, needed = self._alternation, self.limit.evidence_needed
        least = self.limit.seconds / seen.shortest
        if self._search is not None and seen.in_row == 1:
            slower = None if self._search.proven else begin_search(self._search.rate, least)
            if slower is None:
                self.limit = self.limit.believe(self._search.proven or self._search.rate, now)
            self._search = slower
            return
        if (
            not self.limit.tries
            and seen.count >= _ALTERNATIONS * needed
            and (found := begin_search(self._believed, least))
        ):
            self._search = found
            return
        stretch = self._apart.stretch(now)  # what was left to spare was not asked for, so it was not refused either
        if not self.limit.tries and seen.in_row == 1 and seen.cycles >= _CYCLES * needed:
            let_through = seen.rate(now) * self.limit.seconds * stretch
            if let_through < _LESS * self._believed:
                self.limit = self.limit.believe(let_through, now)
                return
        steady = now - self._began >= self._span
        self.limit = self.limit.after_throttle(now, RefusalEvidence(observed * stretch, seen.in_row, steady))

    @property
    def _believed(self) -> float:
        return self.limit.most if self.limit.allowed is None else self.limit.allowed

    def _spacing(self, now: float) -> float | None:
        """The sends a second at which a shop that wants them evenly spread gets them; None where it does not."""
        if self.limit.allowed is None and self.spread_until <= now:
            return None
        return (self._believed if self._search is None else self._search.rate) / self.limit.seconds

    def _window(self) -> Window | None:
        allowed = self.limit.allowed
        if allowed is None:
            return None
        count = min(max(1, math.floor(allowed + 1e-9)), self._departures.history.capacity)
        seconds = self.limit.seconds * count / allowed
        if self.limit.unused and self._alternation.in_row > 1:
            # A window is used up. haproxy and others count what they refused too, and weigh it by the part of the
            # window that is left of it: there is room again when as much has gone as was too much.
            refused = len(self._refused or ())
            seconds *= 1 + (refused + 1) / (count + refused)
        return Window(count, seconds)

    def _let_through(self, now: float) -> float:
        """How many sends in the limit's window the shop has let through recently."""
        since = now - self._span
        refused = self._refused or ()
        while self._refused and self._refused[0] <= since:
            self._refused.popleft()
        on_their_way = self._departures.in_flight - self._departures.permits
        count = self._departures.count_since(since) - len(refused) - on_their_way
        return max(0, count) * self.limit.seconds / self._span

    def _burst(self, now: float) -> bool:
        """Whether what was just refused was a burst, of a kind that spacing would have kept from being one."""
        if self.spread_until > now:
            return False
        return self._departures.came_closer(_CLOSE * self.limit.seconds / self.limit.most, now - self._span)

    def _overtook(self, now: float) -> bool:
        """Whether requests that were evenly spread may have been refused because one overtook another.

        The first in a row only, as the one after a pause has nothing close to it.
        """
        seen = self._alternation
        asked = self._believed * min(1.0, (now - self._began) / self._span)
        first = self._search is None and not self.limit.tries and seen.in_row == 1
        return first and seen.observed >= _FAIR * asked


def _full(limit: Limit | None) -> AdaptiveLimit:
    match limit:
        case Window(count, seconds):
            return AdaptiveLimit(count, seconds)
        case Bucket(size, leak):
            return AdaptiveLimit(size, size / leak)
        case None:
            return AdaptiveLimit(1 << 30, 4.0)
