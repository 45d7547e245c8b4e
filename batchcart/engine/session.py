"""Owns one account at work: its limiter, its credentials, its health; it does not know what an operation means.

Every request goes the same way: limits → intent on the disk → signature → send → note of what
came back. Waiting can be broken off at any time; from the intent to the note nothing breaks in.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import msgspec
from msgspec.structs import replace

from batchcart.accounts.config import Account
from batchcart.engine.auth import Auth
from batchcart.engine.circuit_breaker import CircuitBreaker
from batchcart.engine.given_keys import GivenKeys
from batchcart.engine.health import Health
from batchcart.engine.http.form_encoding import encode_body
from batchcart.engine.offload import is_large, read_reply
from batchcart.engine.rate_limiter import RateLimiter
from batchcart.engine.retry import RetryBudget, backoff
from batchcart.engine.stop_signal import StopSignal
from batchcart.engine.throttling import Throttling
from batchcart.journal.codec import encode_loss, encode_response
from batchcart.journal.permit import Permit, PermitExpired
from batchcart.journal.sink import JournalSink
from batchcart.journal.writer import JournalFailed
from batchcart.model.events import AccountClosed, EventSink
from batchcart.model.http import Made, NoResponse, NotSent, Reply, Request, Response, Sender


class AccountMemory(Protocol):
    """What an account remembers beyond this session, as the session writes it."""

    def keep_tokens(self, origin: str, tokens: Mapping[str, str], /) -> Awaitable[None] | None:
        """Put renewed tokens on the disk, durably, at the latest when what comes back was awaited.

        Raises OSError, now or then, where that fails.
        """

    def keep_learnt_limit(self, learnt: bytes, /) -> None:
        """Remember what was learnt of the shop's limit; b"" forgets it."""


class Received(msgspec.Struct, frozen=True):
    """A reply without secrets, with the number it has in the journal and the wall-clock time its request left.

    ``fresh`` are the tokens that it brought, if it was asked for some.
    """

    reply: Reply
    number: int
    at: float
    fresh: Mapping[str, str] | None = None


@dataclass(slots=True)
class RequestStats:
    """What a progress display and the summary want to know of a session."""

    sent: int = 0
    retries: int = 0
    refusals: int = 0

    def count_refusal(self) -> None:
        """The shop said that it is too much."""
        self.refusals += 1


