"""Owns a run whose accounts work in other processes: it holds the journal and writes what they note; it sends nothing.

No shard begins before all are ready, so that an account that is in use elsewhere is told before anything is sent.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.errors import BatchcartError, Stopped, UsageError
from batchcart.model.events import WorkerDied
from batchcart.model.fault import fault_sentence
from batchcart.runs.context import RunContext, Work
from batchcart.runs.snapshot import AccountSnapshot
from batchcart.runs.workers.protocol import (
    AccountStateRecorded,
    BatchWritten,
    EventEmitted,
    EventRecorded,
    Frame,
    FrameStream,
    Go,
    Halt,
    IntentRecorded,
    Ready,
    ResponseRecorded,
    ResultRecorded,
    Row,
    Rows,
    Snapshots,
)
from batchcart.runs.workers.subprocess_executor import CallFailed, ProcessDied
from batchcart.runs.workers.worker import WorkerConfig, run_worker

_PATIENCE = 5.0  # seconds that shards have for ending when the run breaks off
_LONGEST_ADDRESS = 100  # bytes of a socket's path, a little less than systems allow


@dataclass(slots=True, eq=False)
class Worker:
    """One shard as the journal's owner sees it: how it will end, and the connection to it once it is ready."""

    shard: WorkerConfig
    end: "asyncio.Future[str]"
    wire: "asyncio.Future[FrameStream]"
    pid: int = 0
    halted: bool = False

    def halt(self) -> None:
        """Tell the shard to begin nothing more."""
        if not self.halted:
            self.halted = True
            self.wire.result().send(Halt())


@asynccontextmanager
async def open_workers(
    context: RunContext[JournalWriter],
    groups: Sequence[Sequence[str]],
    shard: WorkerConfig,
    executor: Callable[[], Executor],
) -> AsyncIterator[Work]:
    """The work of each group of accounts in a process of its own; ``shard`` says what all of them have in common.

    Raises UsageError where an account cannot be read or is in use by another run, and Stopped where a process dies
    before it is ready.
    """
    shards = [replace(shard, number=number, accounts=tuple(names)) for number, names in enumerate(groups)]
    async with _start_all(shards, executor) as workers:
        for worker in workers:
            used = [context.entries[name] for name in worker.shard.accounts]
            idle = [AccountSnapshot(entry.name, entry.adapter.name, 0, {}) for entry in used]
            context.monitor.add_remote(idle, worker.halt)

        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(_attend(worker, context))

        yield work


@asynccontextmanager
async def _start_all(shards: Sequence[WorkerConfig], executor: Callable[[], Executor]) -> AsyncIterator[list[Worker]]:
    loop, workers, wires = asyncio.get_running_loop(), list[Worker](), list[FrameStream]()

    async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = FrameStream(reader, writer)
        wires.append(wire)
        with suppress(asyncio.CancelledError):  # asyncio would show it with a traceback, and nobody waits for this task
            if isinstance(ready := await wire.receive(), Ready):
                workers[ready.shard].pid = ready.pid
                workers[ready.shard].wire.set_result(wire)

    with executor() as seats:
        try:
            with _private_folder() as folder:
                server = await asyncio.start_unix_server(arrive, folder / "journal")
                try:
                    for shard in shards:
                        end = seats.submit(run_worker, replace(shard, address=str(folder / "journal")))
                        workers.append(Worker(shard, asyncio.wrap_future(end), loop.create_future()))
                    for worker in workers:
                        await _ready(worker)
                finally:
                    server.close()
            yield workers
        finally:
            for wire in wires:
                await wire.close()
            if workers:
                await asyncio.wait([worker.end for worker in workers], timeout=_PATIENCE)
            for worker in workers:
                if worker.end.done() and not worker.end.cancelled():
                    worker.end.exception()  # it has been told, or another's was


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that only this user can look into; its path is short enough for that of a socket."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="batchcart-"))
    except OSError as error:
        raise UsageError(f"{tempfile.gettempdir()}: no place for a socket: {error.strerror}; set TMPDIR") from None
    try:
        if len(str(folder).encode()) > _LONGEST_ADDRESS:
            raise UsageError(f"{folder}: too long a path for a socket; set TMPDIR to a shorter one")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(worker: Worker) -> None:
    either: set[asyncio.Future[str] | asyncio.Future[FrameStream]] = {worker.end, worker.wire}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if worker.wire.done():
        return
    try:
        worker.end.result()
    except ProcessDied as died:
        raise Stopped(
            f"{_describe(worker)} ended before it could begin ({died.how}); nothing was sent. "
            "Run the same command again"
        ) from None
    except CallFailed as failed:
        raise Stopped(f"{_describe(worker)} ended before it could begin ({failed}); nothing was sent") from None
    raise AssertionError(worker.shard)


