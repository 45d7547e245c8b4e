"""Owns making accounts ready for work: addresses, account states, limiters, sockets; it does not know operations."""

import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import Account, AccountConfig
from batchcart.accounts.redaction import redact_text
from batchcart.accounts.state import AccountState
from batchcart.engine.auth import Auth
from batchcart.engine.circuit_breaker import CircuitBreaker
from batchcart.engine.event_filter import EventLimiter
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.engine.session import AccountSession, Chance
from batchcart.engine.throttling import Throttling
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.journal.queries import accounts, next_number
from batchcart.journal.schema import Connection, open_reading
from batchcart.journal.sink import JournalSink
from batchcart.journal.writer import JournalWriter
from batchcart.model.events import Event, OfAccount, QuotaUsedUp, map_text
from batchcart.model.limits import Window
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path, sandbox_path

_RNG = random.Random()  # noqa: S311  # jitter and nonces, no secret


@dataclass(frozen=True, slots=True)
class RunSettings:
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

    def apply(self, account: Account) -> Account:
        """The account under these terms."""
        if account.embedded:
            account = replace(account, address=self.embedded[account.name])
        if self.concurrency is not None:
            account = replace(account, options=structs.replace(account.options, concurrency=self.concurrency))
        return account


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything that a run's sessions stand on: the journal, a view of its plan, and the accounts' sessions."""

    journal: JournalWriter
    plan: Connection
    sessions: Mapping[str, AccountSession]


@asynccontextmanager
async def open_run(
    connection: Connection,
    results: Path,
    entries: Mapping[str, AccountConfig],
    monitor: RunMonitor,
    *,
    patience: float,
    concurrency: int | None,
    stop_after: int = 0,
) -> AsyncIterator[RunContext]:
    """The sessions of all accounts in the plan, ready to be worked on; ``patience`` in seconds.

    Raises UsageError where an account cannot be read or is in use by another run.
    """
    async with AsyncExitStack() as stack:
        plan = stack.enter_context(closing(open_reading(journal_path(results))))
        numbers = {account.name: account.number for account in accounts(plan)}
        embedded = await stack.enter_async_context(embedded_sandbox([entries[name] for name in numbers], results))
        settings = RunSettings(patience, concurrency, stop_after, embedded)
        journal = JournalWriter(connection, results, ended=monitor.on_line, failed=monitor.fail)
        stack.callback(journal.close)
        sessions = {}
        for name, number in numbers.items():
            numbered = number, next_number(plan, -number)
            sessions[name] = session = await open_session(stack, entries[name], numbered, monitor, journal, settings)
            monitor.sessions.append(session)
        yield RunContext(journal, plan, sessions)


async def open_session(
    stack: AsyncExitStack,
    entry: AccountConfig,
    numbers: tuple[int, int],
    monitor: RunMonitor,
    journal: JournalSink,
    settings: RunSettings,
) -> AccountSession:
    """The account's session, ready to work; its ``numbers`` are its own in the plan, and that of its next question.

    Raises UsageError where the account cannot be read or is in use by another run.
    """
    from batchcart.engine.http.client import open_client  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    account = settings.apply(entry.resolve())
    account_state = (
        AccountState(None) if account.embedded else AccountState.open(account.name, entry.identity, settings.pid)
    )
    stack.callback(account_state.close)
    sends = account_state.sends(capacity(account.limits))
    stack.callback(sends.close)
    crowd = EventLimiter()

    def tell(event: Event) -> None:
        now = time.time()
        if not isinstance(event, OfAccount) or crowd.admits(event, now):
            clean = map_text(event, lambda text: redact_text(text, session.auth.redactor))
            journal.record_event(now, clean)
            monitor.emit(clean)

    def long_wait(window: Window, seconds: float) -> None:
        quota = QuotaUsedUp(account.name, str(window), time.time() + seconds)
        session.throttling.record_quota(quota)
        tell(quota)

    renewed = account_state.tokens(token_fingerprint(account.credentials))
    session = AccountSession(
        account=account,
        number=numbers[0],
        probes=itertools.count(numbers[1]),
        journal=journal,
        limiter=RateLimiter(
            account.limits,
            sends,
            clock=time.monotonic,
            pacing=account.options.pacing,
            strict=account.options.strict,
            long_wait=long_wait,
            learnt=account_state.learnt_limit(),
        ),
        account_state=account_state,
        send=monitor.wrap_send(account, await stack.enter_async_context(open_client(account))),
        auth=Auth(account.credentials.replace(renewed), (*account.secrets, *account_state.past_secrets())),
        chance=Chance(time.monotonic, time.time, _RNG),
        tell=tell,
        patience=settings.patience,
        throttling=Throttling("as the shop asked in an earlier run"),
        breaker=CircuitBreaker(settings.stop_after),
    )
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
