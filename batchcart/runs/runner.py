"""Owns putting a run together from config, job, journal, engine and sockets; it decides nothing about operations."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import find_config, load_config
from batchcart.engine.chain_feed import PlannedJob
from batchcart.jobs.job_file import JobSource
from batchcart.jobs.opening import open_job
from batchcart.journal.queries import is_finished, pending_counts, progress_counts, result_texts
from batchcart.journal.result_file import sort_result_file
from batchcart.journal.schema import Connection, forget_states, get_meta
from batchcart.journal.seated import find_unsettled, forget_seats, note_places, note_seats
from batchcart.journal.summary import Summary
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.errors import UsageError
from batchcart.model.events import SecretsExposed
from batchcart.model.system import allow_many_files
from batchcart.platforms import load_adapters
from batchcart.runs.choice import apply_choice
from batchcart.runs.context import RunContext, RunSettings, Work, open_context, open_here
from batchcart.runs.deps import WORLD, Deps
from batchcart.runs.journal_file import leave_nothing, run_files, take_up
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import sandbox_path
from batchcart.runs.seats.settling import LASTS, SETTLE
from batchcart.runs.sinks import event_sinks, finished_event, started_event, stop_reason
from batchcart.runs.status import load_summary, lock_output, storage_errors


async def run_job(options: RunOptions, monitor: RunMonitor, deps: Deps = WORLD) -> Summary:
    """Check the job, run it or resume it, and give its figures; a run that ended early says so in them.

    Raises UsageError where nothing was sent, and Stopped where the disk took no more before anything could begin.
    """
    allow_many_files()
    results = options.results_path
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(
            event_sinks(monitor, deps.wall, options.log, options.metrics, Path(options.job), results)
        )
        entries = load_config(find_config(options.config, options.job), load_adapters())
        stack.enter_context(storage_errors(results))
        stack.enter_context(lock_output(results))
        source = stack.enter_context(open_job(options.job, spool_folder=results.absolute().parent))
        if _same_file(source, results):
            raise UsageError(f"{results} is the job itself; choose other results with -o")
        if options.job_name:
            source = JobSource(options.job_name, source.file, source.sheet)
        was_there = [path for path in run_files(results) if path.exists()]
        connection, resumed = take_up(options, source, entries, monitor, deps)
        if not resumed:
            stack.push(leave_nothing(options, was_there))
        stack.callback(connection.close)
        options = structs.replace(options, account=get_meta(connection, "account") or options.account)
        if resumed and monitor.replay:
            for text in result_texts(connection):
                monitor.on_line(text)
        if resumed and is_finished(connection):
            return replace(load_summary(connection, results), nothing_to_do=True)
        choice = options.choice
        chosen = apply_choice(connection, choice)
        began = deps.clock()
        forget_states(connection)
        note_places(connection, options.places)
        settings = RunSettings(options.patience * 60, options.concurrency, options.stop_after)
        unsettled, spread = find_unsettled(connection), _is_spread(options, connection)
        if spread:
            note_seats(connection)
        else:
            await asyncio.sleep(LASTS + SETTLE if unsettled else 0)
            forget_seats(connection)
        async with (
            open_context(connection, results, entries, settings, monitor, deps) as context,
            _open_work(options, source, context, unsettled, spread=spread, resumed=resumed) as work,
        ):
            await _work_off(context, work, source.name, resumed=resumed)
        summary = replace(_finish(options, connection, monitor), seconds=deps.clock() - began)
        return replace(summary, chosen=chosen) if choice else summary


def _same_file(source: JobSource, results: Path) -> bool:
    return results.exists() and os.path.samestat(os.fstat(source.file.fileno()), results.stat())


def _is_spread(options: RunOptions, connection: Connection) -> bool:
    return options.has_guests or (options.processes > 1 and len(pending_counts(connection)) > 1)


@contextlib.asynccontextmanager
async def _open_work(
    options: RunOptions,
    source: JobSource,
    context: RunContext[JournalWriter],
    unsettled: Mapping[int, float],
    *,
    spread: bool,
    resumed: bool,
) -> AsyncIterator[Work]:
    """All accounts made ready, here or, where they are ``spread``, over processes."""
    run = get_meta(context.plan, "run") or ""
    job = PlannedJob(run, source, context.plan, options.account, resumed)
    if spread:
        from batchcart.runs.seats.open_seats import SeatPlaces, open_seats  # noqa: PLC0415  # most runs have no seats

        own = 0 if options.has_guests and options.processes == 1 else options.processes
        places = SeatPlaces(own, options.seats_at, options.cluster)
        async with open_seats(context, job, places, unsettled) as work:
            yield work
    else:
        async with open_here(context, job) as work:
            yield work


async def _work_off(context: RunContext[JournalWriter], work: Work, job: str, *, resumed: bool) -> None:
    """Work until nothing is left or the run was stopped; what stopped it is in the monitor."""
    monitor = context.monitor
    for name, (lines, ended) in progress_counts(context.plan).items():
        monitor.set_counts(name, lines, ended)
    context.emit(started_event(monitor, job, resumed=resumed))
    if files := _exposed_files(context):
        context.emit(SecretsExposed(files))
    if monitor.stopping:
        monitor.stop()
    try:
        await work()
        await context.journal.flush()
    except* JournalFailed as group:
        monitor.record_failure(next(error for error in group.exceptions if isinstance(error, JournalFailed)))
    context.emit(finished_event(monitor))


def _exposed_files(context: RunContext[JournalWriter]) -> tuple[str, ...]:
    """The secret files of the run's accounts that others can read."""
    found = (context.entries[name].exposed_files() for name in context.monitor.planned)
    return tuple(dict.fromkeys(str(file) for files in found for _, file in files))


def _finish(options: RunOptions, connection: Connection, monitor: RunMonitor) -> Summary:
    """Leave the files as they were asked for, and sum the run up."""
    results = options.results_path
    summary = load_summary(connection, results)
    if options.in_order and not summary.totals["not_attempted"]:
        sort_result_file(connection, results)
    if summary.exit_code == 0:  # else --retry-failed or settle may need its carts
        sandbox_path(results).unlink(missing_ok=True)
    snapshots = monitor.snapshots()
    return replace(
        summary,
        sent=sum(snapshot.sent for snapshot in snapshots),
        retries=sum(snapshot.retries for snapshot in snapshots),
        refusals=sum(snapshot.refusals for snapshot in snapshots),
        stopped=stop_reason(monitor, summary.totals["not_attempted"]),
    )
