"""Owns a run whose accounts work in other processes: it holds the journal and writes what they note; it sends nothing.

No shard begins before all are ready, so that an account that is in use elsewhere is told before anything is sent.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import Entry
from batchcart.journal.schema import Connection, open_reading
from batchcart.journal.writer import Journal, JournalFailed
from batchcart.model.errors import BatchcartError, Stopped, UsageError
from batchcart.model.events import ProcessLost
from batchcart.model.fault import fault_sentence
from batchcart.runs.context import Watch, journal_path, served
from batchcart.runs.snapshot import Glance
from batchcart.runs.workers.protocol import (
    Answer,
    End,
    Frame,
    Go,
    Halt,
    Happened,
    Intent,
    Ready,
    Row,
    Rows,
    Seen,
    State,
    Told,
    Wire,
    Written,
)
from batchcart.runs.workers.subprocess_executor import Died
from batchcart.runs.workers.worker import Shard, run_shard

_PATIENCE = 5.0  # seconds that shards have for ending when the run breaks off
_LONGEST_ADDRESS = 100  # bytes of a socket's path, a little less than systems allow


@dataclass(slots=True, eq=False)
class Crew:
    """One shard as the journal's owner sees it: how it will end, and the connection to it once it is ready."""

    shard: Shard
    end: "asyncio.Future[str]"
    wire: "asyncio.Future[Wire]"
    pid: int = 0
    halted: bool = False

    def halt(self) -> None:
        """Tell the shard to begin nothing more."""
        if not self.halted:
            self.halted = True
            self.wire.result().send(Halt())


@dataclass(frozen=True, slots=True)
class Fleet:
    """All shards of a run, ready to begin, and what they stand on."""

    journal: Journal
    plan: Connection
    watch: Watch
    crews: Sequence[Crew]

    async def work(self) -> None:
        """Have all shards work until each has ended or was halted; those that died are in the watch."""
        async with asyncio.TaskGroup() as group:
            for crew in self.crews:
                group.create_task(_attend(crew, self.journal, self.watch))


@asynccontextmanager
async def spread(
    connection: Connection,
    entries: Mapping[str, Entry],
    watch: Watch,
    groups: Sequence[Sequence[str]],
    shard: Shard,
    executor: Callable[[], Executor],
) -> AsyncIterator[Fleet]:
    """The run with each group of accounts in a process of its own; ``shard`` says what all of them have in common.

    Raises UsageError where an account cannot be read or is in use by another run, and Stopped where a process dies
    before it is ready.
    """
    async with AsyncExitStack() as stack:
        plan = stack.enter_context(closing(open_reading(journal_path(shard.results))))
        used = [entries[name] for names in groups for name in names]
        embedded = await stack.enter_async_context(served(used, shard.results))
        journal = Journal(connection, shard.results, ended=watch.on_line, failed=watch.fail)
        stack.callback(journal.close)
        terms = replace(shard.terms, embedded=embedded)
        shards = [
            replace(shard, number=number, accounts=tuple(names), terms=terms) for number, names in enumerate(groups)
        ]
        crews = await stack.enter_async_context(_manned(shards, executor))
        watch.elsewhere |= {entry.name: Glance(entry.name, entry.adapter.name, 0, {}) for entry in used}
        watch.halts += [crew.halt for crew in crews]
        yield Fleet(journal, plan, watch, crews)


@asynccontextmanager
async def _manned(shards: Sequence[Shard], executor: Callable[[], Executor]) -> AsyncIterator[list[Crew]]:
    loop, crews, wires = asyncio.get_running_loop(), list[Crew](), list[Wire]()

    async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        wires.append(wire)
        with suppress(asyncio.CancelledError):  # asyncio would show it with a traceback, and nobody waits for this task
            if isinstance(ready := await wire.receive(), Ready):
                crews[ready.shard].pid = ready.pid
                crews[ready.shard].wire.set_result(wire)

    with executor() as seats:
        try:
            with _private_folder() as folder:
                server = await asyncio.start_unix_server(arrive, folder / "journal")
                try:
                    for shard in shards:
                        end = seats.submit(run_shard, replace(shard, address=str(folder / "journal")))
                        crews.append(Crew(shard, asyncio.wrap_future(end), loop.create_future()))
                    for crew in crews:
                        await _ready(crew)
                finally:
                    server.close()
            yield crews
        finally:
            for wire in wires:
                await wire.close()
            if crews:
                await asyncio.wait([crew.end for crew in crews], timeout=_PATIENCE)
            for crew in crews:
                if crew.end.done() and not crew.end.cancelled():
                    crew.end.exception()  # it has been told, or another's was


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


