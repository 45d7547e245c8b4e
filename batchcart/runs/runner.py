"""Owns putting a run together from config, job, journal, engine and sockets; it decides nothing about operations."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

from batchcart.accounts.config import AccountConfig, Accounts, config_path, load_config
from batchcart.engine.scheduler import PlannedJob, run_sessions
from batchcart.engine.session import AccountSession
from batchcart.jobs.job_file import JobSource
from batchcart.jobs.opening import open_job, text_path
from batchcart.jobs.planner import Planner, check_account
from batchcart.journal.changes import commit_plan, reopen
from batchcart.journal.queries import has_progress, is_finished, pending_counts, result_texts, status_counts
from batchcart.journal.result_file import repair_result_file, sort_result_file
from batchcart.journal.schema import Connection, create, forget_states, get_meta, open_existing
from batchcart.journal.summary import Summary
from batchcart.journal.writer import JournalFailed
from batchcart.model.errors import UsageError
from batchcart.model.events import Event, SecretsExposed
from batchcart.model.files import sync_dir
from batchcart.model.outcome import Status
from batchcart.platforms import load_adapters
from batchcart.runs.choice import apply_choice
from batchcart.runs.context import RunContext, RunSettings, open_run
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path, sandbox_path
from batchcart.runs.resume import check_same_accounts, check_same_job, is_longer
from batchcart.runs.sinks import event_sinks, finished_event, started_event, stop_reason
from batchcart.runs.status import load_summary, lock_output, storage_errors
from batchcart.runs.workers.coordinator import WorkerPool, start_workers
from batchcart.runs.workers.partition import partition
from batchcart.runs.workers.subprocess_executor import SubprocessExecutor
from batchcart.runs.workers.worker import WorkerConfig

_RETRIED = (Status.FAILED, Status.SKIPPED)


async def run_job(
    options: RunOptions, monitor: RunMonitor, executor: Callable[[], Executor] = SubprocessExecutor
) -> Summary:
    """Check the job, run it or go on with it, and give its figures; a run that ended early says so in them.

    Where the accounts are spread over processes, those run on the ``executor``.
    Raises UsageError where nothing was sent, and Stopped where the disk took no more before anything could begin.
    """
    results = options.results_path
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(event_sinks(monitor, options.log, options.metrics, Path(options.job), results))
        entries = load_config(config_path(options.config, options.job), load_adapters())
        stack.enter_context(storage_errors(results))
        stack.enter_context(lock_output(results))
        source = stack.enter_context(open_job(options.job, spool_folder=results.absolute().parent))
        if _same_file(source, results):
            raise UsageError(f"{results} is the job itself; choose other results with -o")
        if options.job_name:
            source = replace(source, name=options.job_name)
        was_there = [path for path in _files(results) if path.exists()]
        connection, resumed = _journal(options, source, entries, monitor)
        if not resumed:
            stack.push(_leave_nothing(options, was_there))
        stack.callback(connection.close)
        options = replace(options, account=get_meta(connection, "account") or options.account)
        if resumed and monitor.replay:
            for text in result_texts(connection):
                monitor.on_line(text)
        if resumed and is_finished(connection):
            return replace(load_summary(connection, results), nothing_to_do=True)
        choice = options.choice
        chosen = apply_choice(connection, choice)
        summary = await _run(options, monitor, source, connection, entries, executor, resumed=resumed)
        return replace(summary, chosen=chosen) if choice else summary


def _same_file(source: JobSource, results: Path) -> bool:
    return results.exists() and os.path.samestat(os.fstat(source.file.fileno()), results.stat())


def _journal(options: RunOptions, source: JobSource, entries: Accounts, monitor: RunMonitor) -> tuple[Connection, bool]:
    """The journal of this run: the one that is there, if it is this job's, or a fresh one with the plan in it."""
    results, path = options.results_path, journal_path(options.results_path)
    if path.exists() and not options.fresh:
        connection = open_existing(path)
        if has_progress(connection):
            check_same_accounts(connection, entries)
            check_account(options.account, entries)
            _check_same_default(connection, options.account)
            if options.append and is_longer(connection, source):
                default = get_meta(connection, "account") or options.account
                planner = Planner(source, entries, default, options.allow_unknown_fields, monitor.checking)
                planner.extend_plan(connection)
            check_same_job(connection, source, path)
            if options.retry_failed:
                reopen(connection, _RETRIED, options.choice.fits)
            repair_result_file(connection, results)
            return connection, True
        connection.close()  # nothing was sent: the plan may be made anew
    if results.exists() and results.stat().st_size and not options.fresh:
        raise UsageError(
            f"{results} exists, but its journal {path} does not, so this run cannot go on from it. Choose other "
            "results with -o, or start over with --fresh, which keeps the old file under another name"
        )
    fresh = path.with_name(f"{path.name}.new")
    try:
        planner = Planner(source, entries, options.account, options.allow_unknown_fields, monitor.checking)
        _plan(options, planner, fresh)
        if options.fresh:
            _set_aside(results)
        for leftover in _files(results)[1:]:
            leftover.unlink(missing_ok=True)
        fresh.rename(path)
        sync_dir(path.absolute().parent)  # a plan that a power cut takes back must not have been begun
    finally:
        for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
            leftover.unlink(missing_ok=True)
    return open_existing(path), False


