"""Owns one account at work: its limiter, its credentials, its health; it does not know what an operation means.

Saying something to a shop always goes the same way: limits → intent on the disk → signature → send → note of what
came back. Waiting can be broken off at any time; from the intent to the note nothing breaks in.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec.structs import replace

from batchcart.accounts.config import Account
from batchcart.accounts.redaction import SURELY_SECRET, Redactor, redacted, redactor
from batchcart.accounts.state import Ledger
from batchcart.engine.http.form_encoding import encoded
from batchcart.engine.rate_limiter import Limiter
from batchcart.engine.retry import Budget, backoff, retry_after, throttle_pause
from batchcart.journal.codec import lost_row, response_row
from batchcart.journal.sink import Notes
from batchcart.journal.writer import JournalFailed
from batchcart.model.adapter import Credentials
from batchcart.model.events import AccountClosed, QuotaUsedUp, Tell
from batchcart.model.http import NotSent, Request, Response, Unanswered
from batchcart.model.outcome import Busy

Reply = Response | NotSent | Unanswered
Send = Callable[[Request, Callable[[], None]], Awaitable[Reply]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""

_IN_A_ROW = 4  # failures without a good answer between them that make an outage


class Heard(msgspec.Struct, frozen=True):
    """A reply, with the number it has in the journal and the wall-clock time its request left."""

    reply: Reply
    number: int
    at: float


@dataclass(slots=True)
class Counters:
    """What a progress display and the summary want to know of a lane."""

    sent: int = 0
    retries: int = 0
    refusals: int = 0


@dataclass(slots=True)
class Lane:
    """One account at work. ``closed`` says why it is not, once it has been given up."""

    account: Account
    number: int
    journal: Notes
    limiter: Limiter
    ledger: Ledger
    send: Send
    credentials: Credentials
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    rng: random.Random
    tell: Tell
    question: int = 1
    patience: float = 1800.0
    closed: str = ""
    state: str = "running"
    halted: bool = False
    counters: Counters = field(default_factory=Counters)
    secret: Redactor | None = None
    _sure_secret: Redactor | None = None
    _waiting: "set[asyncio.Task[object]]" = field(default_factory=set)
    bad_in_a_row: int = 0
    _throttled_since: float | None = None
    _throttled_in_a_row: int = 0
    down_since: float | None = None
    down_why: str = ""
    probe_at: float = 0.0  # when a shop that is down is asked next
    pause_why: str = ""
    quota: QuotaUsedUp | None = None  # what was waited for last
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    unproven: Credentials | None = None  # renewed ones that the shop has not taken yet
    _budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        self.know_secrets()

    def know_secrets(self) -> None:
        """Take in what must not be seen, old tokens and new ones."""
        found = (*self.account.secrets, *self.credentials.secrets())
        self.secret = redactor(found)
        # A short one may look like an id, which an adapter must read as it is.
        self._sure_secret = redactor(secret for secret in found if len(secret) >= SURELY_SECRET)

    def halt(self) -> None:
        """Begin nothing more. What waits is broken off; what is on its way to the shop ends first."""
        self.halted = True
        for task in self._waiting:
            task.cancel()

    def close(self, state: str, reason: str) -> None:
        """Give the account up for this run; its open lines stay open."""
        if not self.closed:
            self.state, self.closed = state, reason
            self.journal.note_state(self.account.name, state, reason)
            self.tell(AccountClosed(self.account.name, state, reason))
        self.halt()

    async def say(self, line: int, number: int, request: Request, noted: Request | None = None) -> Heard | None:
        """Send the request under the limits, signed, once it, or ``noted`` in its place, is on the disk as the intent.

        None if it was not said: the lane was halted, or the shop fell, which stops all but the engine's own questions.
        """
        send_number = self.limiter.acquire_now()
        if send_number is None:
            with self.may_break_off():
                send_number = await self.limiter.acquire()
        fell = self.down_since is not None and line > 0
        at = self.wall()
        try:
            if self.halted or fell:
                self.limiter.answered(send_number, 0.0)
                return None
            await self.journal.intend(line, number, at, noted or request)
        except JournalFailed:
            # Not raised: that would break off the requests that are on their way.
            self.halt()
            self.limiter.answered(send_number, 0.0)
            return None
        said = encoded(request, self.account.options.encoding)
        signed = self.account.adapter.sign(said, self.credentials, at, f"{self.rng.getrandbits(128):032x}")
        began = self.monotonic()
        self.counters.sent += 1
        reply = await self.send(signed, partial(self.limiter.left, send_number))
        self.limiter.answered(send_number, self.monotonic() - began)
        return Heard(reply, number, at)

    async def ask(self, request: Request) -> Heard | None:
        """Ask a question of the engine's own, also of a shop that is down; None if the lane was halted.

        The journal keeps it under the account's number below zero, without its query, which may be a token.
        """
        number, self.question = self.question, self.question + 1
        heard = await self.say(-self.number, number, request, replace(request, query=()))
        if heard is not None:
            self.journal.answer(-self.number, number, "void", lost_row("a question of the engine's own"))
        return heard

    def note(self, line: int, heard: Heard, state: str) -> None:
        """Write down what came back, without secrets."""
        match heard.reply:
            case Response() as response:
                clean = replace(response, body=redacted(response.body, self.secret), headers=self._clean(response))
                self.journal.answer(line, heard.number, state, response_row(clean))
            case NotSent(why) | Unanswered(why):
                self.journal.answer(line, heard.number, state, lost_row(why))

    def well(self, used: Credentials) -> None:
        """The shop took ``used`` and answered as a shop that is up answers."""
        self.bad_in_a_row = 0
        self._throttled_since = None
        self._throttled_in_a_row = 0
        if used is self.unproven:
            self.unproven = None
        self._budget = self._budget.earned()
        self.limiter.passed()

    def unwell(self, why: str, *, alarming: bool = False, pause: str = "") -> None:
        """A request failed; several in a row, or an alarming one, make an outage, and the shop is asked if it is up."""
        if asked := retry_after(pause, self.wall()):
            self.limiter.hold(asked)
            self.pause_why = why
        self.bad_in_a_row += 1
        if (alarming or self.bad_in_a_row >= _IN_A_ROW) and self.down_since is None:
            self.down_since, self.down_why = self.monotonic(), why

    def throttle(self, busy: Busy) -> None:
        """The shop asked for a pause: the whole account keeps it."""
        asked = retry_after(busy.retry_after, self.wall())
        self.counters.refusals += 1
        self.pause_why = busy.message
        if not self.limiter.held_for:  # what was on its way already tells the same once more
            self._throttled_in_a_row += 1
        pause = throttle_pause(self._throttled_in_a_row, self.limiter.shortest, self.rng)
        self.limiter.throttled(pause if asked is None else asked)
        if self._throttled_since is None:
            self._throttled_since = self.monotonic()
        elif self.monotonic() - self._throttled_since > self.patience:
            minutes = f"{self.patience / 60:g} min"
            self.close(
                "throttled", f"{busy.message}, to everything for {minutes}. Its lines stay open; run again later"
            )
        self.limiter.hold(asked or 0.0)

    async def wait(self, seconds: float) -> bool:
        """Wait, unless the lane is halted; whether to go on."""
        if not self.halted:
            with self.may_break_off():
                await asyncio.sleep(seconds)
        return not self.halted

    async def wait_to_retry(self, tries: int, least: float = 0.0) -> bool:
        """Wait before another try: back-off, and the account's retry budget; whether to go on."""
        self.counters.retries += 1
        self._budget, owed = self._budget.spent(self.monotonic())
        return await self.wait(max(backoff(tries, self.rng), owed, least))

    def without_secrets(self, response: Response) -> Response:
        """The answer as adapters may see it: what they quote of it, cut short, could hold a part of a secret."""
        clean = redacted(response.body, self._sure_secret)
        return response if clean is response.body else replace(response, body=clean)

    def _clean(self, response: Response) -> dict[str, str]:
        return {name: redacted(value.encode(), self.secret).decode() for name, value in response.headers.items()}

    @contextmanager
    def may_break_off(self) -> Iterator[None]:
        """Mark what stands in the block as waiting: a halt breaks it off."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)
