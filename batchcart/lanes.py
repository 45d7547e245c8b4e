"""Owns making accounts ready for work: addresses, ledgers, limiters, sockets; it does not know operations."""

import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from msgspec import structs

from batchcart.accounts import Account, Entry
from batchcart.engine.lane import Lane
from batchcart.engine.limiter import Limiter, capacity
from batchcart.engine.renewal import origin
from batchcart.journal.reading import next_number
from batchcart.journal.schema import open_reading
from batchcart.journal.writer import Journal, JournalFailed
from batchcart.ledger import Ledger
from batchcart.limits import Window


@dataclass(slots=True)
class Watch:
    """A run as seen from outside while it is alive: lanes to read counters from, and the way to stop it.

    ``on_line`` is told of each result line once it is safe; with ``replay`` of those of earlier starts too.
    """

    on_line: Callable[[bytes], None] = lambda _text: None
    tell: Callable[[str], None] = lambda _text: None
    lanes: list[Lane] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=dict)
    ended: dict[str, dict[str, int]] = field(default_factory=dict)
    stopping: bool = False
    replay: bool = False
    failure: JournalFailed | None = None

    def stop(self) -> None:
        """Begin nothing more and end within the requests in flight. To be called in the run's loop."""
        self.stopping = True
        for lane in self.lanes:
            lane.halt()

    def fail(self, error: JournalFailed) -> None:
        """The disk takes no more: stop sending."""
        self.failure = self.failure or error
        self.stop()


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
    plan: sqlite3.Connection
    lanes: Mapping[str, Lane]


@asynccontextmanager
async def laid(
    connection: sqlite3.Connection,
    results: Path,
    entries: Mapping[str, Entry],
    watch: Watch,
    *,
    patience: float,
    concurrency: int | None,
) -> AsyncIterator[Floor]:
    """The lanes of all accounts in the plan, ready to be worked on; ``patience`` in seconds.

    Raises UsageError where an account cannot be read or is in use by another run.
    """
    async with AsyncExitStack() as stack:
        plan = stack.enter_context(closing(open_reading(journal_path(results))))
        numbers = dict(plan.execute("SELECT name, id FROM account ORDER BY id").fetchall())
        read = await stack.enter_async_context(_addresses([entries[name] for name in numbers], results))
        journal = Journal(connection, results, ended=watch.on_line, failed=watch.fail)
        stack.callback(journal.close)
        lanes = {}
        for name, number in numbers.items():
            account = read(entries[name])
            if concurrency is not None:
                account = replace(account, options=structs.replace(account.options, concurrency=concurrency))
            question = next_number(plan, -number)
            lane = await _lane(stack, account, entries[name].place, watch, journal, (number, question))
            lane.patience = patience
            lanes[name] = lane
            watch.lanes.append(lane)
        yield Floor(journal, plan, lanes)


async def _lane(
    stack: AsyncExitStack, account: Account, place: str, watch: Watch, journal: Journal, numbers: tuple[int, int]
) -> Lane:
    from batchcart.transport import connected  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    ledger = Ledger(None) if account.embedded else Ledger.of(account.name, place)
    stack.callback(ledger.close)
    sends = ledger.sends(capacity(account.limits))
    stack.callback(sends.close)

    def long_wait(window: Window, seconds: float) -> None:
        until = datetime.fromtimestamp(time.time() + seconds).astimezone().strftime("%Y-%m-%d %H:%M")
        watch.tell(f"account {account.name!r}: {window} is used up; it goes on at {until}, other accounts do not wait")

    strict = account.options.pacing == "strict"
    return Lane(
        account=account,
        number=numbers[0],
        question=numbers[1],
        journal=journal,
        limiter=Limiter(account.limits, sends, strict=strict, clock=time.monotonic, long_wait=long_wait),
        ledger=ledger,
        send=await stack.enter_async_context(connected(account)),
        credentials=account.credentials.renewed(ledger.tokens(origin(account.credentials))),
        monotonic=time.monotonic,
        wall=time.time,
        rng=random.Random(),  # noqa: S311  # jitter, no secret
        tell=watch.tell,
    )


@asynccontextmanager
async def _addresses(entries: list[Entry], results: Path) -> AsyncIterator[Callable[[Entry], Account]]:
    """A function that reads an account, with the embedded sandbox running if one of them is of it."""
    if not any(entry.embedded for entry in entries):
        yield Entry.read
        return
    from batchcart.sandbox.server import Sandbox  # noqa: PLC0415  # a run against real shops needs no server

    sandbox = Sandbox(state_file=sandbox_path(results))
    async with sandbox.serving():
        yield (
            lambda entry: (
                replace(entry.read(), address=sandbox.address(entry.adapter.name)) if entry.embedded else entry.read()
            )
        )
