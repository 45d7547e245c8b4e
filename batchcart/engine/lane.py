"""Owns one account at work: its limiter, its credentials, its health; it does not know what an operation means.

Saying something to a shop always goes the same way: limits → intent on the disk → signature → send → note of what
came back. Waiting can be broken off at any time; from the intent to the note nothing breaks in.
"""

import asyncio
import hashlib
import random
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from re import Pattern

from batchcart.accounts import Account
from batchcart.adapter import Credentials, Renewal
from batchcart.engine.limiter import Limiter
from batchcart.engine.retry import MOST_TRIES, Budget, backoff, probe_wait, retry_after
from batchcart.exchange import Exchange, NotSent, Request, Response, Unanswered
from batchcart.forms import encoded
from batchcart.journal.rows import lost_row, response_row
from batchcart.journal.writer import Journal, JournalFailed
from batchcart.ledger import Ledger
from batchcart.outcome import Busy, Denied, Failing
from batchcart.redaction import redacted, redactor

Reply = Response | NotSent | Unanswered
Send = Callable[[Request, Callable[[], None]], Awaitable[Reply]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""

_LONG_PAUSE = 60.0  # seconds from which on a pause is worth a word
_IN_A_ROW = 4  # failures without a good answer between them that make an outage


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply, with the number it has in the journal and the wall-clock time its request left."""

    reply: Reply
    number: int
    at: float


@dataclass(slots=True)
class Counters:
    """What a progress display and the summary want to know of a lane."""

    sent: int = 0
    retries: int = 0
    in_flight: int = 0
    throttled: int = 0


@dataclass(slots=True)
class Lane:
    """One account at work. ``closed`` says why it is not, once it has been given up."""

    account: Account
    number: int
    journal: Journal
    limiter: Limiter
    ledger: Ledger
    send: Send
    credentials: Credentials
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    rng: random.Random
    tell: Callable[[str], None]
    question: int = 1
    patience: float = 1800.0
    closed: str = ""
    state: str = "running"
    halted: bool = False
    counters: Counters = field(default_factory=Counters)
    secret: Pattern[bytes] | None = None
    _waiting: "set[asyncio.Task[object]]" = field(default_factory=set)
    _bad_in_a_row: int = 0
    _throttled_since: float | None = None
    _down_since: float | None = None
    _down_why: str = ""
    _probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _unproven: Credentials | None = None  # renewed ones that the shop has not taken yet
    _budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        self.secret = redactor((*self.account.secrets, *self.credentials.secrets()))

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
            self.tell(f"account {self.account.name!r}: {reason}")
        self.halt()

    async def say(self, line: int, number: int, request: Request) -> Heard | None:
        """Send the request under the limits, journalled; None if the lane was halted before it left."""
        with self._may_break_off():
            send_number = await self.limiter.acquire()
        if self.halted:
            self.limiter.answered(send_number, 0.0)
            return None
        self.counters.in_flight += 1
        try:
            at = self.wall()
            if not await self._intend(line, number, at, request):
                self.limiter.answered(send_number, 0.0)
                return None
            signed = self.account.adapter.sign(
                encoded(request, self.account.options.encoding),
                self.credentials,
                self.wall(),
                secrets.token_hex(16),
            )
            began = self.monotonic()
            self.counters.sent += 1
            reply = await self.send(signed, partial(self.limiter.left, send_number))
            self.limiter.answered(send_number, self.monotonic() - began)
            return Heard(reply, number, at)
        finally:
            self.counters.in_flight -= 1

    async def _intend(self, line: int, number: int, at: float, request: Request) -> bool:
        """Put the intent on the disk; False where the disk takes no more, and nothing may be sent."""
        try:
            await self.journal.intend(line, number, at, request)
        except JournalFailed:
            # Not raised: that would break off the requests that are on their way.
            self.halt()
            return False
        return True

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
        self._bad_in_a_row = 0
        if used is self._unproven:
            self._unproven = None
        self._budget = self._budget.earned()
        self.limiter.passed()

    def unwell(self, why: str, *, unreachable: bool = False, pause: str = "") -> None:
        """A request failed; several in a row, or a shop that cannot be reached, make an outage."""
        if asked := retry_after(pause, self.wall()):
            self._keep_pause(asked)
        self._bad_in_a_row += 1
        if (unreachable or self._bad_in_a_row >= _IN_A_ROW) and self._down_since is None:
            self._down_since, self._down_why = self.monotonic(), why

    def throttle(self, busy: Busy) -> None:
        """The shop asked for a pause: the whole account keeps it."""
        self.counters.throttled += 1
        asked = retry_after(busy.retry_after, self.wall())
        self.limiter.throttled(asked if asked is not None else backoff(3, self.rng) + 1.0)
        if self._throttled_since is None:
            self._throttled_since = self.monotonic()
        elif self.monotonic() - self._throttled_since > self.patience:
            minutes = f"{self.patience / 60:g} min"
            self.close(
                "throttled", f"{busy.message}, to everything for {minutes}. Its lines stay open; run again later"
            )
        self._keep_pause(asked or 0.0)

    def _keep_pause(self, seconds: float) -> None:
        self.limiter.hold(seconds)
        if seconds > _LONG_PAUSE:
            until = datetime.fromtimestamp(self.wall() + seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            self.tell(f"account {self.account.name!r}: the shop asks to wait until {until}")

    async def wait(self, seconds: float) -> bool:
        """Wait, unless the lane is halted; whether to go on."""
        if not self.halted:
            with self._may_break_off():
                await asyncio.sleep(seconds)
        return not self.halted

    async def wait_to_retry(self, tries: int, least: float = 0.0) -> bool:
        """Wait before another try: back-off, and the account's retry budget; whether to go on."""
        self.counters.retries += 1
        self._budget, owed = self._budget.spent(self.monotonic())
        return await self.wait(max(backoff(tries, self.rng), owed, least))

    async def up(self) -> bool:
        """Wait out an outage, asking a harmless question at growing intervals; whether to go on."""
        if self._down_since is None or self.halted:
            return not self.halted
        with self._may_break_off():
            await self._probing.acquire()
        try:
            await self._probe()
        finally:
            self._probing.release()
        return not self.halted

    async def renew(self, denied: Denied, used: Credentials, *, again: bool) -> bool:
        """The credentials ``used`` were refused: renew them once for all who wait, or close; whether to go on.

        ``again`` says that the same request was refused before: then a renewal has not helped.
        """
        renewal = self.account.adapter.renewal
        with self._may_break_off():
            await self._renewing.acquire()
        try:
            if self.credentials is not used or self.halted:
                return not self.halted
            if again and used is self._unproven:
                self._close_for(f"{denied.message}, and the renewed one too")
            elif denied.final or renewal is None or not used.get(renewal.needs):
                self._close_for(denied.message)
            elif not await self._ask_for_tokens(renewal) and not self.halted:
                self.close(
                    "closed",
                    f"{denied.message}, and the {renewal.needs} brought no new token. Its lines stay open; authorise "
                    "the application again, put the new tokens into the config, then run again",
                )
            return not self.halted
        finally:
            self._renewing.release()

    def _close_for(self, refusal: str) -> None:
        self.close("closed", f"{refusal}. Its lines stay open; mend the credentials, then run again")

    async def _ask_for_tokens(self, renewal: Renewal) -> bool:
        """Ask for fresh tokens and take them; False where the shop refuses, or where the lane is halted."""
        for tries in range(MOST_TRIES):
            # A shop that is down refuses nothing: it is waited for as ever.
            if not await self.up():
                return False
            request = renewal.ask(self.credentials)
            heard = await self._ask(request)
            if heard is None:
                return False
            match heard.reply:
                case Response() as response:
                    if (fresh := renewal.read(response)) is not None:
                        self._take_tokens(fresh)
                        return True
                    trouble = self.account.adapter.trouble(Exchange(request, response))
                    if isinstance(trouble, Busy):
                        self.throttle(trouble)
                    elif isinstance(trouble, Failing):
                        self.unwell(trouble.message)
                    else:
                        return False
                case NotSent(why):
                    self.unwell(why, unreachable=True)
                case Unanswered(why):
                    self.unwell(why)
            if not await self.wait(backoff(tries + 1, self.rng)):
                return False
        return False

    def _take_tokens(self, fresh: Mapping[str, str]) -> None:
        # Kept before used: a pair that is lost in a crash cannot be had again.
        kept = {**{name: self.credentials.get(name) for name in fresh}, **fresh}
        try:
            self.ledger.keep_tokens(origin(self.account.credentials), kept)
        except OSError as error:
            self.close("closed", f"its renewed tokens cannot be kept in the state folder: {error.strerror}")
            return
        self.credentials = self._unproven = self.credentials.renewed(fresh)
        self.secret = redactor((*self.account.secrets, *self.credentials.secrets()))

    async def _ask(self, request: Request) -> Heard | None:
        """A question of the engine's own; the journal keeps it under line 0 without its tokens."""
        number, self.question = self.question, self.question + 1
        bare = replace(request, query=())
        with self._may_break_off():
            send_number = await self.limiter.acquire()
        if self.halted:
            return None
        if not await self._intend(-self.number, number, self.wall(), bare):
            return None
        signed = self.account.adapter.sign(request, self.credentials, self.wall(), secrets.token_hex(16))
        began = self.monotonic()
        self.counters.sent += 1
        heard = Heard(await self.send(signed, partial(self.limiter.left, send_number)), number, self.wall())
        self.limiter.answered(send_number, self.monotonic() - began)
        self.journal.answer(-self.number, number, "void", lost_row("a question of the engine's own"))
        return heard

    async def _probe(self) -> None:
        probes = 0
        while self._down_since is not None and not self.halted:
            away = self.monotonic() - self._down_since
            if away > self.patience:
                minutes = f"{self.patience / 60:g} min"
                self.close(
                    "unreachable",
                    f"unreachable for {minutes} ({self._down_why}). Its lines stay open; run again later",
                )
                return
            if probes == 1:
                self.tell(
                    f"account {self.account.name!r}: the shop is down ({self._down_why}); asking again until it is up"
                )
            if not await self.wait(min(probe_wait(probes, self.rng), max(0.05, self.patience - away))):
                return
            probes += 1
            heard = await self._ask(self.account.adapter.ping)
            if heard is not None and self._is_up(heard.reply):
                self._down_since = None
                self._bad_in_a_row = 0
                if probes > 1:
                    self.tell(f"account {self.account.name!r}: the shop is up again")

    def _is_up(self, reply: Reply) -> bool:
        match reply:
            case Response() as response:
                trouble = self.account.adapter.trouble(Exchange(self.account.adapter.ping, response))
                if isinstance(trouble, Busy):
                    self.throttle(trouble)
                return not isinstance(trouble, Failing)
            case NotSent(why) | Unanswered(why):
                self._down_why = why
                return False

    def _clean(self, response: Response) -> dict[str, str]:
        return {name: redacted(value.encode(), self.secret).decode() for name, value in response.headers.items()}

    @contextmanager
    def _may_break_off(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)


def origin(credentials: Credentials) -> str:
    """A fingerprint of the config's own tokens, to know later which ones a renewed pair descends from."""
    text = "\n".join(sorted(credentials.secrets()))
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"batchcart").hexdigest()
