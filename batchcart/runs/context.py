"""Owns putting accounts together for work: addresses, account states, limiters, clients; it does not know operations.

Clocks, random numbers, clients, account states and the journal come from the run's Deps.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import structs

from batchcart.accounts.config import Account, AccountConfig
from batchcart.engine.chain_feed import PlannedJob
from batchcart.engine.rate_limiter import capacity
from batchcart.engine.scheduler import run_sessions
from batchcart.engine.session import AccountSession
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.journal.carts import latest_new_carts
from batchcart.journal.queries import accounts, next_number
from batchcart.journal.schema import Connection, open_reading
from batchcart.journal.sink import JournalSink
from batchcart.journal.writer import JournalWriter
from batchcart.model.events import Event
from batchcart.runs.account_session import SessionBasis, make_session
from batchcart.runs.deps import Deps
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path, sandbox_path

Sink = TypeVar("Sink", bound=JournalSink)


class RunSettings(msgspec.Struct, frozen=True):
    """What holds for all accounts of a run.

    ``patience`` is in seconds, ``concurrency`` overrides the accounts' own; ``stop_after`` lines in a row stop an
    account, with 0 none do; ``embedded`` has the addresses, by account, of the embedded sandbox.
    """

    patience: float
    concurrency: int | None = None
    stop_after: int = 0
    embedded: Mapping[str, str] = msgspec.field(default_factory=dict)

    def apply(self, account: Account) -> Account:
        """The account under these terms."""
        if account.embedded:
            account = replace(account, address=self.embedded[account.name])
        if self.concurrency is not None:
            account = replace(account, options=structs.replace(account.options, concurrency=self.concurrency))
        return account


class RunContext(msgspec.Struct, Generic[Sink], frozen=True):
    """What all accounts of a run stand on, here or in another process; the journal may be written elsewhere."""

    entries: Mapping[str, AccountConfig]
    settings: RunSettings
    plan: Connection
    journal: Sink
    monitor: RunMonitor
    deps: Deps

    def emit(self, event: Event) -> None:
        """Note what a person must see, and tell all who are to see it."""
        self.journal.record_event(self.deps.wall(), event)
        self.monitor.emit(event)


@asynccontextmanager
async def open_context(
    connection: Connection,
    results: Path,
    entries: Mapping[str, AccountConfig],
    settings: RunSettings,
    monitor: RunMonitor,
    deps: Deps,
) -> AsyncIterator[RunContext[JournalWriter]]:
    """What the run whose journal is ``connection`` stands on; the journal is written as long as the block runs."""
    async with AsyncExitStack() as stack:
        plan = stack.enter_context(closing(open_reading(journal_path(results))))
        used = [entries[account.name] for account in accounts(plan)]
        embedded = await stack.enter_async_context(embedded_sandbox(used, results))
        journal = deps.open_journal(connection, results, ended=monitor.on_line, failed=monitor.fail)
        stack.callback(journal.close)
        yield RunContext(entries, structs.replace(settings, embedded=embedded), plan, journal, monitor, deps)


@asynccontextmanager
async def open_sessions(context: RunContext[Sink]) -> AsyncIterator[Mapping[str, AccountSession]]:
    """The sessions of all accounts in the plan, ready for work.

    Raises UsageError where an account cannot be read or is in use by another run.
    """
    given = latest_new_carts(context.plan)
    async with AsyncExitStack() as stack:
        sessions = {
            account.name: await _open_session(
                stack, context, context.entries[account.name], account.number, given.get(account.number, ())
            )
            for account in list(accounts(context.plan))
        }
        yield sessions


Work = Callable[[], Awaitable[None]]
"""Works on the accounts that it was opened for until each has ended or was halted; raises JournalFailed."""


@asynccontextmanager
async def open_here(context: RunContext[Sink], job: PlannedJob) -> AsyncIterator[Work]:
    """The work of all accounts in the plan in this process; raises as ``open_sessions`` does."""
    async with open_sessions(context) as sessions:
        yield partial(run_sessions, job, list(sessions.values()), ended=context.monitor.count_line)


async def _open_session(
    stack: AsyncExitStack,
    context: RunContext[Sink],
    entry: AccountConfig,
    number: int,
    given: Sequence[tuple[str, int]],
) -> AccountSession:
    deps, settings = context.deps, context.settings
    account = settings.apply(entry.resolve())
    account_state = deps.open_state(entry)
    stack.callback(account_state.close)
    sends = account_state.sends(capacity(account.limits), deps.clock, deps.wall)
    stack.callback(sends.close)
    basis = SessionBasis(
        account=account,
        number=number,
        probe=next_number(context.plan, -number),
        journal=context.journal,
        memory=account_state,
        sends=sends,
        learnt=account_state.learnt_limit(),
        tokens=account_state.tokens(token_fingerprint(account.credentials)),
        past=account_state.past_secrets(),
        note=context.emit,
        patience=settings.patience,
        stop_after=settings.stop_after,
        given=given,
    )
    session = make_session(basis, await stack.enter_async_context(deps.open_client(account)), deps)
    context.monitor.add_session(session)
    return session


@asynccontextmanager
async def embedded_sandbox(entries: list[AccountConfig], results: Path) -> AsyncIterator[Mapping[str, str]]:
    """The addresses of the accounts that are the embedded sandbox's, which runs if there is one of them."""
    if not any(entry.embedded for entry in entries):
        yield {}
        return
    from batchcart.sandbox.server import Sandbox  # noqa: PLC0415  # a run against real shops needs no server

    sandbox = Sandbox(state_file=sandbox_path(results))
    async with sandbox.serving():
        yield {entry.name: sandbox.address(entry.adapter.name) for entry in entries if entry.embedded}
