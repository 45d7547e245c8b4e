"""Owns putting a run together from config, job, journal, engine and sockets; it decides nothing about operations."""

import contextlib
import os
import random
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts import Account, Entry, config_path, read_config
from batchcart.engine.lane import Lane, origin
from batchcart.engine.limiter import Limiter, capacity
from batchcart.engine.work import Job, work
from batchcart.errors import UsageError
from batchcart.jobfile import JobSource, open_job
from batchcart.journal.reading import counts, next_number
from batchcart.journal.schema import create, get_meta, open_existing, open_reading, set_meta
from batchcart.journal.writer import Journal, JournalFailed
from batchcart.ledger import Ledger, Lock
from batchcart.outcome import Status
from batchcart.planning import Planner
from batchcart.platforms import platforms
from batchcart.resuming import begun, check_same_accounts, check_same_job, mend_results
from batchcart.summary import Summary, fold


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run is asked to do. ``patience`` is in minutes; ``concurrency`` overrides every account's own."""

    job: str
    job_name: str = ""
    results: Path | None = None
    config: Path | None = None
    account: str | None = None
    concurrency: int | None = None
    patience: float = 30.0
    fresh: bool = False
    in_order: bool = False
    allow_unknown_fields: bool = False

    @property
    def results_path(self) -> Path:
        """Where results go: as given, or the job's name with `.results.jsonl` in the current folder."""
        if self.results is not None:
            return self.results
        name = "stdin" if self.job == "-" else Path(self.job).name
        for ending in (".gz", ".zst", ".jsonl", ".json"):
            name = name.removesuffix(ending)
        return Path(f"{name}.results.jsonl")


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

    def stop(self) -> None:
        """Begin nothing more and end within the requests in flight. To be called in the run's loop."""
        self.stopping = True
        for lane in self.lanes:
            lane.halt()


def journal_path(results: Path) -> Path:
    """The journal beside a result file."""
    return Path(f"{results}.journal")


async def run_job(options: RunOptions, watch: Watch) -> Summary:
    """Check the job, run it or go on with it, and give its figures.

    Raises UsageError where nothing was sent, and Stopped never: a run that ended early says so in its summary.
    """
    config = config_path(options.config)
    entries = read_config(config, platforms())
    config_name = str(config) if config else "the config (there is no batchcart.toml; `batchcart init` writes one)"
    results = options.results_path
    with contextlib.ExitStack() as stack:
        lock = Lock(Path(f"{results}.lock"))
        _acquire(lock, results)
        stack.callback(lock.release)
        if options.fresh:
            _set_aside(results)
        source = stack.enter_context(open_job(options.job, spool_folder=results.absolute().parent))
        if options.job_name:
            source = replace(source, name=options.job_name)
        connection, resumed = _journal(options, source, entries, config_name)
        stack.callback(connection.close)
        if resumed and watch.replay:
            for (text,) in connection.execute("SELECT text FROM result ORDER BY seq"):
                watch.on_line(text)
        if resumed and _finished(connection):
            return replace(_summary(connection, {}, results), nothing_to_do=True)
        return await _run(options, watch, source, connection, entries, resumed=resumed)


def _acquire(lock: Lock, results: Path) -> None:
    try:
        lock.acquire(f"the result file {results}")
    except OSError as error:
        raise UsageError(f"{results}: cannot write there: {error.strerror}; choose other results with -o") from None


def _set_aside(results: Path) -> None:
    """Keep the files of an earlier run under the first free number."""
    files = [path for path in _files(results) if path.exists()]
    if not files:
        return
    number = 1
    while any(Path(f"{path}.{number}").exists() for path in _files(results)):
        number += 1
    for path in files:
        path.rename(f"{path}.{number}")


def _files(results: Path) -> list[Path]:
    journal = journal_path(results)
    return [results, journal, Path(f"{journal}-wal"), Path(f"{journal}-shm"), _sandbox_file(results)]


def _sandbox_file(results: Path) -> Path:
    return Path(f"{results}.sandbox")


def _journal(
    options: RunOptions, source: JobSource, entries: Mapping[str, Entry], config_name: str
) -> tuple[sqlite3.Connection, bool]:
    """The journal of this run: the one that is there, if it is this job's, or a fresh one with the plan in it."""
    results = options.results_path
    path = journal_path(results)
    if path.exists():
        connection = open_existing(path)
        if begun(connection):
            check_same_job(connection, source, path)
            check_same_accounts(connection, entries, config_name)
            mend_results(connection, results)
            return connection, True
        connection.close()  # nothing was sent: the plan may be made anew
    elif results.exists() and results.stat().st_size:
        raise UsageError(
            f"{results} exists, but its journal {path} does not, so this run cannot go on from it. Choose other "
            "results with -o, or start over with --fresh, which keeps the old file under another name"
        )
    for leftover in _files(results)[1:]:
        leftover.unlink(missing_ok=True)
    return _plan(options, source, entries, config_name), False


def _plan(options: RunOptions, source: JobSource, entries: Mapping[str, Entry], config_name: str) -> sqlite3.Connection:
    path = journal_path(options.results_path)
    connection = create(path)
    try:
        planner = Planner(source, entries, config_name, options.account, options.allow_unknown_fields)
        planned = planner.plan(connection)
        for name in planned.accounts:
            entries[name].read()  # secrets that cannot be read are told before anything is sent
        set_meta(connection, "run", secrets.token_hex(16))
        set_meta(connection, "job", source.name)
        set_meta(connection, "sha256", source.digest())
        set_meta(connection, "account", options.account or "")
        set_meta(connection, "planned", str(planned.lines))
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        for leftover in _files(options.results_path)[1:]:
            leftover.unlink(missing_ok=True)
        raise
    return connection


