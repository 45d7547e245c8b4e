"""Owns one shard of a run: some of its accounts, worked on in a process of their own; the journal is another's.

It may be submitted to any executor whose workers share the files, the state folder and the machine with the run.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from batchcart.accounts.config import read_config
from batchcart.engine.scheduler import Job, work
from batchcart.engine.session import Lane
from batchcart.jobs.job_file import open_job
from batchcart.journal.queries import accounts, next_number
from batchcart.journal.schema import get_meta, open_reading
from batchcart.journal.writer import JournalFailed
from batchcart.model.outcome import Status
from batchcart.platforms import platforms
from batchcart.runs.context import Terms, Watch, journal_path, manned
from batchcart.runs.event_loop import in_loop
from batchcart.runs.workers.protocol import Go, Halt, Ready, Seen, Told, Wire, Written
from batchcart.runs.workers.remote_journal import RemoteJournal

_TICK = 0.25  # seconds between two looks at the figures


class OwnerGone(Exception):
    """The process that owns the journal is gone: nothing can be noted, so nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Shard:
    """What a process must know to work on its accounts: places and settings, no secrets.

    ``text`` is where the job's plain text can be read, ``address`` the socket of the journal's owner.
    """

    results: Path
    config: Path | None
    text: str
    job: str
    default_account: str | None
    resumed: bool
    terms: Terms
    number: int = 0
    accounts: tuple[str, ...] = ()
    address: str = ""


def run_shard(shard: Shard) -> str:
    """Work on the shard's accounts until they have ended or were halted; what broke the work off, if anything did.

    Raises UsageError where an account cannot be read or is in use by another run; then none has sent anything.
    """
    return in_loop(_run(shard))


async def _run(shard: Shard) -> str:
    watch = Watch()

    def count(lane: Lane, status: Status) -> None:
        found = watch.ended[lane.account.name]
        found[status.value] = found.get(status.value, 0) + 1

    async with contextlib.AsyncExitStack() as stack:
        wire = await stack.enter_async_context(_connected(shard.address))
        watch.sinks.append(lambda event: wire.send(Told(event)))
        journal = RemoteJournal(wire.send)
        job, lanes = await _opened(stack, shard, watch, journal)

        def beat() -> None:
            wire.send(Seen(watch.glances()))

        async def done() -> str:
            failure = ""
            try:
                await work(job, lanes, ended=count)
                await journal.flush()
            except* JournalFailed as group:
                failure = str(group.exceptions[0])
            beat()
            return failure

        return await _told_what_to_do(wire, journal, watch, beat, done, Ready(shard.number, os.getpid()))


async def _told_what_to_do(
    wire: Wire,
    journal: RemoteJournal,
    watch: Watch,
    beat: Callable[[], None],
    done: Callable[[], Awaitable[str]],
    ready: Ready,
) -> str:
    """Do the work when the journal's owner says so, as long as it is there."""
    go, said = asyncio.Event(), ""
    try:
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(_listen(wire, journal, watch, go)), group.create_task(_beat(beat))]
            wire.send(ready)
            await go.wait()
            said = await done()
            for task in around:
                task.cancel()
    except* OwnerGone:
        said = "the process that owns the journal is gone"
    return said


async def _listen(wire: Wire, journal: RemoteJournal, watch: Watch, go: asyncio.Event) -> None:
    while (frame := await wire.receive()) is not None:
        match frame:
            case Written(failure):
                journal.written(failure)
            case Halt():
                watch.stop()
            case Go(planned, ended):
                watch.planned, watch.ended = planned, ended
                go.set()
            case _:
                raise AssertionError(frame)
    raise OwnerGone


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_TICK)
        beat()


@contextlib.asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Wire]:
    wire = Wire(*await asyncio.open_unix_connection(address))
    try:
        yield wire
    finally:
        await wire.close()


async def _opened(
    stack: contextlib.AsyncExitStack, shard: Shard, watch: Watch, journal: RemoteJournal
) -> tuple[Job, list[Lane]]:
    entries = read_config(shard.config, platforms())
    plan = stack.enter_context(contextlib.closing(open_reading(journal_path(shard.results))))
    source = replace(stack.enter_context(open_job(shard.text)), name=shard.job)
    numbers = {account.name: account.number for account in accounts(plan)}
    lanes = []
    for name in shard.accounts:
        numbered = numbers[name], next_number(plan, -numbers[name])
        lane = await manned(stack, entries[name], numbered, watch, journal, shard.terms)
        lanes.append(lane)
        watch.lanes.append(lane)
    return Job(get_meta(plan, "run") or "", source, plan, shard.default_account, shard.resumed), lanes
