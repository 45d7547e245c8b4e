"""Owns the single gates that a send passes: each says from when on one more send keeps it.

``opens_at(now)`` is a moment, past where the gate is open, and inf where it depends on a send that is on its way:
whoever waits looks again when one has left or was answered.

aiolimiter is the leaky bucket. It does not hold a window: `AsyncLimiter(180, 60)` lets up to 359 through in a minute.
A window is held exactly by looking at the n-th last send, which must be a window old.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batchcart.engine.connection_limit import ConnectionLimit
from batchcart.engine.departures import LONGEST_WAY, MOST_LATEST, Departures
from batchcart.model.limits import Bucket, Window

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

_LEAST_MARGIN = 0.003
_SUREST_MARGIN = 0.0005  # for the clock's own steps
_MARGIN_SHARE = 0.007  # of a window, at most
_FIRST_SPARE, _MOST_SPARE = 0.03, 0.5  # of the time between two sends
_MORE_SPARE = 2.0  # times as much, each time that it was not enough
_MOST_STRETCH = 0.15  # of that time: from more to spare one cannot tell whether the shop refuses the rate
_OVERTAKES = 3.0  # times the usual jitter, by which one request gains on another where the ways are evenly mixed
_LEAST_PAUSE = 0.5  # seconds that a 429 costs
_FINEST_SPACING = 0.02  # seconds; what is closer is spaced in groups


class Gate(Protocol):
    """What a send has to pass."""

    def opens_at(self, now: float) -> float:
        """From when on one more send may pass."""
        ...


def longest_margin(window: Window) -> float:
    """Seconds that a window's margin may have: more would cost more than 0.7 % of its rate."""
    return max(_LEAST_MARGIN, _MARGIN_SHARE * window.seconds)


def margin(window: Window, jitter: float) -> float:
    """Seconds added to a window, because requests do not take equally long to reach the shop."""
    return min(max(_LEAST_MARGIN, _needed_margin(jitter)), longest_margin(window))


def bearable_jitter(window: Window) -> float:
    """The jitter up to which the window's margin is enough."""
    return (longest_margin(window) - 0.002) / 5


def affordable_round_trip(window: Window) -> float:
    """The round trip up to which the window may begin with the answers: with the least margin, no more than 0.7 %."""
    return longest_margin(window) - _LEAST_MARGIN


def _needed_margin(jitter: float) -> float:
    return 0.002 + 5 * jitter


def _widest_margin(window: Window) -> float:
    """What is added to the window where a send counts from leaving: by then even the longest way is over."""
    return min(longest_margin(window), _LEAST_MARGIN + LONGEST_WAY)


def next_slot(last: float, window: Window, now: float) -> float:
    """When the next send of an evenly paced window is due; a late one does not delay those after it."""
    return max(last + window.seconds / window.count, now - window.seconds / 20)


def bucket_slack(bucket: Bucket) -> float:
    """What is left free of a bucket, so that a request which travels faster than the one before does not overflow."""
    return min(bucket.size - 1.0, max(0.5, 0.05 * bucket.leak))


@dataclass(slots=True)
class WindowGate:
    """A window of the config: the count-th last send, and all before it, must be a window and a margin old."""

    window: Window
    departures: Departures

    def opens_at(self, now: float) -> float:
        """When the send that stands in the way is old enough."""
        since = self.departures.freed_after(self.window.count)
        if since is None:
            return math.inf
        opens = since + self.window.seconds
        return opens if opens + _widest_margin(self.window) <= now else opens + self._margin(since)

    def _margin(self, since: float) -> float:
        """The margin at the permit, so that it is kept at the send, which follows a little later.

        What counts from its answer had arrived by then. Else it may have been long under way, and the next one may
        arrive sooner.
        """
        departures = self.departures
        needed = _LEAST_MARGIN if since > departures.from_leaving else _widest_margin(self.window)
        return max(_SUREST_MARGIN, needed - departures.delay)


@dataclass(slots=True)
class PaceGate:
    """A window's sends evenly spread: each has its slot."""

    window: Window
    slot: float = -math.inf

    def opens_at(self, now: float) -> float:
        """When the next slot is due."""
        return next_slot(self.slot, self.window, now)

    def take(self, now: float) -> None:
        """The slot is used."""
        self.slot = next_slot(self.slot, self.window, now)


