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
from batchcart.runs.seats.protocol import Take
from batchcart.runs.seats.send_book import SendBook
from batchcart.runs.seats.walk import ParcelWalk
from batchcart.runs.snapshot import AccountSnapshot

MOST_DEATHS = 10
"""Seats that may die one after the other with an account, and no line of it ended, before it is given up."""


@dataclass(slots=True)
class Holding:
    """One account of a run. ``ended`` counts its ``lines`` that have; from ``free_at`` on it may be given away.

    ``epoch`` counts how often it was; ``over`` says that it is not any more; ``deaths`` seats died with it in a row.
    ``before`` are the figures of the seats that had it before.
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
    snapshot: AccountSnapshot | None = None
    before: tuple[int, int, int] = (0, 0, 0)
    _now: tuple[int, int, int] = field(default=(0, 0, 0))

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
        self.walk = ParcelWalk(job, self.number, fresh=self.epoch == 1 and not job.resumed)
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

    def show(self, snapshot: AccountSnapshot) -> AccountSnapshot:
        """What a seat saw of the account, with the hub's own figures."""
        self._now = snapshot.sent, snapshot.retries, snapshot.refusals
        sent, retries, refusals = (old + new for old, new in zip(self.before, self._now, strict=True))
        best = min_duration(self.account.limits, self.left)
        if snapshot.adapted_rate and snapshot.limit:
            best = max(best, self.left / snapshot.limit)
        self.snapshot = structs.replace(snapshot, sent=sent, retries=retries, refusals=refusals, best=best)
        return self.look()

    def look(self) -> AccountSnapshot:
        """The account as it was seen last, with the lines that have ended since."""
        shown = self.snapshot or AccountSnapshot(self.account.name, self.account.adapter.name, 0, {})
        return structs.replace(shown, lines=self.lines, ended=self.ended)

    def count(self, lines: int, ended: Mapping[str, int]) -> None:
        """It has so many lines, and so many of them have ended, by status."""
        self.lines, self.ended = lines, dict(ended)

    def count_line(self, status: str) -> None:
        """A line has ended."""
        self.ended[status] = self.ended.get(status, 0) + 1
        self.deaths = 0

    def rest(self, *, empty_in: Sequence[float] | None, free_at: float) -> AccountSnapshot:
        """No seat has the account any more; it may be given away again from ``free_at`` on."""
        self.book.settle(empty_in)
        self.before = (self.before[0] + self._now[0], self.before[1] + self._now[1], self.before[2] + self._now[2])
        self._now = (0, 0, 0)
        self.free_at = free_at
        self.walk = None
        self.snapshot = structs.replace(self.look(), in_flight=0)
        return self.look()

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> str:
        """Put renewed tokens on the disk; why that failed, "" where it did not."""
        try:
            self.state.keep_tokens(origin, tokens)
        except OSError as error:
            return error.strerror or str(error)
        self.tokens = tokens
        return ""

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
