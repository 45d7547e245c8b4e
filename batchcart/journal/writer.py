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
        self._ended = ended
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._open = _Batch()
        self._failure: JournalFailed | None = None
        self._thread = threading.Thread(target=self._work, name="batchcart-journal", daemon=True)
        self._thread.start()

    async def intend(self, line: int, number: int, at: float, request: Request) -> None:
        """Note that the request is about to leave; returns once that is on the disk. Raises JournalFailed."""
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
        self._check()
        self._until += len(text) + 1
        if not keep_past:
            self._put((_FORGET, (line,)))
        self._open.lines.append(text)
        self._put((_RESULT, (line, status, learnt, text, self._until)))

    def note_state(self, account: str, state: str, reason: str) -> None:
        """Note that an account was given up, for `status`."""
        self._put((_STATE, (f"state:{account}", msgspec.json.encode((state, reason)).decode())))

    async def flush(self) -> None:
        """Wait until everything noted so far is on the disk."""
        self._check()
        waiter = self._loop.create_future()
        self._open.waiters.append(waiter)
        self._hand_over()
        await waiter

    def close(self) -> None:
        """Write what is left, and end the thread; the result file is synced."""
        self._hand_over()
        self._inbox.put(None)
        self._thread.join()
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
        while (batch := self._inbox.get()) is not None:
            last = False
            with contextlib.suppress(queue.Empty):
                while (more := self._inbox.get_nowait()) is not None:
                    batch.statements += more.statements
                    batch.waiters += more.waiters
                    batch.lines += more.lines
                last = True
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: _Batch) -> None:
        try:
            if self._failure is None:
                self._write(batch)
        except (sqlite3.Error, OSError) as error:
            self._failure = JournalFailed(
                f"{self._results_path} and its journal cannot be written: {error}. Sending has stopped and nothing "
                "that was done is forgotten; make room, then run the same command again"
            )
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            self._loop.call_soon_threadsafe(self._failed, self._failure)
        self._loop.call_soon_threadsafe(_release, batch.waiters, self._failure)

    def _write(self, batch: _Batch) -> None:
        if batch.statements:
            self._connection.execute("BEGIN")
            for sql, values in batch.statements:
                self._connection.execute(sql, values)
            self._connection.execute("COMMIT")
        if batch.lines:
            text = memoryview(b"\n".join(batch.lines) + b"\n")
            while text:
                text = text[os.write(self._results, text) :]
            for line in batch.lines:
                self._ended(line)


def _release(waiters: "list[asyncio.Future[None]]", failure: JournalFailed | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
