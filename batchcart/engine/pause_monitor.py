"""Owns seeing at a tick what a session doesn't say itself: pauses that a shop asks for, limits learnt from its 429s."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batchcart.engine.session import AccountSession
from batchcart.engine.ticker import every
from batchcart.model.events import LimitLowered, LimitRestored, Paused, ThrottlingEnded

_TICK = 1.0
_LONG = 60.0  # seconds from which on a pause is said at once
_FIRST_QUIET, _LONGEST_QUIET = 30.0, 1800.0


@dataclass(slots=True)
class PauseMonitor:
    """What was seen of a session up to the last look.

    Pauses that follow one another within ``quiet`` seconds are one time of pauses, which is told where it begins and
    where it is over. Each such time doubles ``quiet``, so that even a shop that throttles all night is told in a page.
    """

    session: AccountSession
    quiet: float = _FIRST_QUIET
    began: float | None = None
    until: float = 0.0
    paused: float = 0.0
    long: bool = False
    refusals: int = 0
    refusals_before: int = 0
    learnt: bool = False
    memory: bytes = b""

    def poll(self) -> None:
        """See what is new, and tell it."""
        session, now = self.session, self.session.clocks.wall()
        held, refusals = session.limiter.paused_for, session.stats.refusals
        if held > 0 or refusals > self.refusals:
            self._pause(now, held)
        elif self.began is not None and now > self.until + self.quiet:
            self._end(self.until)
        self.refusals = refusals
        learnt = session.limiter.adapted_rate
        if (memory := session.limiter.memory) != self.memory:
            self.memory = memory
            session.account_state.keep_learnt_limit(memory)
        if (learnt is not None) != self.learnt:
            self.learnt = not self.learnt
            session.emit(self._limit())

    def finish(self) -> None:
        """The session works no longer: what lasts ends with it."""
        self.poll()
        if self.began is not None:
            now = self.session.clocks.wall()
            self.paused -= max(0.0, self.until - now)
            self._end(min(self.until, now))

    def _pause(self, now: float, held: float) -> None:
        fresh, long = self.began is None, held >= _LONG and not self.long
        if fresh:
            self.began, self.until, self.refusals_before = now, now, self.refusals
        if fresh or long:
            self.session.emit(Paused(self.session.account.name, now + held, self.session.throttling.why, long))
        self.long |= long
        self.paused += max(0.0, now + held - max(now, self.until))
        self.until = max(self.until, now + held)

    def _end(self, until: float) -> None:
        refusals = self.session.stats.refusals - self.refusals_before
        self.session.emit(
            ThrottlingEnded(self.session.account.name, self.began or until, until, refusals, round(self.paused, 1))
        )
        self.began, self.paused, self.long = None, 0.0, False
        self.quiet = min(_LONGEST_QUIET, 2 * self.quiet)

    def _limit(self) -> LimitLowered | LimitRestored:
        account = self.session.account
        of = self.session.limiter.learns_of or ""
        learnt = self.session.limiter.adapted_rate
        if learnt is None:
            return LimitRestored(account.name, str(of))
        more_at = self.session.clocks.wall() + self.session.limiter.tried_in
        return LimitLowered(account.name, str(of), round(learnt, 3), round(more_at, 3))


@asynccontextmanager
async def monitor(sessions: Sequence[AccountSession]) -> AsyncIterator[None]:
    """The sessions are looked at again and again as long as the block runs."""
    monitors = [PauseMonitor(session) for session in sessions]

    def poll() -> None:
        for one in monitors:
            one.poll()

    try:
        async with every(_TICK, poll):
            yield
    finally:
        for one in monitors:
            one.finish()
