"""Owns making accounts ready for work: addresses, ledgers, limiters, sockets; it does not know operations."""

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import Account, Entry
from batchcart.accounts.redaction import redacted_text
from batchcart.accounts.state import Ledger
from batchcart.engine.brake import Brake
from batchcart.engine.event_filter import Crowd
from batchcart.engine.rate_limiter import Limiter, capacity
from batchcart.engine.session import Lane, Send
from batchcart.engine.token_refresh import origin
from batchcart.journal.queries import accounts, next_number
from batchcart.journal.schema import Connection, open_reading
from batchcart.journal.sink import Notes
from batchcart.journal.writer import Journal, JournalFailed
from batchcart.model.events import DiskTrouble, Event, OfAccount, QuotaUsedUp, Tell, cleaned
from batchcart.model.limits import Window
from batchcart.runs.snapshot import Glance, glance_of

_RNG = random.Random()  # noqa: S311  # jitter and nonces, no secret


@dataclass(slots=True)
class Watch:
    """A run as seen from outside while it is alive: lanes to read counters from, and the way to stop it.

    ``on_line`` is told of each result line once it is safe; with ``replay`` of those of earlier starts too.
    ``sinks`` are told the events; ``checking`` the number of a line of the job, now and then while it is checked.
    ``around`` may put something around an account's sending. ``elsewhere`` are the accounts that other processes work
    on, ``halts`` tells those to stop, ``lost`` says which of them died.
    """

    on_line: Callable[[bytes], None] = lambda _text: None
    around: Callable[[Account, Send], Send] = lambda _account, send: send
    sinks: list[Tell] = field(default_factory=list)
    checking: Callable[[int], None] | None = None
    lanes: list[Lane] = field(default_factory=list)
    elsewhere: dict[str, Glance] = field(default_factory=dict)
    halts: list[Callable[[], None]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=dict)
    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    stopping: bool = False
    replay: bool = False
    failure: JournalFailed | None = None

    def tell(self, event: Event) -> None:
        """Tell all who are to see it."""
        for sink in self.sinks:
            sink(event)

    @property
    def at_work(self) -> bool:
        """Whether accounts are ready for work, or at it."""
        return bool(self.lanes or self.elsewhere)

    def glances(self) -> list[Glance]:
        """Every account as it is now: those at work here, and those that other processes told of last."""
        here = [
            glance_of(lane, self.planned.get(lane.account.name, 0), self.ended.get(lane.account.name, {}))
            for lane in self.lanes
        ]
        return [*here, *self.elsewhere.values()]

    def totals(self) -> dict[str, int]:
        """Ended lines of all accounts by status."""
        totals: dict[str, int] = {}
        for ended in self.ended.values():
            for status, count in ended.items():
                totals[status] = totals.get(status, 0) + count
        return totals

    def stop(self) -> None:
        """Begin nothing more and end within the requests in flight. To be called in the run's loop."""
        self.stopping = True
        for lane in self.lanes:
            lane.halt()
        for halt in self.halts:
            halt()

    def fail(self, error: JournalFailed) -> None:
        """The disk takes no more: stop sending."""
        if self.failure is None:
            self.failure = error
            self.tell(DiskTrouble(str(error)))
        self.stop()


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all accounts of a run.

    ``patience`` is in seconds, ``concurrency`` overrides the accounts' own; ``stop_after`` lines in a row stop an
    account, with 0 none do; ``embedded`` has the addresses, by account, of the embedded sandbox; ``pid`` is the run's,
    for others that want the same accounts.
    """

    patience: float
    concurrency: int | None
    stop_after: int = 0
    embedded: Mapping[str, str] = field(default_factory=dict)
    pid: int = field(default_factory=os.getpid)

    def applied(self, account: Account) -> Account:
        """The account under these terms."""
        if account.embedded:
            account = replace(account, address=self.embedded[account.name])
        if self.concurrency is not None:
            account = replace(account, options=structs.replace(account.options, concurrency=self.concurrency))
        return account


def journal_path(results: Path) -> Path:
    """The journal beside a result file."""
    return Path(f"{results}.journal")


def sandbox_path(results: Path) -> Path:
    """Where the embedded sandbox keeps its carts, so that a run against it survives a kill as well."""
    return Path(f"{results}.sandbox")


@dataclass(frozen=True, slots=True)
class Floor:
    """Everything that a run's lanes stand on: the journal, a view of its plan, and the accounts' lanes."""

    journal: Journal
    plan: Connection
    lanes: Mapping[str, Lane]


@asynccontextmanager
async def laid(
    connection: Connection,
    results: Path,
    entries: Mapping[str, Entry],
    watch: Watch,
    *,
    patience: float,
    concurrency: int | None,
    stop_after: int = 0,
) -> AsyncIterator[Floor]:
    """The lanes of all accounts in the plan, ready to be worked on; ``patience`` in seconds.

    Raises UsageError where an account cannot be read or is in use by another run.
    """
    async with AsyncExitStack() as stack:
        plan = stack.enter_context(closing(open_reading(journal_path(results))))
        numbers = {account.name: account.number for account in accounts(plan)}
        embedded = await stack.enter_async_context(served([entries[name] for name in numbers], results))
        terms = Terms(patience, concurrency, stop_after, embedded)
        journal = Journal(connection, results, ended=watch.on_line, failed=watch.fail)
        stack.callback(journal.close)
        lanes = {}
        for name, number in numbers.items():
            numbered = number, next_number(plan, -number)
            lanes[name] = lane = await manned(stack, entries[name], numbered, watch, journal, terms)
            watch.lanes.append(lane)
        yield Floor(journal, plan, lanes)


async def manned(
    stack: AsyncExitStack, entry: Entry, numbers: tuple[int, int], watch: Watch, journal: Notes, terms: Terms
) -> Lane:
    """The account's lane, ready to work; its ``numbers`` are its own in the plan, and that of its next question.

    Raises UsageError where the account cannot be read or is in use by another run.
    """
    from batchcart.engine.http.client import connected  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    account = terms.applied(entry.read())
    ledger = Ledger(None) if account.embedded else Ledger.of(account.name, entry.place, terms.pid)
    stack.callback(ledger.close)
    sends = ledger.sends(capacity(account.limits))
    stack.callback(sends.close)

    crowd = Crowd()

    def tell(event: Event) -> None:
        now = time.time()
        if not isinstance(event, OfAccount) or crowd.lets(event, now):
            clean = cleaned(event, lambda text: redacted_text(text, lane.secret))
            journal.note_event(now, clean)
            watch.tell(clean)

    def long_wait(window: Window, seconds: float) -> None:
        lane.quota = QuotaUsedUp(account.name, str(window), time.time() + seconds)
        tell(lane.quota)

    strict = account.options.pacing == "strict"
    lane = Lane(
        account=account,
        number=numbers[0],
        question=numbers[1],
        journal=journal,
        limiter=Limiter(
            account.limits,
            sends,
            strict=strict,
            clock=time.monotonic,
            long_wait=long_wait,
            learnt=ledger.learnt_limit(),
        ),
        ledger=ledger,
        send=watch.around(account, await stack.enter_async_context(connected(account))),
        credentials=account.credentials.renewed(ledger.tokens(origin(account.credentials))),
        monotonic=time.monotonic,
        wall=time.time,
        rng=_RNG,
        tell=tell,
        patience=terms.patience,
        brake=Brake(terms.stop_after),
    )
    return lane


@asynccontextmanager
async def served(entries: list[Entry], results: Path) -> AsyncIterator[Mapping[str, str]]:
    """The addresses of the accounts that are the embedded sandbox's, which runs if there is one of them."""
    if not any(entry.embedded for entry in entries):
        yield {}
        return
    from batchcart.sandbox.server import Sandbox  # noqa: PLC0415  # a run against real shops needs no server

    sandbox = Sandbox(state_file=sandbox_path(results))
    async with sandbox.serving():
        yield {entry.name: sandbox.address(entry.adapter.name) for entry in entries if entry.embedded}
