"""Owns an account's chains as a seat has them: out of the parcels that the hub sends; it asks for the next in time."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from batchcart.accounts.config import Account
from batchcart.engine.chain_feed import ChainStep, ChainWork, CompletedStep, PendingStep, parse_planned
from batchcart.jobs.job_file import RawLine
from batchcart.journal.queries import ChainUpdate
from batchcart.model.outcome import Status
from batchcart.runs.seats.protocol import JobStep, Parcel

PARCEL = 400
"""Lines of a parcel at the most."""

_LEAST_PARCEL = 16
_ALL_PARCELS = 16_384  # lines that a seat has in memory, of all its accounts together

_learnt = msgspec.json.Decoder(ChainUpdate).decode


def parcel_lines(accounts: int) -> int:
    """How many lines a seat with so many accounts asks for at a time."""
    return max(_LEAST_PARCEL, min(PARCEL, _ALL_PARCELS // max(1, accounts)))


@dataclass(slots=True)
class _Lane:
    """The steps of one chain that are here and not begun; ``whole`` once all that it has came."""

    steps: deque[JobStep] = field(default_factory=deque)
    whole: bool = False


class ParcelFeed:
    """The chains of one account. ``ask`` is called when more lines are wanted."""

    def __init__(self, job: str, default_account: str | None, ask: Callable[[], None]) -> None:
        self._job, self._default, self._ask = job, default_account, ask
        self._account: Account | None = None
        self._lanes: deque[tuple[int, _Lane]] = deque()
        self._last: tuple[int, _Lane] | None = None
        self._here = self._low = 0
        self._asked = self._all_came = False
        self._changed = asyncio.Event()

    def begin(self, account: Account) -> None:
        """Ask for the first parcel; it is this account's."""
        self._account = account
        self._want()

    def put(self, parcel: Parcel) -> None:
        """Take in what the hub sent."""
        self._asked = False
        for step in parcel.steps:
            if self._last is None or self._last[0] != step.chain:
                self._close_last()
                self._last = step.chain, _Lane()
                self._lanes.append(self._last)
            self._last[1].steps.append(step)
        self._here += len(parcel.steps)
        self._low = len(parcel.steps) // 2
        if parcel.rest:
            self._all_came = True
            self._close_last()
        self._wake()
        self._want()

    def end(self) -> None:
        """Nothing more is begun: whoever waits here goes on."""
        self._all_came = True
        self._close_last()
        for _, lane in self._lanes:
            lane.steps.clear()
        if self._last is not None:
            self._last[1].steps.clear()
        self._lanes.clear()
        self._wake()

    async def next_chain(self) -> ChainWork | None:
        """The next chain that has open lines."""
        while not self._lanes:
            if self._all_came:
                return None
            await self._changed.wait()
        number, lane = self._lanes.popleft()
        return ChainWork(number, partial(self._next_step, lane))

    async def _next_step(self, lane: _Lane) -> ChainStep | None:
        while not lane.steps:
            if lane.whole:
                return None
            await self._changed.wait()
        assert self._account is not None
        step = lane.steps.popleft()
        self._here -= 1
        self._want()
        operation = parse_planned(RawLine(step.line, 0, step.text), self._default, self._account, self._job)
        if step.status:
            return CompletedStep(operation, Status(step.status), _learnt(step.learnt))
        return PendingStep(operation, step.sent)

    def _want(self) -> None:
        """Ask for the next parcel once half of the last one is under way."""
        if not (self._asked or self._all_came) and self._here <= self._low:
            self._asked = True
            self._ask()

    def _close_last(self) -> None:
        if self._last is not None:
            self._last[1].whole = True

    def _wake(self) -> None:
        """Let all go on that wait for steps, and have the next ones wait anew."""
        self._changed.set()
        self._changed = asyncio.Event()
