"""Owns what the hub keeps of one account: its lock, sends, tokens and limits, and which seat has it since when."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from batchcart.accounts.config import Account, AccountConfig
from batchcart.accounts.state import AccountState
from batchcart.engine.chain_feed import PlannedJob
from batchcart.engine.rate_limiter import capacity
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.journal.queries import next_number
from batchcart.journal.writer import JournalWriter
from batchcart.model.limits import Bucket, Limit, Window, min_duration
from batchcart.runs.context import RunContext
from batchcart.runs.seats.dealing import estimate_rate
from batchcart.runs.seats.protocol import LateTokens, Take
from batchcart.runs.seats.send_book import SendBook
from batchcart.runs.seats.walk import ParcelWalk
from batchcart.runs.snapshot import AccountSnapshot

MOST_DEATHS = 10
"""Seats that may die one after the other with an account, and no line of it ended, before it is given up."""


@dataclass(slots=True)
class Holding:
    """One account of a run. ``ended`` counts its ``lines`` that have; from ``free_at`` on it may be given away.

    ``epoch`` counts how often it was; ``over`` says that it is not any more; ``deaths`` seats died with it in a row.
    ``before`` are the figures of the seats that had it before. Until ``waits_until`` one of them may still bring
    answers; so many lines are ``wanted`` while all that is left waits for these.
    """

    number: int
    account: Account
    state: AccountState
    book: SendBook
    learnt: bytes
    tokens: Mapping[str, str]
    lines: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    free_at: float = 0.0
    epoch: int = 0
    over: bool = False
    dropping: bool = False
    deaths: int = 0
    walk: ParcelWalk | None = None
    before: tuple[int, int, int] = (0, 0, 0)
    waits_until: float = 0.0
    wanted: int = 0
    _seen: AccountSnapshot | None = None

    @property
    def left(self) -> int:
        """Lines that have not ended."""
        return self.lines - sum(self.ended.values())

    @property
    def rate(self) -> float:
        """What it may send a second."""
        return estimate_rate(self.account.limits, self.left)

    def grant(self, job: PlannedJob) -> Take:
        """The account goes to a seat; everything that earlier ones noted is on the disk."""
        self.epoch += 1
        self.dropping = False
        waiting_for = self.account if self.waits_until > self.book.clock() else None
        self.walk = ParcelWalk(job, self.number, fresh=self.epoch == 1 and not job.resumed, waiting_for=waiting_for)
        account, shown = self.account, self.account.client_certificate
        return Take(
            account=self.number,
            epoch=self.epoch,
            name=account.name,
            platform=account.adapter.name,
            address=account.address,
            options=structs.replace(account.options, proxy=None),
            limits=[_plain(limit) for limit in account.limits],
            origin=dict(account.credentials.values),
            secret_names=sorted(account.credentials.secret_names),
            tokens=dict(self.tokens),
            past=list(self.state.past_secrets()),
            proxy=account.proxy,
            ca_text=account.ca_file.read_text() if account.ca_file else None,
            certificate=(shown.certificate.read_text(), shown.key.read_text()) if shown else None,
            sent=self.book.ages(),
            empty_in=self.book.empty_in(),
            learnt=self.learnt,
            probe=next_number(job.plan, -self.number),
        )

    def show(self, snapshot: AccountSnapshot) -> None:
        """This is what its seat sees of the account."""
        self._seen = snapshot

    def look(self) -> AccountSnapshot:
        """The account as it was seen last, with the hub's own figures."""
        seen = self._seen or AccountSnapshot(self.account.name, self.account.adapter.name, 0, {})
        sent, retries, refusals = self._figures()
        best = min_duration(self.account.limits, self.left)
        if seen.adapted_rate and seen.limit:
            best = max(best, self.left / seen.limit)
        return structs.replace(
            seen, lines=self.lines, ended=dict(self.ended), sent=sent, retries=retries, refusals=refusals, best=best
        )

    def _figures(self) -> tuple[int, int, int]:
        """Sends, retries and refusals, of all seats that had it."""
        if self._seen is None:
            return self.before
        now = self._seen.sent, self._seen.retries, self._seen.refusals
        return self.before[0] + now[0], self.before[1] + now[1], self.before[2] + now[2]

    def count(self, lines: int, ended: dict[str, int]) -> None:
        """It has so many lines; from now on it counts in ``ended``, by status, those that have."""
        self.lines, self.ended = lines, ended

    def count_ends(self, statuses: Sequence[str]) -> None:
        """Lines have ended like this."""
        for status in statuses:
            self.ended[status] = self.ended.get(status, 0) + 1
            self.deaths = 0

    def rest(self, *, empty_in: Sequence[float] | None, free_at: float) -> None:
        """No seat has the account any more; it may be given away again from ``free_at`` on."""
        self.book.settle(empty_in)
        self.before = self._figures()
        if self._seen is not None:
            self._seen = structs.replace(self._seen, in_flight=0, sent=0, retries=0, refusals=0)
        self.free_at = free_at
        self.walk = None
        self.wanted = 0

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> str:
        """Put renewed tokens on the disk; why that failed, "" where it did not."""
        try:
            self.state.keep_tokens(origin, tokens)
        except OSError as error:
            return error.strerror or str(error)
        self.tokens = tokens
        return ""

    def lacks(self, late: LateTokens) -> bool:
        """Whether the tokens of a seat that was cut off are the newest: nobody renewed them since."""
        return late.origin == token_fingerprint(self.account.credentials) and late.replaced == self.tokens

    def keep_learnt(self, learnt: bytes) -> None:
        """Remember what was learnt of the limits."""
        self.learnt = learnt
        self.state.keep_learnt_limit(learnt)


def _plain(limit: Limit) -> tuple[Literal["window", "bucket"], int, float]:
    match limit:
        case Window(count, seconds):
            return "window", count, seconds
        case Bucket(size, leak):
            return "bucket", size, leak


def open_holding(
    stack: AsyncExitStack, context: RunContext[JournalWriter], entry: AccountConfig, number: int
) -> Holding:
    """The account, held for this run.

    Raises UsageError where it cannot be read or is in use by another run.
    """
    deps, settings = context.deps, context.settings
    account = settings.apply(entry.resolve())
    state = deps.open_state(entry)
    stack.callback(state.close)
    sends = state.sends(capacity(account.limits), deps.clock, deps.wall)
    stack.callback(sends.close)
    return Holding(
        number=number,
        account=account,
        state=state,
        book=SendBook(sends, account.limits, deps.clock),
        learnt=state.learnt_limit(),
        tokens=state.tokens(token_fingerprint(account.credentials)),
    )