def _check_same_default(connection: Connection, account: str | None) -> None:
    """Raises UsageError where the lines without an account would now go to another one than when the run began."""
    began = get_meta(connection, "account") or ""
    if began and account is not None and account != began:
        raise UsageError(
            f"this run began with --account {began}, not {account}; give the old one to go on, or start over with "
            "--fresh"
        )


def _plan(options: RunOptions, planner: Planner, path: Path) -> None:
    with contextlib.closing(create(path)) as connection:
        planned = planner.build_plan(connection)
        for name in planned.accounts:
            planner.entries[name].resolve()  # secrets that cannot be read are told before anything is sent
        facts = {
            "run": secrets.token_hex(16),
            "job": planner.source.name if options.job == "-" else str(Path(options.job).absolute()),
            "sha256": planner.source.digest(),
            "account": options.account or "",
            "planned": str(planned.lines),
        }
        # A file name may hold bytes that are no text.
        texts = ((key, value.encode("utf-8", "backslashreplace").decode()) for key, value in facts.items())
        commit_plan(connection, texts)


def _set_aside(results: Path) -> None:
    """Keep the files of an earlier run under the first free number."""
    files = [path for path in _files(results) if path.exists()]
    number = _last_number(results) + 1
    for path in files:
        path.rename(f"{path}.{number}")


def _leave_nothing(options: RunOptions, was_there: Sequence[Path]) -> Callable[[type | None, object, object], None]:
    """What a refused run does on its way out: its files go, and those that --fresh set aside come back."""
    results, number = options.results_path, _last_number(options.results_path)

    def leave(refusal: type | None, _error: object, _trace: object) -> None:
        if refusal is None or not issubclass(refusal, UsageError):
            return
        for path in _files(results):
            if options.fresh or path != results or path not in was_there:
                path.unlink(missing_ok=True)
        for path in was_there if options.fresh else ():
            Path(f"{path}.{number}").rename(path)

    return leave


def _last_number(results: Path) -> int:
    """The greatest number under which the files of an earlier run are kept; 0 for none."""
    number = 0
    while any(Path(f"{path}.{number + 1}").exists() for path in _files(results)):
        number += 1
    return number


def _files(results: Path) -> list[Path]:
    journal = journal_path(results)
    return [results, journal, Path(f"{journal}-wal"), Path(f"{journal}-shm"), sandbox_path(results)]


