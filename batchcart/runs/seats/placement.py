"""Owns which seat has which account, and gives it their lines as it asks; it does not know what seats do with them."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product

from batchcart.engine.chain_feed import PlannedJob
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.runs.context import RunContext
from batchcart.runs.seats.dealing import deal, relieve
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import Drop, Parcel
from batchcart.runs.seats.seat_link import SeatLink, Starter

GREETING = 10.0
"""Seconds that a connection has to say who it is, and that the first seats are waited for."""

_RELIEF, _TURN = 1.0, 0.005  # seconds until one seat may give accounts to another again; of dealing at a time


@dataclass(slots=True)
class Placement:
    """Which of the ``holdings`` go to which of the ``links``; nothing is given any more once it is ``stopped``.

    Accounts are dealt once all seats that the starter expects are there, or have had their time.
    """

    job: PlannedJob
    context: RunContext[JournalWriter]
    holdings: Mapping[int, Holding]
    starter: Starter
    links: Sequence[SeatLink]
    stopped: bool = False
    _began: float = field(init=False)
    _relieved: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.context.deps.clock()

    def stop(self) -> None:
        """Give nothing away any more."""
        self.stopped = True

    @property
    def unheld(self) -> list[Holding]:
        """The accounts with open lines that no seat has."""
        held = {number for link in self.links for number in link.held}
        return [holding for number, holding in self.holdings.items() if not holding.over and number not in held]

    async def give(self) -> None:
        """Give away the accounts that may be."""
        now = self.context.deps.clock()
        ready = [holding for holding in self.unheld if holding.free_at <= now]
        seats = [link for link in self.links if not link.leaving]
        waits = len(seats) < self.starter.expected and now - self._began < GREETING
        if not ready or not seats or waits or self.stopped:
            return
        with suppress(JournalFailed):  # the run is told otherwise
            await self.context.journal.flush()
        loads = {link: [holding.rate for holding in link.held.values()] for link in seats}
        for number, link in deal({holding.number: holding.rate for holding in ready}, loads):
            if not (link.gone or self.stopped):
                self._grant(link, self.holdings[number])
            if self.context.deps.clock() >= now + _TURN:
                await asyncio.sleep(0)  # the seats that are at work wait for no dealing of thousands
                now = self.context.deps.clock()

    def _grant(self, link: SeatLink, holding: Holding) -> None:
        try:
            take = holding.grant(self.job)
        except JournalFailed as failed:
            self.context.monitor.fail(failed)
            return
        if holding.walk is not None and holding.walk.over:
            holding.over = True
        else:
            link.held[holding.number] = holding
            link.stream.send(take)

    def relieve(self) -> None:
        """Take accounts back from the fullest seat for one that has none."""
        now = self.context.deps.clock()
        if now < self._relieved + _RELIEF:
            return
        self._relieved = now
        seats = [link for link in self.links if not link.leaving]
        idle = any(not link.held for link in seats)
        moving = any(holding.dropping for link in seats for holding in link.held.values())
        if len(seats) < 2 or not idle or moving or self.stopped or any(self.unheld):
            return
        held = {link: {number: (holding.rate, holding.left) for number, holding in link.held.items()} for link in seats}
        for link, number in product(seats, relieve(held)):
            if number in link.held:
                ask_back(link, link.held[number])

    def send_wanted(self) -> None:
        """Hand out what was held back and is so no longer, or has been for long enough.

        Never while late answers are written down: what they end would be handed out as it was before.
        """
        now = self.context.deps.clock()
        for link in self.links:
            for holding in [holding for holding in link.held.values() if holding.wanted]:
                self.send_parcel(link, holding, holding.wanted, overdue=now >= holding.waits_until)

    def send_parcel(self, link: SeatLink, holding: Holding, lines: int, *, overdue: bool = False) -> None:
        """Hand the account's next lines to its seat; later, if all that is left waits and is not ``overdue``."""
        if holding.walk is None:
            return
        try:
            if holding.walk.waits and overdue:
                holding.walk.release()
            holding.wanted = lines if holding.walk.waits else 0
            if holding.wanted:
                return
            steps = holding.walk.cut(lines)
        except JournalFailed as failed:
            self.context.monitor.fail(failed)
            return
        link.stream.send(Parcel(holding.number, holding.epoch, steps, holding.walk.over))


def ask_back(link: SeatLink, holding: Holding) -> None:
    """Have the seat give the account back."""
    if not holding.dropping:
        holding.dropping = True
        link.stream.send(Drop(holding.number, holding.epoch))
