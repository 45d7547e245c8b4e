"""Owns one account at work: its limiter, its credentials, its health; it does not know what an operation means.

Saying something to a shop always goes the same way: limits → intent on the disk → signature → send → note of what
came back. Waiting can be broken off at any time; from the intent to the note nothing breaks in.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec.structs import replace

from batchcart.accounts.config import Account
from batchcart.accounts.redaction import (
    SURELY_SECRET,
    Redactor,
    compile_redactor,
    redact_response,
    redact_text,
)
from batchcart.accounts.state import AccountState
from batchcart.engine.circuit_breaker import CircuitBreaker, Stop
from batchcart.engine.http.form_encoding import encode_body
from batchcart.engine.offload import LARGE, offload
from batchcart.engine.rate_limiter import RateLimiter
from batchcart.engine.retry import RetryBudget, backoff, retry_after, throttle_pause
from batchcart.engine.transitions import Healthy, Signal, Suspicious, Unhealthy
from batchcart.journal.codec import encode_loss, encode_response
from batchcart.journal.sink import JournalSink
from batchcart.journal.writer import JournalFailed
from batchcart.model.adapter import Credentials
from batchcart.model.events import AccountClosed, EventSink, QuotaUsedUp, clock
from batchcart.model.fault import fault_sentence
from batchcart.model.http import NoResponse, NotSent, Reply, Request, Response
from batchcart.model.outcome import Throttled

Send = Callable[[Request, Callable[[], None]], Awaitable[Reply]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""

_IN_A_ROW = 4  # failures without a good answer between them that make an outage
_LONGEST_PAUSE = 86_400.0  # seconds that a shop's own request to wait is kept for at the most


_WHAT_TO_LOOK_AT = (
    "Its lines stay open; check the account's address and path, and what stands in front of the shop (firewall, login, "
    "maintenance page), then run again"
)


_HOW_TO_GO_ON = "see to it, then run again, or let it go on whatever comes with --stop-after 0"
_SHOWN = 300  # characters of one line's reason in an account's


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


@dataclass(slots=True)
class AccountSession:
    """One account at work. ``closed`` says why it is not, once it has been given up.

    ``settles`` says that a closed one still lets lines ask what became of their last write. ``suspected`` says that
    something else than the platform answered last.
    """

    account: Account
    number: int
    journal: JournalSink
    limiter: RateLimiter
    account_state: AccountState
    send: Send
    credentials: Credentials
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    rng: random.Random
    tell: EventSink
    probe_number: int = 1
    patience: float = 1800.0
    closed: str = ""
    state: str = "running"
    stopped: bool = False
    settles: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)  # whether the platform has, in this start
    brake: CircuitBreaker = field(default_factory=CircuitBreaker)
    counters: RequestStats = field(default_factory=RequestStats)
    secret: Redactor | None = None
    _sure_secret: Redactor | None = None
    _short_secret: Redactor | None = None
    _secrets: set[str] = field(default_factory=set)  # every one that the account ever had
    _waiting: "set[asyncio.Task[object]]" = field(default_factory=set)
    bad_in_a_row: int = 0
    _throttled_since: float | None = None
    _throttled_in_a_row: int = 0
    down_since: float | None = None
    down_why: str = ""
    suspected: bool = False
    probe_at: float = 0.0  # when a shop that is down is asked next
    pause_why: str = ""
    quota: QuotaUsedUp | None = None  # what was waited for last
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    unproven: Credentials | None = None  # renewed ones that the shop has not taken yet
    _budget: RetryBudget = field(default_factory=RetryBudget)

    def __post_init__(self) -> None:
        self._secrets.update(self.account.secrets, self.account_state.past_secrets())
        self.refresh_redactor()

    def refresh_redactor(self) -> None:
        """Take in what must not be seen, old tokens and new ones."""
        self._secrets.update(self.credentials.secrets())
        self.secret = compile_redactor(self._secrets)
        # A short one may look like an id, which an adapter must read as it is.
        self._sure_secret = compile_redactor(self._secrets, least=SURELY_SECRET)
        self._short_secret = compile_redactor(self._secrets, most=SURELY_SECRET - 1)

    def stop(self) -> None:
        """Begin nothing more. What waits is broken off; what is on its way to the shop ends first."""
        self.settles = False
        self._break_off()

    def _break_off(self) -> None:
        self.stopped = True
        for task in self._waiting:
            task.cancel()

    def close(self, state: str, reason: str, *, settles: bool = False) -> None:
        """Give the account up for this run; its open lines stay open."""
        if not self.closed:
            reason = redact_text(reason, self._short_secret)
            self.settles = settles and not self.stopped
            self.state, self.closed = state, reason
            self.journal.record_account_state(self.account.name, state, reason)
            self.tell(AccountClosed(self.account.name, state, reason))
        self._break_off()

    async def send_request(
        self,
        line: int,
        number: int,
        request: Request,
        noted: Request | None = None,
        *,
        settles: bool = False,
        read: Callable[[Response], Mapping[str, str] | None] | None = None,
    ) -> Received | None:
        """Send the request under the limits, signed, once it, or ``noted`` in its place, is on the disk as the intent.

        None if it was not said: the session was halted, or the shop fell, which stops all but the engine's own
        questions, and with ``settles`` those about what became of a write. ``read`` finds fresh tokens in the answer;
        nobody else sees it before every secret is taken out of it.
        """
        send_number = self.limiter.try_acquire()
        if send_number is None:
            with self.cancellable():
                send_number = await self.limiter.acquire()
        fell = self.stopped or (self.down_since is not None and line > 0)
        at = self.wall()
        try:
            if fell and not (settles and self.settles):
                self.limiter.mark_completed(send_number, 0.0)
                return None
            await self.journal.record_intent(line, number, at, noted or request)
        except JournalFailed:
            # Not raised: that would break off the requests that are on their way.
            self.stop()
            self.limiter.mark_completed(send_number, 0.0)
            return None
        said = encode_body(request, self.account.options.encoding)
        signed = self.account.adapter.sign(said, self.credentials, at, f"{self.rng.getrandbits(128):032x}")
        began = self.monotonic()
        self.counters.sent += 1
        reply = await self.send(signed, partial(self.limiter.mark_sent, send_number))
        self.limiter.mark_completed(send_number, self.monotonic() - began)
        fresh = read(reply) if read and isinstance(reply, Response) else None
        return Received(await self._redact_response(reply), number, at, fresh)

    async def _redact_response(self, reply: Reply) -> Reply:
        if not isinstance(reply, Response):
            return reply
        clean = partial(redact_response, reply, self._sure_secret)
        return await offload(self.reading, clean) if len(reply.body) >= LARGE else clean()

    async def probe(
        self, request: Request, read: Callable[[Response], Mapping[str, str] | None] | None = None
    ) -> Received | None:
        """Ask a question of the engine's own, also of a shop that is down; None if the session was halted.

        The journal keeps it under the account's number below zero, without its query, which may be a token.
        """
        number, self.probe_number = self.probe_number, self.probe_number + 1
        heard = await self.send_request(-self.number, number, request, replace(request, query=()), read=read)
        if heard is not None:
            self.journal.record_response(-self.number, number, "void", encode_loss("a question of the engine's own"))
        return heard

    def record(self, line: int, heard: Received, state: str) -> None:
        """Write down what came back, without secrets."""
        match heard.reply:
            case Response() as response:
                clean = redact_response(response, self._short_secret)
                self.journal.record_response(line, heard.number, state, encode_response(clean))
            case NotSent(why) | NoResponse(why):
                self.journal.record_response(line, heard.number, state, encode_loss(why))

    def take(self, signal: Signal | None, used: Credentials) -> None:
        """Take in what a reply to a request with the credentials ``used`` says of the account."""
        match signal:
            case Healthy():
                self.record_success(used)
            case Unhealthy(why, alarming, pause):
                self.record_failure(why, alarming=alarming, pause=pause)
            case Suspicious(why, moved):
                self.record_suspicion(why, moved=moved)
            case Throttled() as busy:
                self.record_throttle(busy)
            case None:
                pass

    def record_success(self, used: Credentials) -> None:
        """The shop took ``used`` and answered as a shop that is up answers."""
        self.answered.set()
        self.bad_in_a_row = 0
        self._throttled_since = None
        self._throttled_in_a_row = 0
        if used is self.unproven:
            self.unproven = None
        self._budget = self._budget.credit()
        self.limiter.record_success()

    def record_failure(self, why: str, *, alarming: bool = False, pause: str = "") -> None:
        """A request failed; several in a row, or an alarming one, make an outage, and the shop is asked if it is up."""
        if asked := retry_after(pause, self.wall()):
            self._keep_pause(asked, "unreachable", why)
        self.bad_in_a_row += 1
        if (alarming or self.bad_in_a_row >= _IN_A_ROW) and self.down_since is None:
            self.down_since, self.down_why = self.monotonic(), why

    def record_suspicion(self, why: str, *, moved: bool = False) -> None:
        """Something else than the platform answered: nothing is begun before it is asked whether it is there."""
        if moved:
            self.close("foreign", f"{why}, and redirects are never followed. {_WHAT_TO_LOOK_AT}", settles=True)
            return
        self.suspected = True
        if self.down_since is None:
            self.down_since, self.down_why = self.monotonic(), why

    def close_as_foreign(self, why: str) -> None:
        """What answers is not the platform, to a harmless question either."""
        address, platform = self.account.address, self.account.adapter.name
        self.close("foreign", f"what answers at {address} is not {platform}: {why}. {_WHAT_TO_LOOK_AT}")

    def close_for_fault(self, error: Exception, doing: str) -> None:
        """Something of ours failed over this account's answers: give it up, so that no other account is touched."""
        self.close("fault", f"{fault_sentence(error, doing)}. Its lines stay open, the other accounts go on")

    def close_for_trouble(self, stop: Stop, message: str) -> None:
        """Stop the account because of how its last lines ended; ``message`` is why the last of them did."""
        said = message if len(message) <= _SHOWN else f"{message[: _SHOWN - 1]}…"
        match stop.why:
            case "foreign":
                told = f"something in front of the shop keeps {stop.lines} lines from it: {said}"
                self.close("foreign", f"{told}. {_WHAT_TO_LOOK_AT}")
            case "doubts":
                told = f"{stop.lines} lines ended in doubt, and none of the same operation well between them: {said}"
                self.close("stopped", f"{told}. Its other lines stay open; {_HOW_TO_GO_ON}")
            case "reason":
                told = f"{stop.lines} lines in a row did not end ok, and for the same reason: {said}"
                self.close("stopped", f"{told}. Its other lines stay open; {_HOW_TO_GO_ON}")

    def record_throttle(self, busy: Throttled) -> None:
        """The shop asked for a pause: the whole account keeps it."""
        asked = retry_after(busy.retry_after, self.wall())
        self.counters.refusals += 1
        self.pause_why = busy.message
        if not self.limiter.paused_for:  # what was on its way already tells the same once more
            self._throttled_in_a_row += 1
        pause = throttle_pause(self._throttled_in_a_row, self.limiter.shortest, self.rng)
        self.limiter.record_throttle(pause if asked is None else min(asked, _LONGEST_PAUSE))
        if self._throttled_since is None:
            self._throttled_since = self.monotonic()
        elif self.monotonic() - self._throttled_since > self.patience:
            minutes = f"{self.patience / 60:g} min"
            self.close(
                "throttled", f"{busy.message}, to everything for {minutes}. Its lines stay open; run again later"
            )
        if asked:
            self._keep_pause(asked, "throttled", busy.message)

    def _keep_pause(self, seconds: float, state: str, why: str) -> None:
        """Send nothing for so long, as the shop asks; where that is beyond the patience, it is given up at once."""
        self.pause_why = why
        if seconds > self.patience:
            until, patience = clock(self.wall() + seconds), f"{self.patience / 60:g} min"
            self.close(
                state,
                f"{why}, and asks to wait until {until}, which is more than the {patience} of --patience. Its lines "
                "stay open; run again then",
            )
        self.limiter.pause(min(seconds, _LONGEST_PAUSE))

    async def wait(self, seconds: float) -> bool:
        """Wait, unless the session is halted; whether to go on."""
        if not self.stopped:
            with self.cancellable():
                await asyncio.sleep(seconds)
        return not self.stopped

    async def wait_to_retry(self, tries: int, least: float = 0.0) -> bool:
        """Wait before another try: back-off, and the account's retry budget; whether to go on."""
        self.counters.retries += 1
        self._budget, owed = self._budget.debit(self.monotonic())
        return await self.wait(max(backoff(tries, self.rng), owed, least))

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """Mark what stands in the block as waiting: a halt breaks it off."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)