@dataclass(slots=True)
class SpacingGate:
    """For a shop that refuses what comes too close: from send to send passes what ``rate`` a second leaves for each.

    Nothing is caught up. ``rate`` at a moment gives None where the shop wants no such thing. Up to the part ``spare``
    of that time is added, for an irregular way; while ``searching`` for the rate all that the way may need is, so that
    a refusal is one of the rate.
    """

    departures: Departures
    rate: Callable[[float], float | None]
    searching: Callable[[], bool]
    spare: float = _FIRST_SPARE

    def opens_at(self, now: float) -> float:
        """When the last send, or the last few where they are very close, is far enough away."""
        rate = self.rate(now)
        if rate is None:
            return -math.inf
        departures = self.departures
        group = _group(rate)
        place = group - departures.permits
        if place < 1:
            return math.inf
        if len(departures.latest) < place:
            return -math.inf
        spare = self._share(rate) * group / rate
        return departures.latest[-place] + group / rate + max(_SUREST_MARGIN, spare - departures.delay)

    def refuse(self, now: float, good: int) -> bool:
        """It was not enough, ``good`` answers after the last time: leave more for requests that overtake others.

        False where the way is not so irregular, or where more to spare costs more sends than a 429 and its pause.
        """
        rate = self.rate(now)
        more = (_MORE_SPARE - 1) * self.spare
        if rate is None or self.spare >= _MOST_SPARE or self._share(rate) < self.spare:
            return False
        if good * more >= rate * _LEAST_PAUSE:
            return False
        self.spare = min(_MOST_SPARE, self.spare + more)
        return True

    def forget(self) -> None:
        """What was refused had another reason than the way."""
        self.spare = _FIRST_SPARE

    def stretch(self, now: float) -> float:
        """How many times as much might have been let through, had nothing been left to spare."""
        rate = self.rate(now)
        return 1.0 if rate is None else 1.0 + min(_MOST_STRETCH, self._share(rate))

    def _share(self, rate: float) -> float:
        """The part of the time between two sends that is left to spare."""
        wanted = (_SUREST_MARGIN + _OVERTAKES * self.departures.jitter) * rate / _group(rate)
        return min(wanted, _MOST_SPARE if self.searching() else self.spare)


def _group(rate: float) -> int:
    """How many sends are spaced together."""
    return min(max(1, math.ceil(_FINEST_SPACING * rate)), MOST_LATEST)


@dataclass(slots=True)
class LearntGate:
    """What the shop's 429s say it allows, as a window; ``window`` gives None while the config's limits hold."""

    departures: Departures
    window: Callable[[], Window | None]

    def opens_at(self, now: float) -> float:  # noqa: ARG002 - some of its twins need the time
        """When the send that stands in the way is old enough."""
        window = self.window()
        if window is None:
            return -math.inf
        since = self.departures.freed_after(window.count)
        return math.inf if since is None else since + window.seconds + margin(window, self.departures.jitter)


@dataclass(slots=True)
class PauseGate:
    """The shop asked for a pause, which ``lasts`` so many seconds in all."""

    until: float = -math.inf
    lasts: float = 0.0

    def opens_at(self, now: float) -> float:  # noqa: ARG002 - some of its twins need the time
        """When the pause is over."""
        return self.until

    def extend(self, until: float, lasts: float) -> None:
        """Let nothing pass before that moment."""
        if until > self.until:
            self.until, self.lasts = until, lasts


@dataclass(slots=True)
class ConnectionGate:
    """A shop takes so many requests at a time, and no more."""

    departures: Departures
    limit: ConnectionLimit

    def opens_at(self, now: float) -> float:
        """At once, or when one is answered, or more are tried."""
        in_flight = self.departures.in_flight
        most = self.limit.most_at(now, in_flight)
        return -math.inf if most is None or in_flight < most else self.limit.tried_at


class BucketGate:
    """A leaky bucket, which is aiolimiter's: it holds what has left, and is asked for room for what is under way too.

    The history keeps its level, as the moment at which it will be empty, for the next run; from there the library's is
    filled at first, and anew after a 429, which says that the shop's own is full.
    """

    def __init__(self, bucket: Bucket, index: int, departures: Departures) -> None:
        self._index, self._departures = index, departures
        self._size = bucket.size - bucket_slack(bucket)
        # A bucket of one has no room to leave free; its sends keep a margin more apart instead.
        self._leak = bucket.leak if bucket.size > 1 else 1 / (1 / bucket.leak + 2 * _LEAST_MARGIN)
        self._library: AsyncLimiter | None = None

    def opens_at(self, now: float) -> float:
        """When enough has leaked for what is under way and for one more."""
        room = self._size - self._departures.permits - 1
        overflows = self._empty_at - self._size / self._leak
        if overflows > now:  # more than the library can hold
            self._library = None
            return overflows
        if room < 0:
            return math.inf
        if self._library is None:
            self._library = self._fill(now)
        if self._library.has_capacity(self._departures.permits + 1):
            return -math.inf
        return max(self._empty_at - room / self._leak, now + _SUREST_MARGIN)

    def leave(self, now: float) -> None:
        """The send's bytes leave now, and the level rises."""
        self._departures.history.set_bucket_empty_at(self._index, max(now, self._empty_at) + 1 / self._leak)
        if self._library is not None and not _pour(self._library, 1.0):
            self._library = None

    def fill(self, at: float) -> None:
        """The shop's bucket is full at that moment."""
        full = max(self._empty_at, at + self._size / self._leak)
        self._departures.history.set_bucket_empty_at(self._index, full)
        self._library = None

    @property
    def _empty_at(self) -> float:
        return self._departures.history.bucket_empty_at(self._index)

    def _fill(self, now: float) -> "AsyncLimiter":
        from aiolimiter import AsyncLimiter  # noqa: PLC0415  # it reads its own version, and that takes long

        library = AsyncLimiter(self._size, self._size / self._leak)
        level = min((self._empty_at - now) * self._leak, self._size)
        if level > 0:
            _pour(library, level)
        return library


def _pour(library: "AsyncLimiter", amount: float) -> bool:
    """Take so much of the bucket at once; False where it has no room for it, by the rounding of its level."""
    if not library.has_capacity(amount):
        return False
    try:
        library.acquire(amount).send(None)  # with room it does not wait
    except StopIteration:
        return True
    raise AssertionError("aiolimiter waits although it has capacity")
