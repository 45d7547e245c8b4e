"""Owns the one thread that writes the journal and, behind it, the result file; it does not decide what is written.

An intent is durable before its request leaves, and a result is durable before its line stands in the result file.
Whatever has gathered while one commit was on its way to the disk goes into the next: group commit. A batch is handed
over some turns of the loop after its last row, so that a result and the next line's intent share a commit; at once
where as many intents have gathered as the last commit let leave, for then nobody is left who could bring more.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from batchcart.journal.batch import AnswerRow, Batch, EndRow, IntentRow
from batchcart.journal.codec import encode_request
from batchcart.journal.event_row import event_row
from batchcart.journal.settlement import SettledRow
from batchcart.model.errors import Stopped
from batchcart.model.events import Event
from batchcart.model.files import create_fresh, open_appending
from batchcart.model.http import Request

_RESERVE = 1 << 18
"""Bytes of disk kept back for the answers to what is on its way when the disk turns out to be full."""


TURNS = 8
"""Turns of the loop that what was noted waits for more."""

_ENOUGH = 64  # intents that wait no longer
_LONGEST_PAUSE = 0.005  # seconds between two commits of what other processes note; half of what the last one took


class JournalFailed(Stopped):
    """The journal or the result file takes no more; nothing may be sent any longer."""


class JournalWriter:
    """The journal, open for writing. ``ended`` is told of each result line, in the writer's thread, once it is safe.

    ``failed`` is called once, in the loop's thread, when the disk takes no more. ``at_disk`` says that a batch is on
    its way there.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        results: Path,
        *,
        ended: Callable[[bytes], None],
        failed: Callable[[JournalFailed], None],
    ) -> None:
        self._connection = connection
        self._results_path = results
        self._results = open_appending(results)
        self._until: int = os.fstat(self._results).st_size
        self._reserve = Path(f"{results}.journal.reserve")
        with contextlib.suppress(OSError), create_fresh(self._reserve) as reserve:
            reserve.write(bytes(_RESERVE))
        self._ended = ended
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._open = Batch()
        self._due = False
        self._quiet = 0  # turns of the loop since the last row
        self.at_disk = self._from_others = False
        self._handed_over = self._pause_until = 0.0
        # Intents that the last commit let leave and that no new ones have followed yet; at first as many as can be.
        self._expected = _ENOUGH
        self._owed = Batch()
        self._gap = False
        self._failure: JournalFailed | None = None
        self._thread = threading.Thread(target=self._work, name="batchcart-journal", daemon=True)
        self._thread.start()

    def record_intent(self, line: int, number: int, at: float, request: Request) -> Awaitable[None]:
        """Note that the request is about to leave; to be awaited until that is on the disk.

        Raises JournalFailed, now or then, where it is not and will not be: then the request must not leave.
        """
        self._check()
        waiter = self._loop.create_future()
        batch = self._gathering()
        self._expected -= 1
        batch.waiters.append(waiter)
        batch.intents.append((line, number, at, encode_request(request, number)))
        return waiter

    def record_response(self, line: int, number: int, state: str, row: Sequence[object]) -> None:
        """Note what became of a request: state, and status, headers, body, why."""
        self._gathering().answers.append((line, number, state, row))

    def record_result(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        """Note how an operation ended; its line follows in the result file."""
        self._gathering()
        self._add_result(line, status, learnt, text, keep_past)

    def record_rows(
        self, intents: Sequence[IntentRow], answers: Sequence[AnswerRow], results: Sequence[EndRow]
    ) -> None:
        """Note what another process has gathered, its requests in the journal's own words."""
        self._from_others = True
        batch = self._gathering()
        batch.intents += intents
        batch.answers += answers
        for result in results:
            self._add_result(*result)

    def _add_result(self, line: int, status: str, learnt: str, text: bytes, keep_past: bool) -> None:  # noqa: FBT001  # a row
        batch = self._open
        self._until += len(text) + 1
        if not keep_past:
            batch.forgotten.add(line)
        batch.results.append((line, status, learnt, text, self._until))

    def record_account_state(self, account: str, state: str, reason: str) -> None:
        """Note that an account was closed, for `status`."""
        self._gathering().states.append((f"state:{account}", msgspec.json.encode((state, reason)).decode()))

    def record_event(self, at: float, event: Event) -> None:
        """Note what a person must see, for the report's timeline."""
        self._gathering().events.append(event_row(at, event))

    def record_settlements(self, settled: Sequence[SettledRow]) -> None:
        """Note what became of lines that were in doubt; the result file follows on mending."""
        self._gathering().settled += settled

    async def flush(self) -> None:
        """Wait until everything noted so far is on the disk; raises JournalFailed if any of it is not."""
        waiter = self._loop.create_future()
        self._gathering().waiters.append(waiter)
        await waiter
        self._check()

    def tell_written(self, listener: Callable[[str], None]) -> None:
        """Tell the listener once everything noted so far is on the disk: "", or the reason why it is not."""
        self._gathering().listeners.append(listener)

    def close(self) -> None:
        """Write what is left, and end the thread; the result file is synced."""
        self._hand_over()
        self._inbox.put(None)
        self._thread.join()
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.fsync(self._results)
        os.close(self._results)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _gathering(self) -> Batch:
        """What is written next: all that gathers before it is handed over, or while an earlier batch is at the disk."""
        self._quiet = 0
        if not (self._due or self.at_disk):
            self._wait()
        return self._open

    def _wait(self) -> None:
        """Hand the batch over after a while.

        Other processes that were told of the last one have more to note a moment after it: one commit for all of them.
        """
        self._due = True
        if self._from_others:
            self._loop.call_at(self._pause_until, self._hand_over)
        else:
            self._loop.call_soon(self._wait_for_more)

    def _wait_for_more(self) -> None:
        """Hand the batch over once nothing more comes: what follows from a result is an intent a moment after it.

        Together they wait for one commit and not for two in turn. A turn with nothing to do costs microseconds, and
        none is spent where all have come.
        """
        self._quiet += 1
        if self._quiet <= TURNS and self._expected > 0 and len(self._open.intents) < _ENOUGH:
            self._loop.call_soon(self._wait_for_more)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._due = False
        if not self._open.empty:
            self.at_disk = True
            self._handed_over = self._loop.time()
            self._inbox.put(self._open)
            self._open = Batch()

    def _finish_batch(self, batch: Batch, failure: JournalFailed | None) -> None:
        """In the loop's thread: tell those who waited for the batch, and let the next one follow."""
        self.at_disk = False
        self._expected = len(batch.intents)
        for waiter in batch.waiters:
            if not waiter.done():
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)
        for listener in batch.listeners:
            listener(str(failure or self._failure or ""))
        now = self._loop.time()
        self._pause_until = now + min(_LONGEST_PAUSE, (now - self._handed_over) / 2)
        if not self._open.empty:
            self._wait()

    def _work(self) -> None:
        last = False
        while not last and (batch := self._inbox.get()) is not None:
            with contextlib.suppress(queue.Empty):
                while (more := self._inbox.get_nowait()) is not None:
                    batch.add(more)
                last = True
            self._commit(batch)
        if not self._owed.empty:
            self._commit(Batch())

    def _commit(self, batch: Batch) -> None:
        """Write the batch; what the disk does not take is tried again with the next one, in the room kept back.

        Intents are not: nothing is sent any more. But requests that are on their way end, and where the disk takes
        their answers after all, nobody need ask the shop what became of them.
        """
        self._owed.add(batch)
        batch, self._owed = self._owed, Batch()
        refusal: JournalFailed | None = None
        try:
            batch.write(self._connection)
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            refusal = self._fail(error)
            self._owed = batch.without_intents()
        if refusal is None:
            self._append([text for _, _, _, text, _ in batch.results])
        self._loop.call_soon_threadsafe(self._finish_batch, batch, refusal)

    def _fail(self, error: Exception) -> JournalFailed:
        if self._failure is None:
            damaged = isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.OperationalError)
            next_step = "restore a copy of the journal" if damaged else "make room"
            self._failure = JournalFailed(
                f"{self._results_path} and its journal cannot be written: {error}. Sending has stopped and nothing "
                f"that was done is forgotten; {next_step}, then run the same command again"
            )
            self._loop.call_soon_threadsafe(self._failed, self._failure)
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
        return self._failure

    def _append(self, lines: Sequence[bytes]) -> None:
        """Put lines that the journal has into the result file; a file with a gap in it gets no more."""
        if lines and not self._gap:
            text = memoryview(b"\n".join(lines) + b"\n")
            try:
                while text:
                    text = text[os.write(self._results, text) :]
            except OSError as error:
                self._gap = True
                self._fail(error)
        for line in lines:
            self._ended(line)
