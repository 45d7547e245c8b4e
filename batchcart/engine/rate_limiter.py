"""Owns keeping an account's limits and using them up; it does not know what is sent.

aiolimiter is the leaky bucket. It does not hold a window: `AsyncLimiter(180, 60)` lets up to 359 through in a minute.
A window is held exactly by looking at the n-th last send, which must be a window old.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.adaptive_limit import AdaptiveLimit
from batchcart.model.limits import Bucket, Limit, Window

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

_LEAST_MARGIN = 0.003
_SUREST_MARGIN = 0.0005  # for the clock's own steps
_LEAST_CAUTION, _MOST_CAUTION = 0.002, 0.05  # after a 429
_CALMING = 0.999  # what a good answer leaves of it
_FIRST_JITTER = 0.002  # until round trips have been measured
_LONG = 60.0  # seconds from which on a wait is worth a word
_REMEMBERED = 1024  # sends, where no limit asks for more
_PACED = 60.0  # longer windows are quotas: spent as they come, not stretched over the day


def margin(window: Window, jitter: float) -> float:
    """Seconds added to a window, because requests do not take equally long to reach the shop.

    It grows with the measured ``jitter``, but costs at most 0.7 % of the window's rate.
    """
    return min(max(_LEAST_MARGIN, 0.002 + 5 * jitter), max(_LEAST_MARGIN, 0.007 * window.seconds))


def next_slot(last: float, window: Window, now: float) -> float:
    """When the next send of an evenly paced window is due; a late one does not delay those after it."""
    return max(last + window.seconds / window.count, now - window.seconds / 20)


def bucket_slack(bucket: Bucket) -> float:
    """What is left free of a bucket, so that a request which travels faster than the one before does not overflow."""
    return min(bucket.size - 1.0, max(0.5, 0.05 * bucket.leak))


def capacity(limits: Sequence[Limit]) -> int:
    """How many sends must be remembered for these limits."""
    counts = (limit.count if isinstance(limit, Window) else 2 * limit.size for limit in limits)
    return max([_REMEMBERED, *counts])


@dataclass(slots=True)
class _Reservation:
    """A window that is held: the latest of the sends that must have left it, and the slot of the last send."""

    window: Window
    since: float
    slot: float = -math.inf


class RateLimiter:
    """One account's limits. ``acquire`` waits until one more send keeps all of them."""

    def __init__(
        self,
        limits: Sequence[Limit],
        sends: SendHistory,
        *,
        strict: bool,
        clock: Callable[[], float],
        long_wait: Callable[[Window, float], None] = lambda _window, _seconds: None,
        learnt: bytes = b"",
    ) -> None:
        self._windows = [
            _Reservation(limit, sends.nth_last(limit.count)) for limit in limits if isinstance(limit, Window)
        ]
        self._buckets = [limit for limit in limits if isinstance(limit, Bucket)]
        self._sends = sends
        self._strict = strict
        self._clock = clock
        self._turn = asyncio.Lock()
        self._leaks = [_leaking(bucket) for bucket in self._buckets]
        self._filled = False
        self._held_until = -math.inf
        self._round_trip, self._jitter = 0.0, _FIRST_JITTER
        self._caution = 0.0  # share of a window that is added to its margin
        self._delay = 0.0  # usual seconds between permit and send
        self._inside: dict[int, float] = {}  # let through at this time, and their bytes have not left yet
        self._unanswered: set[int] = set()
        self._changed = asyncio.Event()
        self._refused: deque[float] = deque()
        self._last_refusal = -math.inf
        self._learnt = _remember(_learning([held.window for held in self._windows], self._buckets), learnt)
        self._learnt_slot = -math.inf
        self._long_wait = long_wait

    def try_acquire(self) -> int | None:
        """A place under every limit, if one is free this moment; None where it has to be waited for."""
        if self._leaks or self._turn.locked():
            return None
        now = self._clock()
        return self._take(now) if self._opens(now) <= now else None

    async def acquire(self) -> int:
        """Wait for a place under every limit; the number names the send. Cancelling takes no place."""
        async with self._turn:
            await self._fill()
            for leak in self._leaks:
                await leak.acquire()
            while (wait := self._opens(self._clock()) - self._clock()) > 0:
                if _LONG < wait < math.inf and (window := self._find_used_up(wait)):
                    self._long_wait(window, wait)
                await self._wait(wait)
            return self._take(self._clock())

    def _take(self, now: float) -> int:
        if self._learnt.allowed is not None:
            spacing = self._learnt.seconds / self._learnt.allowed
            self._learnt_slot = max(self._learnt_slot, now - min(0.02, 0.1 * spacing)) + spacing
        for held in self._windows:
            held.slot = next_slot(held.slot, held.window, now)
        number = self._sends.record(now)
        self._inside[number] = now
        self._unanswered.add(number)
        return number

    def mark_sent(self, number: int) -> None:
        """The send's bytes leave only now, so its window begins now, and the bucket's level rises now."""
        now = self._clock()
        self._delay += 0.1 * (now - self._inside.pop(number, now) - self._delay)
        self._sends.update(number, now)
        for index, bucket in enumerate(self._buckets):
            self._sends.set_bucket_empty_at(index, max(now, self._sends.bucket_empty_at(index)) + 1 / bucket.leak)
        self._changed.set()

    def mark_completed(self, number: int, round_trip: float) -> None:
        """The send has its answer, or will never have one; ``round_trip`` in seconds."""
        self._inside.pop(number, None)
        self._unanswered.discard(number)
        if self._strict:
            self._sends.update(number, self._clock())
        if self._round_trip:
            self._jitter += 0.1 * (min(abs(round_trip - self._round_trip), 0.1) - self._jitter)
        self._round_trip += 0.1 * (round_trip - self._round_trip) if self._round_trip else round_trip
        self._changed.set()

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: the shop asked for it."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    def record_throttle(self, seconds: float) -> None:
        """The shop said 429: send nothing for so long, and learn from it what the shop allows."""
        now = self._clock()
        self._refused.append(now)
        for index, bucket in enumerate(self._buckets):  # the shop's is full: no more bursts from here on
            full = now + seconds + (bucket.size - bucket_slack(bucket)) / bucket.leak
            self._sends.set_bucket_empty_at(index, max(full, self._sends.bucket_empty_at(index)))
        if now >= self._held_until:  # what was on its way already tells the same once more
            self._learnt = self._learnt.after_throttle(self._observed_rate(now))
            self._caution = min(_MOST_CAUTION, max(_LEAST_CAUTION, 2 * self._caution))
        self.pause(seconds)

    def record_success(self) -> None:
        """A send was answered with something else than 429."""
        self._learnt = self._learnt.after_success()
        self._caution *= _CALMING

    @property
    def shortest(self) -> float:
        """Seconds of the shortest limit: a window's length, or the time a bucket takes to empty."""
        return self._learnt.seconds

    @property
    def in_flight(self) -> int:
        """Sends that were let through and are not answered yet."""
        return len(self._unanswered)

    @property
    def adapted_rate(self) -> float | None:
        """The sends a second that the shop's 429s say it allows; None where the config's limits hold."""
        return None if self._learnt.allowed is None else self._learnt.allowed / self._learnt.seconds

    @property
    def memory(self) -> bytes:
        """What a later run may be given as ``adapted_rate``; b"" where the config's limits hold."""
        return b"" if self._learnt.allowed is None else msgspec.json.encode(self._learnt)

    @property
    def paused_for(self) -> float:
        """Seconds that the shop's own request to wait still lasts."""
        return max(0.0, self._held_until - self._clock())

    def _opens(self, now: float) -> float:
        """From when on one more send keeps all limits; infinity where that depends on one that is on its way."""
        opens = self._held_until if self._learnt.allowed is None else max(self._held_until, self._learnt_slot)
        for held in self._windows:
            slot = next_slot(held.slot, held.window, now) if held.window.seconds <= _PACED else opens
            opens = max(opens, slot, self._window_opens(held))
        for index, bucket in enumerate(self._buckets):
            opens = max(opens, self._bucket_opens(index, bucket))
        return opens

    def _window_opens(self, held: _Reservation) -> float:
        """The count-th last send, and all before it, must be a window and a margin old.

        A send may leave long after it was let through (a slow disk, a slow handshake), and later than its followers.
        """
        window = held.window
        if self._sends.count < window.count:
            return -math.inf
        if self._sends.count - window.count in (self._unanswered if self._strict else self._inside):
            return math.inf
        held.since = max(held.since, self._sends.nth_last(window.count))
        return held.since + window.seconds + self._margin(window)

    def _margin(self, window: Window) -> float:
        """The margin at the permit, so that it is kept at the send, which follows a little later."""
        return max(_SUREST_MARGIN, margin(window, self._jitter) - self._delay) + self._caution * window.seconds

    def _bucket_opens(self, index: int, bucket: Bucket) -> float:
        """What has left, less what has leaked, must leave room for what was let through and for one more."""
        room = bucket.size - bucket_slack(bucket) - len(self._inside) - 1
        return self._sends.bucket_empty_at(index) - room / bucket.leak if room >= 0 else math.inf

    def _observed_rate(self, now: float) -> float:
        """How many sends in the learnt limit's window this 429 says are allowed; 0 where it does not say.

        Of a window limit: as many as were let through in the window before it. Of a bucket, which was full at the last
        429 too, as many as were let through since then, scaled to the window; a window allows no less than that.
        """
        last, self._last_refusal = self._last_refusal, now
        span, told = now - last, 0.0
        if self._buckets and not self._windows and math.isfinite(span):
            return self._count_accepted(last) * self._learnt.seconds / span
        if self._windows and self._learnt.seconds <= span < math.inf:
            told = self._count_accepted(last) * self._learnt.seconds / span
        if self._windows:
            told = max(told, self._count_accepted(now - self._learnt.seconds) - len(self._unanswered))
        return told

    def _count_accepted(self, since: float) -> int:
        """How many sends the shop let through since then, or has not answered yet."""
        while self._refused and self._refused[0] <= since:
            self._refused.popleft()
        low, high = 0, min(self._sends.count, self._sends.capacity)
        while low < high:  # the sends lie in order: halve until the oldest one in the window is found
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._sends.nth_last(middle) > since else (low, middle - 1)
        return low - len(self._refused)

    def _find_used_up(self, seconds: float) -> Window | None:
        """The window that is the reason for so long a wait; None where it is something else."""
        opens = self._clock() + seconds - 1.0
        return next((held.window for held in self._windows if self._window_opens(held) >= opens), None)

    async def _wait(self, seconds: float) -> None:
        if math.isfinite(seconds):
            await asyncio.sleep(seconds)
        else:
            self._changed.clear()
            await self._changed.wait()

    async def _fill(self) -> None:
        """Bring the buckets to the level that earlier runs left."""
        if self._filled:
            return
        now = self._clock()
        for index, (bucket, leak) in enumerate(zip(self._buckets, self._leaks, strict=True)):
            level = min((self._sends.bucket_empty_at(index) - now) * bucket.leak, leak.max_rate)
            if level > 0:
                await leak.acquire(level)
        self._filled = True


