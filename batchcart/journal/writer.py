"""Owns the one thread that writes the journal and, behind it, the result file; it does not decide what is written.

An intent is durable before its request leaves, and a result is durable before its line stands in the result file.
Whatever has gathered while one commit was on its way to the disk goes into the next: group commit.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchcart.errors import Stopped
from batchcart.exchange import Request
from batchcart.journal.rows import request_text

Statement = tuple[str, Sequence[object]]

_INTENT = "INSERT INTO send (line, n, at, state, request) VALUES (?, ?, ?, 'sent', ?)"
_ANSWER = "UPDATE send SET state = ?, status = ?, headers = ?, body = ?, why = ? WHERE line = ? AND n = ?"
_RESULT = "INSERT INTO result (line, status, learnt, text, until) VALUES (?, ?, ?, ?, ?)"
_STATE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_FORGET = "DELETE FROM send WHERE line = ?"


_RESERVE = 1 << 18
"""Bytes of disk kept back for the answers to what is on its way when the disk turns out to be full."""


class JournalFailed(Stopped):
    """The journal or the result file takes no more; nothing may be sent any longer."""


@dataclass(slots=True)
class _Batch:
    statements: list[Statement] = field(default_factory=list)
    waiters: list["asyncio.Future[None]"] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class Journal:
    """The journal, open for writing. ``ended`` is told of each result line, in the writer's thread, once it is safe.

    ``failed`` is called once, in the loop's thread, when the disk takes no more.
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
        self._results = os.open(results, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._until: int = os.fstat(self._results).st_size
        self._reserve = Path(f"{results}.journal.reserve")
        with contextlib.suppress(OSError):
            self._reserve.write_bytes(bytes(_RESERVE))
        self._ended = ended
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._open = _Batch()
        self._owed = _Batch()
        self._gap = False
        self._failure: JournalFailed | None = None
        self._thread = threading.Thread(target=self._work, name="batchcart-journal", daemon=True)
        self._thread.start()

    async def intend(self, line: int, number: int, at: float, request: Request) -> None:
        """Note that the request is about to leave; returns once that is on the disk.

        Raises JournalFailed where it is not and will not be: then the request must not leave.
        """
        self._check()
        waiter = self._loop.create_future()
        self._open.waiters.append(waiter)
        self._put((_INTENT, (line, number, at, request_text(request))))
        await waiter

    def answer(self, line: int, number: int, state: str, row: Sequence[object]) -> None:
        """Note what became of a request: state, and status, headers, body, why."""
        self._put((_ANSWER, (state, *row, line, number)))

    def end(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        """Note how an operation ended; its line follows in the result file."""
        self._until += len(text) + 1
        if not keep_past:
            self._put((_FORGET, (line,)))
        self._open.lines.append(text)
        self._put((_RESULT, (line, status, learnt, text, self._until)))

    def note_state(self, account: str, state: str, reason: str) -> None:
        """Note that an account was given up, for `status`."""
        self._put((_STATE, (f"state:{account}", msgspec.json.encode((state, reason)).decode())))

    async def flush(self) -> None:
        """Wait until everything noted so far is on the disk; raises JournalFailed where any of it is not."""
        waiter = self._loop.create_future()
        self._open.waiters.append(waiter)
        self._hand_over()
        await waiter
        self._check()

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

    def _put(self, statement: Statement) -> None:
        if not self._open.statements:
            # Everything the loop does in this turn goes into one batch.
            self._loop.call_soon(self._hand_over)
        self._open.statements.append(statement)

    def _hand_over(self) -> None:
        if self._open.statements or self._open.waiters:
            self._inbox.put(self._open)
            self._open = _Batch()

    def _work(self) -> None:
        last = False
        while not last and (batch := self._inbox.get()) is not None:
            with contextlib.suppress(queue.Empty):
                while (more := self._inbox.get_nowait()) is not None:
                    batch.statements += more.statements
                    batch.waiters += more.waiters
                    batch.lines += more.lines
                last = True
            self._commit(batch)
        if self._owed.statements:
            self._commit(_Batch())

    def _commit(self, batch: _Batch) -> None:
        """Write the batch; what the disk does not take is tried again with the next one, in the room kept back.

        Intents are not: nothing is sent any more. But requests that are on their way end, and where the disk takes
        their answers after all, nobody need ask the shop what became of them.
        """
        batch = _Batch(self._owed.statements + batch.statements, batch.waiters, self._owed.lines + batch.lines)
        self._owed = _Batch()
        refusal: JournalFailed | None = None
        try:
            self._write(batch.statements)
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            refusal = self._fail(error)
            kept = [statement for statement in batch.statements if statement[0] is not _INTENT]
            self._owed = _Batch(kept, [], batch.lines)
        if refusal is None:
            self._append(batch.lines)
        self._loop.call_soon_threadsafe(_release, batch.waiters, refusal)

    def _fail(self, error: Exception) -> JournalFailed:
        if self._failure is None:
            self._failure = JournalFailed(
                f"{self._results_path} and its journal cannot be written: {error}. Sending has stopped and nothing "
                "that was done is forgotten; make room, then run the same command again"
            )
            self._loop.call_soon_threadsafe(self._failed, self._failure)
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
        return self._failure

    def _write(self, statements: Sequence[Statement]) -> None:
        if statements:
            self._connection.execute("BEGIN")
            for sql, values in statements:
                self._connection.execute(sql, values)
            self._connection.execute("COMMIT")

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


def _release(waiters: "list[asyncio.Future[None]]", failure: JournalFailed | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
