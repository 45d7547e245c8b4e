"""Owns the journal as a seat has it: its rows go to the hub, which writes them; it does not know SQLite.

Whatever gathers while one bundle of rows is on its way to the hub's disk and back goes into the next one. An
acknowledged intent is a permit that lasts for so long from when its bundle was handed over: the hub acknowledges later
than that, so whatever may still leave does so before ``LASTS`` seconds have gone by after the last acknowledgement.
Where the hub's disk took most of that time, an empty bundle asks anew: nothing is to be written for it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from batchcart.journal.codec import encode_request
from batchcart.journal.permit import Permit, read_clock
from batchcart.journal.writer import TURNS, JournalFailed
from batchcart.model.events import Event
from batchcart.model.http import Request
from batchcart.runs.seats.late_answers import gather_answers
from batchcart.runs.seats.protocol import AccountRows, LateAnswer, Rows
from batchcart.runs.seats.settling import LASTS

if TYPE_CHECKING:
    from batchcart.journal.batch import IntentRow

_LARGE = 32 << 20  # bytes of a bundle that takes no more


@dataclass(slots=True)
class _Bundle:
    """Rows that go together, and those who wait until they are on the disk; ``written`` says that they are."""

    accounts: dict[tuple[int, int], AccountRows] = field(default_factory=dict)
    waiting: "list[asyncio.Future[Permit]]" = field(default_factory=list)
    size: int = 0
    written: bool = False


class RemoteJournal:
    """A journal that the hub writes; ``send`` takes a bundle to it, ``finish_bundle`` is its acknowledgement."""

    def __init__(self, send: Callable[[Rows], None], lasts: float = LASTS) -> None:
        self._send, self._lasts = send, lasts
        self._loop = asyncio.get_running_loop()
        self._ahead: deque[_Bundle] = deque()
        self._open = _Bundle()
        self._under_way: _Bundle | None = None
        self._handed_over = 0.0
        self._due = False
        self._failure: JournalFailed | None = None
        self._permits: deque[Permit] = deque()
        self.sent: dict[int, tuple[IntentRow, ...]] = {}
        """The requests of each line that has not ended on the hub's disk."""

    def of_account(self, account: int, epoch: int) -> "AccountJournal":
        """The journal as one account's session has it."""
        return AccountJournal(self, account, epoch)

    def rows(self, account: int, epoch: int, size: int = 0) -> AccountRows:
        """The account's rows in the bundle that gathers, with room for one more of that many bytes."""
        if self._open.size + size > _LARGE and self._open.size:
            self._ahead.append(self._open)
            self._open = _Bundle()
        self._open.size += size
        if not self._due:
            self._due = True
            self._loop.call_soon(self._wait_for_more, TURNS)
        rows = self._open.accounts.get((account, epoch))
        if rows is None:
            rows = self._open.accounts[account, epoch] = AccountRows(account, epoch, [], [], [], [], [])
        return rows

    def wait(self) -> "asyncio.Future[Permit]":
        """What comes back once the bundle that gathers is on the hub's disk; raises JournalFailed, now or then."""
        self.check()
        waiter: asyncio.Future[Permit] = self._loop.create_future()
        self._open.waiting.append(waiter)
        return waiter

    async def flush(self) -> None:
        """Wait until everything noted so far is on the hub's disk; raises JournalFailed where any of it is not."""
        if self._open.accounts or self._under_way is not None:
            await self.wait()
        self.check()

    @property
    def has_failed(self) -> bool:
        """Whether nothing is written any more."""
        return self._failure is not None

    def check(self) -> None:
        """Raises JournalFailed where nothing is written any more."""
        if self._failure is not None:
            raise self._failure

    def finish_bundle(self, failure: str) -> None:
        """The bundle that was on its way is on the disk; or it is not, for the reason given."""
        bundle = self._under_way or _Bundle(written=True)
        if not (failure or bundle.written) and read_clock() > self._handed_over + self._lasts / 2:
            bundle.written = True
            self._ask(Rows([]))
            return
        self._under_way = None
        if failure and self._failure is None:
            self._failure = JournalFailed(failure)
        for rows in bundle.accounts.values():
            for result in rows.results:
                self.sent.pop(result[0], None)
        permit = self._grant()
        for waiter in bundle.waiting:
            if not waiter.done():
                if failure:
                    waiter.set_exception(JournalFailed(failure))
                else:
                    waiter.set_result(permit)
        self._hand_over()

    def lose_hub(self) -> None:
        """Nothing is acknowledged any more: nothing leaves that has not left yet."""
        self._failure = JournalFailed("the hub is gone")
        for permit in self._permits:
            permit.take_back()
        for bundle in self._bundles():
            for waiter in bundle.waiting:
                if not waiter.done():
                    waiter.set_exception(self._failure)

    def late_answers(self) -> list[LateAnswer]:
        """What became of requests, as far as the hub does not know it."""
        rows = [rows for bundle in self._bundles() for rows in bundle.accounts.values()]
        return gather_answers(self.sent, rows)

    def _grant(self) -> Permit:
        """For all whose intents were in the bundle that is written."""
        permit = Permit(self._handed_over + self._lasts)
        while self._permits and self._permits[0].until < self._handed_over:
            self._permits.popleft()
        self._permits.append(permit)
        return permit

    def _bundles(self) -> "Iterator[_Bundle]":
        if self._under_way is not None:
            yield self._under_way
        yield from self._ahead
        yield self._open

    def _wait_for_more(self, turns: int) -> None:
        """Hand the bundle over some turns of the loop later: a result and the next line's intent go together."""
        if turns:
            self._loop.call_soon(self._wait_for_more, turns - 1)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._due = False
        if self._under_way is not None:
            return
        if self._ahead:
            self._under_way = self._ahead.popleft()
        elif self._open.accounts or self._open.waiting:
            self._under_way, self._open = self._open, _Bundle()
        else:
            return
        self._ask(Rows(list(self._under_way.accounts.values())))

    def _ask(self, rows: Rows) -> None:
        self._handed_over = read_clock()
        self._send(rows)


@dataclass(frozen=True, slots=True)
class AccountJournal:
    """One account's share of a journal that the hub writes, for one epoch."""

    journal: RemoteJournal
    account: int
    epoch: int

    def record_intent(self, line: int, number: int, at: float, request: Request) -> Awaitable[Permit]:
        """Note that the request is about to leave; to be awaited until that is on the hub's disk.

        Raises JournalFailed where it is not and will not be: then the request must not leave.
        """
        self.journal.check()
        text = encode_request(request, number)
        intent = line, number, at, text
        self.journal.rows(self.account, self.epoch, len(text)).intents.append(intent)
        if line > 0:
            sent = self.journal.sent
            sent[line] = (*sent[line], intent) if line in sent else (intent,)
        return self.journal.wait()

    def record_response(self, line: int, number: int, state: str, row: Sequence[object]) -> None:
        """Note what became of a request: state, and status, headers, body, why."""
        values = cast("tuple[int | None, str | None, bytes | None, str | None]", tuple(row))
        self._rows(len(values[2] or b"")).responses.append((line, number, state, values))

    def record_result(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        """Note how an operation ended."""
        self._rows(len(text)).results.append((line, status, learnt, text, keep_past))

    def record_account_state(self, account: str, state: str, reason: str) -> None:  # noqa: ARG002  # it is this one
        """Note that the account was closed."""
        self._rows().states.append((state, reason))

    def record_event(self, at: float, event: Event) -> None:
        """Note what a person must see."""
        self._rows().events.append((at, event))

    def _rows(self, size: int = 0) -> AccountRows:
        return self.journal.rows(self.account, self.epoch, size)