class Clocks(msgspec.Struct, frozen=True):
    """The session's clocks, both in seconds: one that only goes forward, and the wall's."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class AccountSession:
    """One account at work: what it is made of. Each part owns its own state; nobody else writes it.

    ``number`` is the account's in the journal, ``probes`` numbers the engine's own questions; ``patience`` in seconds;
    by the steady clock it was ``opened_at``.
    """

    account: Account
    number: int
    patience: float
    journal: JournalSink
    limiter: RateLimiter
    account_state: AccountMemory
    send: Sender
    clocks: Clocks
    opened_at: float
    rng: random.Random
    emit: EventSink
    auth: Auth
    probes: Iterator[int]
    breaker: CircuitBreaker
    health: Health = field(default_factory=Health)
    throttling: Throttling = field(default_factory=Throttling)
    retries: RetryBudget = field(default_factory=RetryBudget)
    signal: StopSignal = field(default_factory=StopSignal)
    stats: RequestStats = field(default_factory=RequestStats)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    given: GivenKeys = field(default_factory=GivenKeys)

    @property
    def stopped(self) -> bool:
        """Whether nothing more is begun."""
        return self.signal.stopped

    def close(self, state: str, reason: str, *, settles: bool = False) -> None:
        """Give the account up for this run; its open lines stay pending."""
        reason = self.auth.redact_reason(reason)
        first = not self.signal.closed
        self.signal.close(state, reason, settles=settles)
        if first:
            self.journal.record_account_state(self.account.name, state, reason)
            self.emit(AccountClosed(self.account.name, state, reason))

    async def send_request(
        self,
        line: int,
        number: int,
        request: Request,
        recorded: Request | None = None,
        *,
        settles: bool = False,
        read: Callable[[Response], Mapping[str, str] | None] | None = None,
    ) -> Received | None:
        """Send the request under the limits, signed, once it, or ``recorded`` instead, is on the disk as the intent.

        None if it was not sent: the session was halted, or the shop fell, which stops all but the engine's own
        questions, and with ``settles`` those about what became of a write. ``read`` finds fresh tokens in the answer;
        nobody else sees it before every secret is taken out of it.
        """
        send_number = self.limiter.acquire_now()
        if send_number is None:
            with self.signal.cancellable():
                send_number = await self.limiter.acquire()
        began = at = 0.0
        reply: Reply | None = None
        while reply is None and self._may_begin(line, settles=settles):
            at = self.clocks.wall()
            try:
                permit = await self.journal.record_intent(line, number, at, recorded or request)
            except JournalFailed:
                # Not raised: that would break off the requests that are on their way.
                self.signal.stop()
                break
            began = self.clocks.monotonic()
            reply = await self._leave(self._sign(request, at), send_number, permit)
            if reply is None and not self._may_begin(line, settles=settles):
                self.journal.record_response(line, number, "void", encode_loss("it was too late for it to leave"))
        if reply is None:
            self.limiter.mark_completed(send_number, 0.0)
            return None
        self.limiter.mark_completed(send_number, self.clocks.monotonic() - began)
        if not isinstance(reply, Response):
            return Received(reply, number, at)
        fresh = await self.interpret(reply, partial(read, reply)) if read else None
        redact = self.auth.redact_incoming
        clean = await self.interpret(reply, partial(redact, reply)) if is_large(reply) else redact(reply)
        return Received(clean, number, at, fresh)

    def _may_begin(self, line: int, *, settles: bool) -> bool:
        is_down = self.stopped or (self.health.down_since is not None and line > 0)
        return not is_down or (settles and self.signal.settles)

    def _sign(self, request: Request, at: float) -> Request:
        encoded = encode_body(request, self.account.options.encoding)
        return self.account.adapter.auth.sign(encoded, self.auth.credentials, at, self.rng.randbytes(16).hex())

    def _leave(self, signed: Request, send_number: int, permit: Permit | None) -> Awaitable[Reply | None]:
        """Send what is noted; None where it was too late for that, and nothing left."""
        self.stats.sent += 1
        leaving = partial(self.limiter.mark_sent, send_number)
        return self.send(signed, leaving) if permit is None else self._leave_in_time(signed, leaving, permit)

    async def _leave_in_time(self, signed: Request, leaving: Callable[[], None], permit: Permit) -> Reply | None:
        def leaving_in_time() -> None:
            permit.check()
            leaving()

        try:
            return await self.send(signed, leaving_in_time)
        except PermitExpired:
            self.stats.sent -= 1
            return None

    async def interpret(self, reply: Reply, make: Callable[[], Made]) -> Made:
        """What ``make`` makes of the reply; of a large one beside the loop, so that no other account waits."""
        return await read_reply(self.reading, reply, make)

    async def probe(
        self, request: Request, read: Callable[[Response], Mapping[str, str] | None] | None = None
    ) -> Received | None:
        """Ask a health probe, also of a shop that is down; None if the session was halted.

        The journal keeps it under the account's number below zero, without its query, which may be a token.
        """
        number = next(self.probes)
        received = await self.send_request(-self.number, number, request, replace(request, query=()), read=read)
        if received is not None:
            self.journal.record_response(-self.number, number, "void", encode_loss("a health probe"))
        return received

    async def record(self, line: int, received: Received, state: str) -> None:
        """Write down what came back, without secrets."""
        match received.reply:
            case Response() as response:
                clean = await self.interpret(response, partial(self.auth.redact_note, response))
                self.journal.record_response(line, received.number, state, encode_response(clean))
            case NotSent(why) | NoResponse(why):
                self.journal.record_response(line, received.number, state, encode_loss(why))

    async def wait_to_retry(self, tries: int, least: float = 0.0, *, settles: bool = False) -> bool:
        """Wait before another try: back-off, and the account's retry budget; whether to go on.

        With ``settles`` what follows asks what became of a write, which an account that is closing may still do.
        """
        self.stats.retries += 1
        owed = self.retries.debit(self.clocks.monotonic())
        return await self.signal.wait(max(backoff(tries, self.rng), owed, least), settles=settles)