async def _run(
    options: RunOptions,
    monitor: RunMonitor,
    source: JobSource,
    connection: Connection,
    entries: Mapping[str, AccountConfig],
    executor: Callable[[], Executor],
    *,
    resumed: bool,
) -> Summary:
    results = options.results_path
    began = time.monotonic()
    forget_states(connection)
    patience, concurrency = options.patience * 60, options.concurrency
    groups = partition(pending_counts(connection), options.processes)
    context: RunContext | WorkerPool
    async with contextlib.AsyncExitStack() as stack:
        if len(groups) > 1:
            shard = _shard(options, source, RunSettings(patience, concurrency, options.stop_after), resumed=resumed)
            context = await stack.enter_async_context(
                start_workers(connection, entries, monitor, groups, shard, executor)
            )
            working = context.work
        else:
            at_work = open_run(
                connection,
                results,
                entries,
                monitor,
                patience=patience,
                concurrency=concurrency,
                stop_after=options.stop_after,
            )
            context = await stack.enter_async_context(at_work)
            job = PlannedJob(get_meta(context.plan, "run") or "", source, context.plan, options.account, resumed)
            working = partial(run_sessions, job, monitor.sessions, ended=_counting(monitor))
        _count_planned(context.plan, monitor)
        _tell(context, monitor, started_event(monitor, source.name, resumed=resumed))
        if files := _exposed_files(monitor, entries):
            _tell(context, monitor, SecretsExposed(files))
        if monitor.stopping:
            monitor.stop()
        try:
            await working()
            await context.journal.flush()
        except* JournalFailed as group:
            monitor.failure = monitor.failure or next(e for e in group.exceptions if isinstance(e, JournalFailed))
        _tell(context, monitor, finished_event(monitor))
    return replace(_finish(options, connection, monitor), seconds=time.monotonic() - began)


def _exposed_files(monitor: RunMonitor, entries: Mapping[str, AccountConfig]) -> tuple[str, ...]:
    """The secret files of the run's accounts that others can read."""
    found = (entries[name].exposed_files() for name in monitor.planned)
    return tuple(dict.fromkeys(str(file) for files in found for _, file in files))


def _finish(options: RunOptions, connection: Connection, monitor: RunMonitor) -> Summary:
    """Leave the files as they were asked for, and sum the run up."""
    results = options.results_path
    summary = load_summary(connection, results)
    if options.in_order and not summary.totals["not_attempted"]:
        sort_result_file(connection, results)
    if summary.exit_code == 0:  # else --retry-failed or settle may need its carts
        sandbox_path(results).unlink(missing_ok=True)
    return replace(
        summary,
        sent=sum(snapshot.sent for snapshot in monitor.snapshots()),
        retries=sum(snapshot.retries for snapshot in monitor.snapshots()),
        stopped=stop_reason(monitor, summary.totals["not_attempted"]),
    )


def _shard(options: RunOptions, source: JobSource, settings: RunSettings, *, resumed: bool) -> WorkerConfig:
    """What all shards of the run have in common."""
    config = config_path(options.config, options.job)
    return WorkerConfig(
        results=options.results_path.absolute(),
        config=config.absolute() if config else None,
        text=text_path(source, options.job),
        job=source.name,
        default_account=options.account,
        resumed=resumed,
        settings=settings,
    )


def _tell(context: RunContext | WorkerPool, monitor: RunMonitor, event: Event) -> None:
    context.journal.record_event(time.time(), event)
    monitor.emit(event)


def _count_planned(plan: Connection, monitor: RunMonitor) -> None:
    for name, _, status, count in status_counts(plan):
        monitor.planned[name] = monitor.planned.get(name, 0) + count
        ended = monitor.ended.setdefault(name, {})
        if status is not None:
            ended[status] = ended.get(status, 0) + count


def _counting(monitor: RunMonitor) -> Callable[[AccountSession, Status], None]:
    def on_end(session: AccountSession, status: Status) -> None:
        found, name = monitor.ended[session.account.name], status.value
        found[name] = found.get(name, 0) + 1

    return on_end
