"""Owns the open connections to one shop: which one a request goes on, how long its answer may take, and their ends.

Every answer has the same time, so those that are waited for stand in the order in which it runs out, and one timer
does. The time that an answer waits for room in our own memory is not the shop's: its own begins anew after that.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from batchcart.engine.http.answer_budget import AnswerBudget, Claim
from batchcart.engine.http.connection import HttpConnection, RawResponse
from batchcart.engine.http.dialer import Dialer, end_gracefully
from batchcart.engine.http.keep_alive import KEPT, IdleTimes, Promise

_TURNS = 6
"""Turns of the loop until what came on a new connection is taken in, also its end: with TLS 1.3 a shop that wants a
certificate says so when our side is ready already."""


@dataclass(slots=True)
class Pool:
    """Connections: all with what was announced on them, idle ones with the time they became so, and waiting ones.

    ``account`` names whose answers they are, ``timeout`` is in seconds; of an answer ``kept_headers`` are kept.
    """

    account: str
    timeout: float
    dialer: Dialer
    budget: AnswerBudget
    kept_headers: frozenset[bytes]
    loop: asyncio.AbstractEventLoop
    _all: dict[HttpConnection, Promise] = field(default_factory=dict)
    _idle: dict[HttpConnection, float] = field(default_factory=dict)
    _waiting: dict[HttpConnection, float] = field(default_factory=dict)
    _overdue: set[HttpConnection] = field(default_factory=set)
    _claims: dict[HttpConnection, Claim] = field(default_factory=dict)
    _idle_times: IdleTimes = field(default_factory=IdleTimes)
    _timer: asyncio.TimerHandle | None = None
    _dropping: asyncio.TimerHandle | None = None

    async def connection(self, *, writes: bool) -> tuple[HttpConnection, float]:
        """A connection for a request, and for how many seconds it was idle; raises NotConnected."""
        if (kept := self._reuse(writes=writes)) is not None:
            return kept
        wire = HttpConnection(await self.dialer.dial(), self.loop, self, self.kept_headers)
        self._all[wire] = Promise()
        if wire.has_unread():
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        return wire, 0.0

    async def answer(self, wire: HttpConnection, text: bytes, limit: int, idle: float) -> RawResponse:
        """Send the request on a connection that was idle for that time; its answer, of at most ``limit`` bytes.

        Raises TimeoutError where there is none in time, and what the connection raises.
        """
        answering = wire.request(text, limit)
        self._expect(wire)
        try:
            answer = await answering
            self._all[wire].read(answer.headers.get(b"keep-alive"))
        except ConnectionResetError:
            self._idle_times.record_closed(idle, self._all[wire].answers)  # perhaps before the request came there
            raise
        except asyncio.CancelledError:
            wire.reusable = wire.quiet = False
            raise
        except Exception as failure:
            if wire in self._overdue:
                raise TimeoutError from failure
            raise
        finally:
            self._settle(wire)
        return answer

    def put_back(self, wire: HttpConnection, idle: float) -> None:
        """A connection that was asked for, and was idle for that time, is not used now: the next one may have it."""
        self._keep(wire, self.loop.time() - idle)

    async def close(self) -> None:
        """End all connections, and watch no longer."""
        self._idle.clear()
        for wire in list(self._all):
            self._close(wire)
        for timer in (self._timer, self._dropping):
            if timer is not None:
                timer.cancel()
        await self.dialer.close()

    def give_room(self, wire: HttpConnection, size: int) -> bool:
        """Whether there is room for the answer; if not yet, its time stands still until there is."""
        claim = self._claims[wire] = self.budget.claim(
            self.account, size, partial(self.loop.call_soon_threadsafe, self._on_room, wire)
        )
        if not claim.granted:
            self._waiting.pop(wire, None)
        return claim.granted

    def on_idle_end(self, wire: HttpConnection) -> None:
        """The shop ended an idle connection: a hint to how long it keeps them."""
        since = self._idle.pop(wire, None)
        if since is not None:
            self._idle_times.record_closed(self.loop.time() - since, self._all.pop(wire).answers)

    def _on_room(self, wire: HttpConnection) -> None:
        if wire in self._claims:
            self._expect(wire)
            wire.on_room()

    def _reuse(self, *, writes: bool) -> tuple[HttpConnection, float] | None:
        """The connection that was used last, if it is still good for the request."""
        now = self.loop.time()
        while self._idle:
            wire, since = self._idle.popitem()
            idle = now - since
            is_good = wire.reusable and self._idle_times.is_good(self._all[wire], idle, writes=writes)
            if is_good and not wire.transport.is_closing() and not wire.has_unread():
                return wire, idle
            self._close(wire)
        return None

    def _close(self, wire: HttpConnection) -> None:
        if self._all.pop(wire, None) is None:
            return
        if wire.quiet:
            end_gracefully(wire.transport)
        else:
            wire.abort()

    def _expect(self, wire: HttpConnection) -> None:
        self._waiting[wire] = self.loop.time() + self.timeout
        if self._timer is None:
            self._timer = self.loop.call_later(self.timeout, self._cut_overdue)

    def _cut_overdue(self) -> None:
        """Cut the connections whose time has run out; what waits for them is told so."""
        self._timer = None
        for wire, until in list(self._waiting.items()):
            if until > self.loop.time():
                self._timer = self.loop.call_at(until, self._cut_overdue)
                return
            del self._waiting[wire]
            self._overdue.add(wire)
            wire.abort()

    def _settle(self, wire: HttpConnection) -> None:
        self._waiting.pop(wire, None)
        self._overdue.discard(wire)
        if (claim := self._claims.pop(wire, None)) is not None:
            self.budget.release(claim)
        if not wire.reusable:
            self._close(wire)
            return
        self._keep(wire, self.loop.time())

    def _keep(self, wire: HttpConnection, since: float) -> None:
        self._idle[wire] = since
        if self._dropping is None:
            self._dropping = self.loop.call_later(KEPT, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what has not been used for too long; the last used stand at the end."""
        self._dropping = None
        oldest = self.loop.time() - KEPT
        for wire, since in list(self._idle.items()):
            if since > oldest:
                self._dropping = self.loop.call_at(since + KEPT, self._drop_idle)
                return
            del self._idle[wire]
            self._close(wire)
            self._idle_times.record_kept()
