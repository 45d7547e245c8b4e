"""Owns the journal as a shard has it: its rows go to the process that writes them; it does not know SQLite.

Whatever gathers while one bundle of rows is on its way to the owner's disk and back goes into the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from batchcart.journal.codec import encode_request
from batchcart.journal.writer import JournalFailed
from batchcart.model.events import Event
from batchcart.model.http import Request
from batchcart.runs.workers.protocol import (
    AccountStateRecorded,
    EventRecorded,
    IntentRecorded,
    ResponseRecorded,
    ResultRecorded,
    Row,
    Rows,
)


class RemoteJournal:
    """A journal that another process writes; ``send`` takes a bundle to it, ``finish_batch`` is its acknowledgement."""

    def __init__(self, send: Callable[[Rows], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._rows: list[Row] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._on_its_way: list[asyncio.Future[None]] | None = None
        self._failure: JournalFailed | None = None

    async def record_intent(self, line: int, number: int, at: float, request: Request) -> None:
        """Note that the request is about to leave; returns once that is on the owner's disk.

        Raises JournalFailed where it is not and will not be: then the request must not leave.
        """
        self._check()
        self._put(IntentRecorded(line, number, at, encode_request(request, number)))
        await self._durable()

    def record_response(self, line: int, number: int, state: str, row: Sequence[object]) -> None:
        """Note what became of a request: state, and status, headers, body, why."""
        self._put(ResponseRecorded(line, number, state, cast("tuple[int, str, bytes, str]", tuple(row))))

    def record_result(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        """Note how an operation ended."""
        self._put(ResultRecorded(line, status, learnt, text, keep_past))

    def record_account_state(self, account: str, state: str, reason: str) -> None:
        """Note that an account was given up."""
        self._put(AccountStateRecorded(account, state, reason))

    def record_event(self, at: float, event: Event) -> None:
        """Note what a person must see."""
        self._put(EventRecorded(at, event))

    async def flush(self) -> None:
        """Wait until everything noted so far is on the owner's disk; raises JournalFailed where any of it is not."""
        if self._rows or self._on_its_way is not None:
            await self._durable()
        self._check()

    def finish_batch(self, failure: str) -> None:
        """The bundle that was on its way is on the disk; or it is not, for the reason given."""
        released, self._on_its_way = self._on_its_way or [], None
        if failure and self._failure is None:
            self._failure = JournalFailed(failure)
        for waiter in released:
            if not waiter.done():
                if failure:
                    waiter.set_exception(JournalFailed(failure))
                else:
                    waiter.set_result(None)
        self._hand_over()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _durable(self) -> None:
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _put(self, row: Row) -> None:
        if not self._rows:
            # Everything the loop does in this turn goes into one bundle.
            self._loop.call_soon(self._hand_over)
        self._rows.append(row)

    def _hand_over(self) -> None:
        if self._on_its_way is None and (self._rows or self._waiting):
            rows, self._rows = self._rows, []
            self._on_its_way, self._waiting = self._waiting, []
            self._send(Rows(rows))
