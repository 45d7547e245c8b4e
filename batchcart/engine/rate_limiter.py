"""Owns keeping an account's limits and using them up; it does not know what is sent.

How it works. Between a permit and the send lies a write to the disk, between the send and its arrival the network, and
either may take long. So nothing is counted at the permit but that one is under way; a send counts from its answer, or
from the moment its bytes leave where waiting for the answer would cost too much (`departures.py`). A send has to pass
every gate (`gates.py`): the config's windows and buckets, which are exact and which nothing opens wider; a pause that
the shop asked for; and what its refusals taught: to leave time between two sends, a lower limit, fewer requests at a
time. It leaves when the last of them opens. One waiter at a time looks at them; the others queue behind it.

By default a send leaves as soon as all gates are open, so a short job takes no longer than the limits demand. A shop
that refuses such a burst, although every limit of the config is kept, wants its requests evenly spread, and gets that
from then on. What its further 429s teach stands in `refusal_lessons.py`.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import msgspec

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.departures import Departures
from batchcart.engine.gates import (
    BucketGate,
    Gate,
    PaceGate,
    PauseGate,
    WindowGate,
    affordable_round_trip,
    bearable_jitter,
)
from batchcart.engine.refusal_lessons import RefusalLessons
from batchcart.model.json_text import UNDECODABLE
from batchcart.model.limits import QUOTA, Bucket, Limit, Pacing, Window, steadiest

_LONG = 60.0  # seconds from which on a wait is worth a word
_REMEMBERED, _UNLIMITED = 64, 1024  # sends at the least, where there are limits and where there are none
_BELIEVED_FOR = 86_400.0  # seconds for which a lower limit is
_LONGEST_PAUSE = 86_400.0  # seconds of a pause that a later run keeps


class LimitMemory(msgspec.Struct, frozen=True):
    """What the next run begins with; moments are wall-clock time."""

    most: float
    seconds: float
    allowed: float | None = None
    at: float = 0.0
    spread_until: float = 0.0
    paused_until: float = 0.0
    pause: float = _LONGEST_PAUSE  # seconds of it in all: it lasts no longer, though the clock was set back since


def capacity(limits: Sequence[Limit]) -> int:
    """How many sends must be remembered for these limits."""
    counts = (limit.count if isinstance(limit, Window) else 2 * limit.size for limit in limits)
    return max([_REMEMBERED if limits else _UNLIMITED, *counts])


class RateLimiter:
    """One account's limits. ``acquire`` waits until one more send keeps all of them."""

    def __init__(
        self,
        limits: Sequence[Limit],
        sends: SendHistory,
        *,
        clock: Callable[[], float],
        pacing: Pacing = "burst",
        strict: bool = False,
        long_wait: Callable[[Window, float], None] = lambda _window, _seconds: None,
        learnt: bytes = b"",
    ) -> None:
        windows = [limit for limit in limits if isinstance(limit, Window)]
        self._clock, self._sends, self._long_wait = clock, sends, long_wait
        self._departures = Departures(
            sends,
            strict,
            min(map(bearable_jitter, windows), default=math.inf),
            min(map(affordable_round_trip, windows), default=-math.inf),
        )
        self._windows = [WindowGate(window, self._departures) for window in windows]
        buckets = (limit for limit in limits if isinstance(limit, Bucket))
        self._buckets = [BucketGate(bucket, index, self._departures) for index, bucket in enumerate(buckets)]
        self._pause = PauseGate()
        self._lessons = RefusalLessons(steadiest(limits), self._departures)
        paced = [PaceGate(window) for window in windows if window.seconds <= QUOTA] if pacing == "smooth" else []
        self._paced: Sequence[PaceGate] = paced
        self._of_config: Sequence[Gate] = (*self._windows, *self._buckets, *paced)
        self.on_permit: Callable[[], None] = lambda: None  # told of each send that is let through
        self.awaited = 0  # sends that wait to be let through
        self._turn = asyncio.Lock()
        self._changed: asyncio.Event | None = None  # as long as one waits; an event takes a kilobyte
        self._announced = -math.inf  # when the wait ends that was told of last
        self._remember(learnt)

    def acquire_now(self) -> int | None:
        """A place under every limit, where there is one and nobody waits for it; the number names the send."""
        if self.awaited or self._opens_at(now := self._clock()) > now:
            return None
        number = self._permit(now)
        self.on_permit()
        return number

    async def acquire(self) -> int:
        """Wait for a place under every limit; the number names the send. Cancelling takes no place."""
        self.awaited += 1
        try:
            number = await self._pass()
        finally:
            self.awaited -= 1
        self.on_permit()
        return number

    async def _pass(self) -> int:
        async with self._turn:
            while (wait := self._opens_at(now := self._clock()) - now) > 0:
                if _LONG < wait < math.inf and abs(now + wait - self._announced) > 1.0:
                    self._announce(now, wait)
                await self._wait(wait)
            return self._permit(now)

    def _permit(self, now: float) -> int:
        for gate in self._paced:
            gate.take(now)
        self._lessons.record_permit(now, self._pause.until)
        return self._departures.permit(now)

    def mark_sent(self, number: int) -> None:
        """The send's bytes leave only now, so its windows begin now, and the buckets' levels rise now."""
        now = self._clock()
        self._departures.leave(number, now)
        for bucket in self._buckets:
            bucket.leave(now)
        if self._changed is not None:
            self._changed.set()

    def mark_completed(self, number: int, round_trip: float) -> None:
        """The send has its answer, or will never have one; ``round_trip`` in seconds."""
        self._departures.answer(number, self._clock(), round_trip)
        if self._changed is not None:
            self._changed.set()

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: the shop asked for it."""
        self._pause.extend(self._clock() + seconds, seconds)

    def record_throttle(self, seconds: float) -> None:
        """The shop said 429: send nothing for so long, and learn from it what the shop allows."""
        now = self._clock()
        for bucket in self._buckets:  # the shop's is full: no more bursts from here on
            bucket.fill(now + seconds)
        self._lessons.record_throttle(now, alike=now < self._pause.until)
        self.pause(seconds)

    def record_success(self) -> None:
        """A send was answered with something else than 429."""
        now = self._clock()
        self._lessons.record_success(now, alike=now < self._pause.until)

    @property
    def learns_of(self) -> Limit | None:
        """The limit that 429s teach of."""
        return self._lessons.of

    @property
    def shortest(self) -> float:
        """Seconds of the limit that is learnt of: a window's length, or the time a bucket takes to empty."""
        return self._lessons.limit.seconds

    @property
    def in_flight(self) -> int:
        """Sends that were let through and are not answered yet."""
        return self._departures.in_flight

    @property
    def adapted_rate(self) -> float | None:
        """The sends a second that the shop's 429s say it allows; None where the config's limits hold."""
        learnt = self._lessons.limit
        return None if learnt.allowed is None else learnt.allowed / learnt.seconds

    @property
    def tried_in(self) -> float:
        """Seconds until more than ``adapted_rate`` is tried."""
        return max(0.0, self._lessons.limit.tried_at - self._clock())

    @property
    def spread(self) -> bool:
        """Whether the shop was seen to want its requests evenly spread."""
        return self._lessons.spread_until > self._clock()

    @property
    def memory(self) -> bytes:
        """What a later run may be given as ``learnt``; b"" where nothing was."""
        now = self._clock()
        wall = self._sends.wall() - now
        learnt = self._lessons.limit
        pauses = self._pause.until > now + 1.0
        found = LimitMemory(
            learnt.most,
            learnt.seconds,
            learnt.allowed,
            0.0 if learnt.allowed is None else round(wall + learnt.since, 3),
            round(wall + self._lessons.spread_until, 3) if self.spread else 0.0,
            round(wall + self._pause.until, 3) if pauses else 0.0,
            self._pause.lasts if pauses else _LONGEST_PAUSE,
        )
        return b"" if found == LimitMemory(found.most, found.seconds) else msgspec.json.encode(found)

    @property
    def paused_for(self) -> float:
        """Seconds that the shop's own request to wait still lasts."""
        return max(0.0, self._pause.until - self._clock())

    def _opens_at(self, now: float) -> float:
        """From when on one more send keeps all limits; infinity where that depends on one that is on its way."""
        opens = self._pause.until
        for gate in self._of_config:
            opens = max(opens, gate.opens_at(now))
        if self._lessons.bind(now):
            opens = max(opens, *(gate.opens_at(now) for gate in self._lessons.gates))
        return opens

    def _remember(self, learnt: bytes) -> None:
        """Take up what an earlier run learnt: a pause in any case, the rest if it was of this very limit."""
        try:
            found = msgspec.json.decode(learnt, type=LimitMemory)
        except UNDECODABLE:
            return
        now = self._clock()
        ahead = now - self._sends.wall()
        longest = min(found.pause, _LONGEST_PAUSE)
        self._pause.extend(min(found.paused_until + ahead, now + longest), longest)
        believed = self._lessons.limit
        if (found.most, found.seconds) != (believed.most, believed.seconds):
            return
        fresh = -_BELIEVED_FOR < found.at + ahead - now <= 1.0
        self._lessons.resume(now, found.spread_until + ahead, found.allowed if fresh else None)

    def _find_used_up(self, now: float, seconds: float) -> Window | None:
        """The quota that is the reason for so long a wait; None where it is something else."""
        opens = now + seconds - 1.0
        quotas = (gate for gate in self._windows if gate.window.seconds > QUOTA)
        return next((gate.window for gate in quotas if gate.opens_at(now) >= opens), None)

    def _announce(self, now: float, seconds: float) -> None:
        """Tell of a quota that is used up, once for each wait, although every answer has it looked at again."""
        if window := self._find_used_up(now, seconds):
            self._announced = now + seconds
            self._long_wait(window, seconds)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until a send has left or was answered."""
        changed = self._changed = asyncio.Event()
        wake = asyncio.get_running_loop().call_later(seconds, changed.set) if seconds < math.inf else None
        try:
            await changed.wait()
        finally:
            self._changed = None
            if wake:
                wake.cancel()