def _remember(fresh: AdaptiveLimit, learnt: bytes) -> AdaptiveLimit:
    """What an earlier run learnt, if it was of this very limit."""
    try:
        found = msgspec.json.decode(learnt, type=AdaptiveLimit)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return fresh
    same = (found.most, found.seconds) == (fresh.most, fresh.seconds)
    return found if same and found.allowed is not None and 0 < found.allowed < found.most else fresh


def _learning(windows: Sequence[Window], buckets: Sequence[Bucket]) -> AdaptiveLimit:
    """What can be learnt of these limits: of the shortest window, else of a bucket over the time it takes to empty."""
    if windows:
        shortest = min(windows, key=lambda window: window.seconds)
        return AdaptiveLimit(shortest.count, shortest.seconds)
    if buckets:
        return AdaptiveLimit(buckets[0].size, buckets[0].size / buckets[0].leak)
    return AdaptiveLimit(1 << 30, 4.0)


def _leaking(bucket: Bucket) -> "AsyncLimiter":
    from aiolimiter import AsyncLimiter  # noqa: PLC0415  # it reads its own version from its package, and that takes long

    size = bucket.size - bucket_slack(bucket)
    # A bucket of one has no room to leave free; its sends keep a margin more apart instead.
    leak = bucket.leak if bucket.size > 1 else 1 / (1 / bucket.leak + 2 * _LEAST_MARGIN)
    return AsyncLimiter(size, size / leak)
