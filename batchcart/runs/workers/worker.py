"""Owns one shard of a run: some of its accounts, worked on in a process of their own; the journal is another's.

It may be submitted to any executor whose workers share the files, the state folder and the machine with the run.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from batchcart.accounts.config import load_config
from batchcart.engine.scheduler import PlannedJob
from batchcart.jobs.opening import open_job
from batchcart.journal.schema import get_meta, open_reading
from batchcart.journal.writer import JournalFailed
from batchcart.platforms import load_adapters
from batchcart.runs.context import RunContext, RunSettings, Work, open_here
from batchcart.runs.deps import WORLD
from batchcart.runs.event_loop import run_async
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path
from batchcart.runs.workers.protocol import BatchWritten, EventEmitted, FrameStream, Go, Halt, Ready, Snapshots
from batchcart.runs.workers.remote_journal import RemoteJournal

_TICK = 0.25  # seconds between two looks at the figures


class OwnerGone(Exception):
    """The process that owns the journal is gone: nothing can be noted, so nothing may be sent."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a process must know to work on its accounts: places and settings, no secrets.

    ``text`` is where the job's plain text can be read, ``address`` the socket of the journal's owner.
    """

    results: Path
    config: Path | None
    text: str
    job: str
    default_account: str | None
    resumed: bool
    settings: RunSettings
    number: int = 0
    accounts: tuple[str, ...] = ()
    address: str = ""


def run_worker(shard: WorkerConfig) -> str:
    """Work on the shard's accounts until they have ended or were halted; what broke the work off, if anything did.

    Raises UsageError where an account cannot be read or is in use by another run; then none has sent anything.
    """
    return run_async(_run(shard))


async def _run(shard: WorkerConfig) -> str:
    monitor = RunMonitor()

    async with contextlib.AsyncExitStack() as stack:
        wire = await stack.enter_async_context(_connect(shard.address))
        monitor.add_sink(lambda event: wire.send(EventEmitted(event)))
        journal = RemoteJournal(wire.send)
        engine = await stack.enter_async_context(_open_engine(shard, monitor, journal))

        def beat() -> None:
            wire.send(Snapshots(monitor.snapshots()))

        async def work() -> str:
            failure = ""
            try:
                await engine()
                await journal.flush()
            except* JournalFailed as group:
                failure = str(group.exceptions[0])
            beat()
            return failure

        return await _follow_orders(wire, journal, monitor, beat, work, Ready(shard.number, os.getpid()))


async def _follow_orders(
    wire: FrameStream,
    journal: RemoteJournal,
    monitor: RunMonitor,
    beat: Callable[[], None],
    work: Callable[[], Awaitable[str]],
    ready: Ready,
) -> str:
    """Do the work when the journal's owner says so, as long as it is there."""
    go, said = asyncio.Event(), ""
    try:
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(_listen(wire, journal, monitor, go)), group.create_task(_beat(beat))]
            wire.send(ready)
            await go.wait()
            said = await work()
            for task in around:
                task.cancel()
    except* OwnerGone:
        said = "the process that owns the journal is gone"
    return said


async def _listen(wire: FrameStream, journal: RemoteJournal, monitor: RunMonitor, go: asyncio.Event) -> None:
    while (frame := await wire.receive()) is not None:
        match frame:
            case BatchWritten(failure):
                journal.finish_batch(failure)
            case Halt():
                monitor.stop()
            case Go(planned, ended):
                for account, lines in planned.items():
                    monitor.set_counts(account, lines, ended[account])
                go.set()
            case _:
                raise AssertionError(frame)
    raise OwnerGone


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_TICK)
        beat()


@contextlib.asynccontextmanager
async def _connect(address: str) -> AsyncIterator[FrameStream]:
    wire = FrameStream(*await asyncio.open_unix_connection(address))
    try:
        yield wire
    finally:
        await wire.close()


@contextlib.asynccontextmanager
async def _open_engine(shard: WorkerConfig, monitor: RunMonitor, journal: RemoteJournal) -> AsyncIterator[Work]:
    entries = load_config(shard.config, load_adapters())
    with contextlib.closing(open_reading(journal_path(shard.results))) as plan, open_job(shard.text) as text:
        source = replace(text, name=shard.job)
        job = PlannedJob(get_meta(plan, "run") or "", source, plan, shard.default_account, shard.resumed)
        context = RunContext(entries, shard.settings, plan, journal, monitor, WORLD)
        async with open_here(context, job, shard.accounts) as work:
            yield work