async def _attend(worker: Worker, context: RunContext[JournalWriter]) -> None:
    """Write down what a shard notes, and show what it tells, until it ends."""
    wire, monitor = worker.wire.result(), context.monitor
    planned = {name: monitor.planned[name] for name in worker.shard.accounts}
    ended = {name: monitor.ended[name] for name in worker.shard.accounts}
    for name, lines in planned.items():
        monitor.show_remote(structs.replace(monitor.remote[name], lines=lines, ended=ended[name]))
    wire.send(Go(planned, ended))
    while (frame := await wire.receive()) is not None:
        await _handle_frame(frame, worker, context)
    try:
        failure = await worker.end
    except (ProcessDied, CallFailed, BatchcartError, OSError) as error:
        _report_death(worker, context, str(error))
    except Exception as error:  # noqa: BLE001  # a fault over there is the end of those accounts alone
        _report_death(worker, context, fault_sentence(error, "working in it"))
    else:
        if failure:
            monitor.fail(JournalFailed(failure))


async def _handle_frame(frame: Frame, worker: Worker, context: RunContext[JournalWriter]) -> None:
    match frame:
        case Rows(rows):
            for row in rows:
                _note(context.journal, row)
            worker.wire.result().send(BatchWritten(await _durable(context.journal)))
        case Snapshots(accounts):
            for snapshot in accounts:
                context.monitor.show_remote(snapshot)
        case EventEmitted(event):
            context.monitor.emit(event)
        case _:
            raise AssertionError(frame)


def _note(journal: JournalWriter, row: Row) -> None:
    match row:
        case IntentRecorded(line, number, at, request):
            journal.queue_intent(line, number, at, request)
        case ResponseRecorded(line, number, state, values):
            journal.record_response(line, number, state, values)
        case ResultRecorded(line, status, learnt, text, keep_past):
            journal.record_result(line, status, learnt, text, keep_past=keep_past)
        case AccountStateRecorded(account, state, reason):
            journal.record_account_state(account, state, reason)
        case EventRecorded(at, event):
            journal.record_event(at, event)


async def _durable(journal: JournalWriter) -> str:
    """Empty once all that was noted is on the disk; else why it is not."""
    try:
        await journal.flush()
    except JournalFailed as failed:
        return str(failed)
    return ""


def _report_death(worker: Worker, context: RunContext[JournalWriter], how: str) -> None:
    sentence = (
        f"{_describe(worker)} ended in the middle of its work ({how}); its lines stay open; run the same command again"
    )
    context.monitor.report_lost(sentence)
    context.tell(WorkerDied(sentence))
    for name in worker.shard.accounts:
        snapshot = context.monitor.remote[name]
        if snapshot.waiting != "closed":  # what it said it had ended may not have come through
            context.journal.record_account_state(name, "lost", f"its process died ({how})")
            context.monitor.show_remote(structs.replace(snapshot, waiting="closed", why="lost", in_flight=0))


def _describe(worker: Worker) -> str:
    pid = f" {worker.pid}" if worker.pid else ""
    names = ", ".join(map(repr, worker.shard.accounts[:5]))
    more = len(worker.shard.accounts) - 5
    return f"the process{pid} for {names}{f' and {more} more accounts' if more > 0 else ''}"
