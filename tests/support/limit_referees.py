"""Owns small shops that hold a client to a limit in the ways that servers do, and clients of them in virtual time."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.engine.retry import throttle_pause
from batchcart.model.limits import Limit, Pacing

_ROUNDING = 1e-9


class Referee(Protocol):
    """Whether a request that arrives now is let in; those that are count."""

    def admits(self, now: float) -> bool:
        """Judge one request."""
        ...


@dataclass
class SlidingWindow:
    """So many in any window."""

    count: int
    seconds: float
    admitted: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        while self.admitted and self.admitted[0] <= now - self.seconds + _ROUNDING:
            self.admitted.popleft()
        if len(self.admitted) >= self.count:
            return False
        self.admitted.append(now)
        return True


@dataclass
class FixedWindow:
    """So many in a window that begins when the clock says so."""

    count: int
    seconds: float
    phase: float = 0.37
    window: int = 0
    admitted: int = 0

    def admits(self, now: float) -> bool:
        window = int((now + self.phase * self.seconds) // self.seconds)
        if window != self.window:
            self.window, self.admitted = window, 0
        self.admitted += 1
        return self.admitted <= self.count


@dataclass
class TokenBucket:
    """So many tokens at the most, so many more a second; a leaky bucket that refuses is the same from outside."""

    size: float
    rate: float
    tokens: float = -1.0
    seen: float = 0.0

    def admits(self, now: float) -> bool:
        full = self.size if self.tokens < 0 else self.tokens + (now - self.seen) * self.rate
        self.tokens, self.seen = min(self.size, full), now
        if self.tokens < 1 - _ROUNDING:
            return False
        self.tokens -= 1
        return True


@dataclass
class SlidingEstimate:
    """Two fixed windows, of which the one before counts by the part of it that the sliding one still covers."""

    count: int
    seconds: float
    phase: float = 0.0
    window: int = 0
    now_in: int = 0
    before: int = 0

    def admits(self, now: float) -> bool:
        at = now / self.seconds + self.phase
        window = int(at)
        if window != self.window:
            self.before = self.now_in if window == self.window + 1 else 0
            self.window, self.now_in = window, 0
        share = 1 - (at - window)
        if self.before * share + self.now_in + 1 > self.count + _ROUNDING:
            return False
        self.now_in += 1
        return True


@dataclass
class WeighedRate:
    """As haproxy counts: the estimate in whole numbers, from the first request on, and refused ones too."""

    count: int
    seconds: float
    began: float = -math.inf
    now_in: int = 0
    before: int = 0

    def admits(self, now: float) -> bool:
        if now >= self.began + 2 * self.seconds:
            self.began, self.now_in, self.before = now, 0, 0
        elif now >= self.began + self.seconds:
            self.began, self.now_in, self.before = self.began + self.seconds, 0, self.now_in
        self.now_in += 1
        left = 1 - (now - self.began) / self.seconds
        return self.now_in + int(self.before * left) <= self.count


@dataclass
class Shared:
    """Another program sends to the same referee, evenly, at ``rate`` a second between two moments."""

    referee: Referee
    rate: float
    began: float = 1000.0
    ends: float = float("inf")
    sent: int = 0

    def admits(self, now: float) -> bool:
        while (at := self.began + self.sent / self.rate) <= min(now, self.ends):
            self.sent += 1
            self.referee.admits(at)
        return self.referee.admits(now)


@dataclass
class Client:
    """Workers that send at a referee as a session does, with the pauses that it makes."""

    limits: Sequence[Limit]
    referee: Referee
    jitter: float = 0.002
    workers: int = 8
    seed: int = 1
    pacing: Pacing = "burst"
    strict: bool = False
    base: float = 0.0
    service: float = 0.0
    path: Path | None = None
    asks: Callable[[], float] = lambda: 0.0
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    limiter: RateLimiter | None = None
    in_row: int = 0
    open: int = 0
    memory: bytes = b""

    def start(self) -> RateLimiter:
        clock = asyncio.get_running_loop().time
        sends = SendHistory(self.path, capacity(self.limits), monotonic=clock, wall=lambda: 1e9 + clock())
        self.limiter = RateLimiter(
            self.limits, sends, clock=clock, pacing=self.pacing, strict=self.strict, learnt=self.memory
        )
        return self.limiter

    async def run(self, count: int = 1 << 40, *, seconds: float = 1e9) -> None:
        """Send until so many were let in, or so long."""
        limiter = self.limiter or self.start()
        loop, rng = asyncio.get_running_loop(), random.Random(self.seed)
        until, todo = loop.time() + seconds, count

        async def work() -> None:
            nonlocal todo
            while todo > 0 and loop.time() < until:
                todo -= 1
                while not await self._ask(limiter, rng, loop) and loop.time() < until:
                    pass

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.workers):
                    group.create_task(work())

        try:
            async with asyncio.timeout(seconds):
                await all_of_them()
        except TimeoutError:
            pass

    async def _ask(self, limiter: RateLimiter, rng: random.Random, loop: asyncio.AbstractEventLoop) -> bool:
        number = await limiter.acquire()
        await asyncio.sleep(rng.uniform(0.0003, 0.001))
        limiter.mark_sent(number)
        began = loop.time()
        self.left.append(began)
        await asyncio.sleep(self.base + rng.uniform(0, self.jitter))
        admitted = self.referee.admits(loop.time())
        (self.good if admitted else self.refused).append(loop.time())
        await asyncio.sleep(self.base + rng.uniform(0, self.jitter) + (self.service if admitted else 0.0))
        limiter.mark_completed(number, loop.time() - began)
        if admitted:
            self.in_row = 0
            limiter.record_success()
            return True
        if not limiter.paused_for:
            self.in_row += 1
        limiter.record_throttle(max(throttle_pause(self.in_row, limiter.shortest, rng), self.asks()))
        return False

    def share_refused(self, since: float = 0.0) -> float:
        """Of the requests from that moment on."""
        refused = sum(at >= since for at in self.refused)
        return refused / max(1, refused + sum(at >= since for at in self.good))

    def rate(self, since: float, until: float) -> float:
        """Requests let in a second between two moments."""
        return sum(since <= at < until for at in self.good) / (until - since)
