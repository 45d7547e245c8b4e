"""Owns how many workers an account has: as many as have something on its way, and one more; not what they do.

Thousands of accounts so have a worker or two each, and as many connections, and a shop that takes long gets all that
its concurrency allows. While the loop is busy nobody is hired: what is begun then would only lie in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batchcart.engine.session import AccountSession

_BUSY_TURN, _LONGEST_OPENING = 0.01, 0.1
"""Seconds: a turn of a loop that is busy all the time, and how long the next worker waits for it at most."""

_UNTRIED = 8
"""Carts that are worked on side by side before an account's shop has answered for the first time: one that is not there
at all burns no more lines than by default."""


@dataclass(slots=True)
class Crew:
    """The workers of one account. ``work`` is what one does to its end: True where nothing is left for another one."""

    session: AccountSession
    work: Callable[[], Coroutine[None, None, bool]]
    group: asyncio.TaskGroup
    openings: "asyncio.Queue[Crew]"
    workers: int = 0
    asked: bool = False
    all_taken: bool = False

    def start(self) -> None:
        """Have the first worker, and more as they are needed."""
        self.session.limiter.on_permit = self.ask_for_more
        self.hire()

    def ask_for_more(self) -> None:
        """A worker is busy from here on: unless another one waits for the limits already, there should be one."""
        most = self.session.account.options.concurrency
        if self.workers >= most or self.asked or self.all_taken or self.session.limiter.awaited:
            return
        if self.session.health.answered or self.workers < _UNTRIED:
            self.asked = True
            self.openings.put_nowait(self)

    def hire(self) -> None:
        """One more worker, if there may be work for it."""
        self.asked = False
        if not (self.all_taken or self.session.stopped):
            self.workers += 1
            work = self._work()
            try:
                self.group.create_task(work)
            except RuntimeError:  # the group is ending over what another worker met
                work.close()

    async def _work(self) -> None:
        is_last = True  # also where it fails, for then its group takes no other one
        try:
            is_last = await self.work()
        finally:
            self.all_taken |= is_last


async def hire_in_turn(openings: "asyncio.Queue[Crew]") -> None:
    """Give one more worker to whoever is in the queue, each once the loop is not busy."""
    while True:
        crew = await openings.get()
        await yield_if_busy()
        crew.hire()


@asynccontextmanager
async def open_hiring() -> "AsyncIterator[asyncio.Queue[Crew]]":
    """Whoever is put into the queue gets one more worker once the loop is not busy."""
    openings: asyncio.Queue[Crew] = asyncio.Queue()
    hiring = asyncio.create_task(hire_in_turn(openings))
    try:
        yield openings
    finally:
        hiring.cancel()


async def yield_if_busy() -> None:
    """Wait until the loop is not busy all the time, but not long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _LONGEST_OPENING
    while True:
        before = loop.time()
        await asyncio.sleep(0)
        now = loop.time()
        if now - before < _BUSY_TURN or now >= until:
            return
        await asyncio.sleep(_BUSY_TURN)