async def _ready(crew: Crew) -> None:
    either: set[asyncio.Future[str] | asyncio.Future[Wire]] = {crew.end, crew.wire}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if crew.wire.done():
        return
    try:
        crew.end.result()
    except Died as died:
        raise Stopped(
            f"{_named(crew)} ended before it could begin ({died.how}); nothing was sent. Run the same command again"
        ) from None
    raise AssertionError(crew.shard)


async def _attend(crew: Crew, journal: Journal, watch: Watch) -> None:
    """Write down what a shard notes, and show what it tells, until it ends."""
    wire = crew.wire.result()
    planned = {name: watch.planned[name] for name in crew.shard.accounts}
    ended = {name: watch.ended[name] for name in crew.shard.accounts}
    for name, lines in planned.items():
        watch.elsewhere[name] = structs.replace(watch.elsewhere[name], lines=lines, ended=ended[name])
    wire.send(Go(planned, ended))
    while (frame := await wire.receive()) is not None:
        await _heed(frame, crew, journal, watch)
    try:
        failure = await crew.end
    except (Died, BatchcartError, OSError) as error:
        _mourn(crew, journal, watch, str(error))
    except Exception as error:  # noqa: BLE001  # a fault over there is the end of those accounts alone
        _mourn(crew, journal, watch, fault_sentence(error, "working in it"))
    else:
        if failure:
            watch.fail(JournalFailed(failure))


async def _heed(frame: Frame, crew: Crew, journal: Journal, watch: Watch) -> None:
    match frame:
        case Rows(rows):
            for row in rows:
                _note(journal, row)
            crew.wire.result().send(Written(await _durable(journal)))
        case Seen(accounts):
            for glance in accounts:
                watch.elsewhere[glance.account] = glance
                watch.ended[glance.account] = dict(glance.ended)
        case Told(event):
            watch.tell(event)
        case _:
            raise AssertionError(frame)


def _note(journal: Journal, row: Row) -> None:
    match row:
        case Intent(line, number, at, request):
            journal.note_intent(line, number, at, request)
        case Answer(line, number, state, values):
            journal.answer(line, number, state, values)
        case End(line, status, learnt, text, keep_past):
            journal.end(line, status, learnt, text, keep_past=keep_past)
        case State(account, state, reason):
            journal.note_state(account, state, reason)
        case Happened(at, event):
            journal.note_event(at, event)


async def _durable(journal: Journal) -> str:
    """Empty once all that was noted is on the disk; else why it is not."""
    try:
        await journal.flush()
    except JournalFailed as failed:
        return str(failed)
    return ""


def _mourn(crew: Crew, journal: Journal, watch: Watch, how: str) -> None:
    sentence = (
        f"{_named(crew)} ended in the middle of its work ({how}); its lines stay open; run the same command again"
    )
    watch.lost.append(sentence)
    event = ProcessLost(sentence)
    journal.note_event(time.time(), event)
    watch.tell(event)
    for name in crew.shard.accounts:
        glance = watch.elsewhere[name]
        if glance.waiting != "closed":  # what it said it had ended may not have come through
            journal.note_state(name, "lost", f"its process died ({how})")
            watch.elsewhere[name] = structs.replace(glance, waiting="closed", why="lost", in_flight=0)


def _named(crew: Crew) -> str:
    pid = f" {crew.pid}" if crew.pid else ""
    names = ", ".join(map(repr, crew.shard.accounts[:5]))
    more = len(crew.shard.accounts) - 5
    return f"the process{pid} for {names}{f' and {more} more accounts' if more > 0 else ''}"