def _finished(connection: sqlite3.Connection) -> bool:
    query = "SELECT (SELECT count(*) FROM plan) = (SELECT count(*) FROM result)"
    return bool(connection.execute(query).fetchone()[0])


async def _run(
    options: RunOptions,
    watch: Watch,
    source: JobSource,
    connection: sqlite3.Connection,
    entries: Mapping[str, Entry],
    *,
    resumed: bool,
) -> Summary:
    results = options.results_path
    began = time.monotonic()
    failure: list[JournalFailed] = []

    def failed(error: JournalFailed) -> None:
        failure.append(error)
        watch.stop()

    async with AsyncExitStack() as stack:
        plan = stack.enter_context(contextlib.closing(open_reading(journal_path(results))))
        accounts = [
            (number, entries[name])
            for number, name in plan.execute("SELECT id, name FROM account ORDER BY id").fetchall()
        ]
        ready = await stack.enter_async_context(_addresses(accounts, results))
        journal = Journal(connection, results, ended=watch.on_line, failed=failed)
        stack.callback(journal.close)
        parts = _Parts(journal, plan, {entry.name: number for number, entry in accounts}, ready)
        for _, entry in accounts:
            watch.lanes.append(await _lane(stack, options, watch, parts, entry))
        _count_planned(plan, watch)
        job = Job(get_meta(plan, "run") or "", source, plan, options.account, resumed)
        if watch.stopping:
            watch.stop()
        try:
            await work(job, watch.lanes, ended=_counting(watch))
            await journal.flush()
        except* JournalFailed as group:
            failure.extend(error for error in group.exceptions if isinstance(error, JournalFailed))
    states = {lane.account.name: (lane.state, lane.closed) for lane in watch.lanes}
    summary = _summary(connection, states, results)
    if options.in_order and not summary.totals["not_attempted"]:
        _put_in_order(connection, results)
    if not summary.totals["not_attempted"]:
        _sandbox_file(results).unlink(missing_ok=True)
    stopped = str(failure[0]) if failure else ("stopped by a signal" if watch.stopping else "")
    return replace(
        summary,
        seconds=time.monotonic() - began,
        sent=sum(lane.counters.sent for lane in watch.lanes),
        retries=sum(lane.counters.retries for lane in watch.lanes),
        stopped=stopped if summary.totals["not_attempted"] or failure else "",
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What every lane of a run is made with."""

    journal: Journal
    plan: sqlite3.Connection
    numbers: Mapping[str, int]
    read: Callable[[Entry], Account]


async def _lane(stack: AsyncExitStack, options: RunOptions, watch: Watch, parts: _Parts, entry: Entry) -> Lane:
    from batchcart.transport import connected  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    account, number = parts.read(entry), parts.numbers[entry.name]
    if options.concurrency is not None:
        account = replace(account, options=structs.replace(account.options, concurrency=options.concurrency))
    ledger = Ledger(None) if account.embedded else Ledger.of(account.name, entry.place)
    stack.callback(ledger.close)
    sends = ledger.sends(capacity(account.limits))
    stack.callback(sends.close)
    strict = account.options.pacing == "strict"
    return Lane(
        account=account,
        number=number,
        journal=parts.journal,
        limiter=Limiter(account.limits, sends, strict=strict, clock=time.monotonic),
        ledger=ledger,
        send=await stack.enter_async_context(connected(account)),
        credentials=account.credentials.renewed(ledger.tokens(origin(account.credentials))),
        monotonic=time.monotonic,
        wall=time.time,
        rng=random.Random(),  # noqa: S311  # jitter, no secret
        patience=options.patience * 60,
        tell=watch.tell,
        question=next_number(parts.plan, -number),
    )


@asynccontextmanager
async def _addresses(accounts: list[tuple[int, Entry]], results: Path) -> AsyncIterator[Callable[[Entry], Account]]:
    """A function that reads an account, with the embedded sandbox running if one of them is of it."""
    if not any(entry.embedded for _, entry in accounts):
        yield Entry.read
        return
    from batchcart.sandbox.server import Sandbox  # noqa: PLC0415  # a run against real shops needs no server

    sandbox = Sandbox(state_file=_sandbox_file(results))
    async with sandbox.serving():
        yield (
            lambda entry: (
                replace(entry.read(), address=sandbox.address(entry.adapter.name)) if entry.embedded else entry.read()
            )
        )


def _count_planned(plan: sqlite3.Connection, watch: Watch) -> None:
    for name, _, status, count in counts(plan):
        watch.planned[name] = watch.planned.get(name, 0) + count
        ended = watch.ended.setdefault(name, {})
        if status is not None:
            ended[status] = ended.get(status, 0) + count


def _counting(watch: Watch) -> Callable[[Lane, Status], None]:
    def ended(lane: Lane, status: Status) -> None:
        found = watch.ended[lane.account.name]
        found[status.value] = found.get(status.value, 0) + 1

    return ended


def _summary(connection: sqlite3.Connection, states: Mapping[str, tuple[str, str]], results: Path) -> Summary:
    return Summary(fold(counts(connection), states), str(results))


def _put_in_order(connection: sqlite3.Connection, results: Path) -> None:
    """Rewrite the result file in line order, in one step."""
    ordered = Path(f"{results}.ordered")
    with ordered.open("wb") as file:
        for (text,) in connection.execute("SELECT text FROM result ORDER BY line"):
            file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    ordered.replace(results)
    set_meta(connection, "in_order", "1")
