"""Owns a run whose accounts are worked on by seats: who has which account, since when, and what is written for it.

An account has one seat at a time, and its rows are taken from that one alone. What a seat may still send once it is
gone, it sends within ``LASTS`` seconds of its last acknowledgement; the account goes to another one only ``SETTLE``
seconds later, and everything without an answer is then asked about as after a kill.
"""

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from msgspec import structs

from batchcart import __version__
from batchcart.engine.chain_feed import PlannedJob
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.events import WorkerDied
from batchcart.model.fault import fault_sentence
from batchcart.runs.context import RunContext
from batchcart.runs.seats.evidence import take_answers
from batchcart.runs.seats.frames import MAX_GREETING, FrameStream, NotSpoken
from batchcart.runs.seats.holding import MOST_DEATHS, Holding
from batchcart.runs.seats.placement import GREETING, Placement, ask_back
from batchcart.runs.seats.protocol import (
    AccountRows,
    Broken,
    Bye,
    Finished,
    FreshTokens,
    FromSeat,
    Halt,
    Hello,
    Kept,
    Late,
    LateTokens,
    Learnt,
    Leaving,
    More,
    Refused,
    Rows,
    Seen,
    Taken,
    Welcome,
    Written,
)
from batchcart.runs.seats.seat_link import SeatLink, Starter, describe_death
from batchcart.runs.seats.settling import LASTS, SETTLE, WAITS
from batchcart.runs.seats.write_rows import write_rows
from batchcart.runs.snapshot import AccountSnapshot

SILENCE = 6.0
"""Seconds without a word after which a seat is taken for lost."""

_SILENCE_AT_END = 4.0  # the same for a process of this run once it is stopped: no other one gets its accounts now
_TICK, _BREATH = 0.25, 0.05
_LATE = 1.0  # seconds by which a tick is late when the hub itself stood still


@dataclass(slots=True)
class Hub:
    """The one place where a run's accounts are given away and its rows are written.

    ``greeted`` are the pids of the seats that came.
    """

    job: PlannedJob
    context: RunContext[JournalWriter]
    holdings: Mapping[int, Holding]
    starter: Starter
    greeted: set[int]
    placement: Placement = field(init=False)
    links: list[SeatLink] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _ticked: float = 0.0
    _alone_since: float | None = None
    _dealing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.placement = Placement(self.job, self.context, self.holdings, self.starter, self.links)

    async def work(self) -> None:
        """Have the seats work until every account has ended, was closed or halted, and let them go."""
        self._ticked = self.context.deps.clock()
        while not self.is_over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _TICK)
            self._changed.clear()
            self._watch()
            async with self._dealing:
                await self.placement.give()
                self.placement.send_wanted()
            self.placement.relieve()
            await asyncio.sleep(_BREATH)  # thousands may change one after the other, and each look is at all of them
        for link in self.links:
            link.stream.send(Bye())
        if self._tasks:  # what is to be told of a seat that died
            await asyncio.wait(self._tasks)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is begun."""
        return self.placement.stopped

    @property
    def is_over(self) -> bool:
        """Whether no account is worked on any more."""
        return all(holding.over for holding in self.holdings.values())

    def halt(self) -> None:
        """Begin nothing more: what seats have ends within the requests in flight, all else now."""
        self.placement.stop()
        for holding in self.placement.unheld:
            holding.over = True
        for link in self.links:
            link.stream.send(Halt())
        self._changed.set()

    def give_up(self, why: str) -> None:
        """No seat will come any more: the run ends, and says why."""
        self.context.monitor.report_lost(why)
        self.context.emit(WorkerDied(why))
        self.halt()

    # One seat, from its first word to its last

    async def attend(self, stream: FrameStream[FromSeat]) -> None:
        """Hear a seat as long as it is there, and do as it says."""
        link = await self._greet(stream)
        if link is None:
            await stream.close()
            return
        why = ""
        try:
            while not link.gone and (word := await stream.receive()) is not None:
                link.heard_at = self.context.deps.clock()
                match word:
                    case Broken(why, journal):
                        if journal:
                            self.context.monitor.fail(JournalFailed(why))
                    case Late(run):
                        await self._hear_late(link, word if run == self.job.run else Late(run, []))
                    case _:
                        self._handle(link, word)
        except NotSpoken as wrong:
            why = str(wrong)
        except Exception as error:  # noqa: BLE001  # one seat's words must not end the others' work
            why = fault_sentence(error, "listening to it")
        stream.cut()
        self._lose(link, why)

    async def _greet(self, stream: FrameStream[FromSeat]) -> SeatLink | None:
        try:
            async with asyncio.timeout(GREETING):
                hello = await stream.receive(MAX_GREETING)
        except (TimeoutError, NotSpoken):
            return None
        if not isinstance(hello, Hello):
            return None
        if hello.version != __version__:
            why = f"this seat has batchcart {hello.version}, and the run {__version__}; install the same on both"
            stream.send(Refused(why))
            return None
        link = SeatLink(stream, hello, self.context.deps.clock(), self.context.deps.clock(), leaving=hello.late)
        self.links.append(link)
        self.greeted.add(hello.pid)
        job, settings, wall = self.job, self.context.settings, self.context.deps.wall()
        stream.send(
            Welcome(wall, job.run, job.source.name, job.default_account, settings.patience, settings.stop_after)
        )
        if self.is_over or self.stopping:
            stream.send(Bye() if self.is_over else Halt())
        self._changed.set()
        return link

    def _handle(self, link: SeatLink, word: FromSeat) -> None:
        match word:
            case Rows(accounts):
                self._write(link, accounts)
            case Seen(accounts):
                self._show(link, accounts)
            case Leaving():
                self._let_leave(link)
            case More(account, epoch) | Finished(account, epoch) | FreshTokens(account, epoch) | Learnt(account, epoch):
                if (holding := link.find(account, epoch)) is not None:
                    self._handle_of_account(link, holding, word)
            case Hello() | Broken() | Late():
                raise NotSpoken(f"it said {type(word).__name__} where that has no place")

    def _write(self, link: SeatLink, accounts: Sequence[AccountRows]) -> None:
        for rows in accounts:
            if (holding := link.find(rows.account, rows.epoch)) is not None:
                write_rows(self.context.journal, holding, rows, self.context.monitor.emit)
        if accounts:
            self.context.journal.tell_written(partial(self._acknowledge, link))
        else:
            self._acknowledge(link, "")

    def _handle_of_account(
        self, link: SeatLink, holding: Holding, word: More | Finished | FreshTokens | Learnt
    ) -> None:
        match word:
            case More(lines=lines):
                self.placement.send_parcel(link, holding, lines)
            case Finished():
                self._take_back(link, holding, word)
            case FreshTokens(account, epoch, origin, tokens):
                link.stream.send(Kept(account, epoch, holding.keep_tokens(origin, tokens)))
            case Learnt(memory=memory):
                holding.keep_learnt(memory)

    def _acknowledge(self, link: SeatLink, failure: str) -> None:
        if not link.gone:
            link.acked_at = self.context.deps.clock()
            link.stream.send(Written(failure))

    def _show(self, link: SeatLink, accounts: Sequence[tuple[int, int, AccountSnapshot]]) -> None:
        for account, epoch, snapshot in accounts:
            if (holding := link.find(account, epoch)) is not None:
                holding.show(snapshot)

    async def _hear_late(self, link: SeatLink, late: Late) -> None:
        """Take from a seat that was cut off what is waited for; the hub may not have noticed yet that it was."""
        for former in [one for one in self.links if one.hello.name == link.hello.name]:
            if any(former.find(answer.account, answer.epoch) for answer in late.answers):
                former.stream.cut()
                self._lose(former, "it was cut off")
        tokens = sum([self._take_tokens(renewed) for renewed in late.tokens])
        try:
            async with self._dealing:
                taken = await take_answers(self.context, self.holdings, late.answers)
        except JournalFailed as failed:
            self.context.monitor.fail(failed)
        else:
            link.stream.send(Taken(taken, tokens))

    def _take_tokens(self, renewed: LateTokens) -> bool:
        """Keep them if they are the newest; the seat that has the account now is to have them too."""
        holding = self.holdings.get(renewed.account)
        if holding is None or not holding.lacks(renewed):
            return False
        if failure := holding.keep_tokens(renewed.origin, renewed.tokens):
            lost = "tokens that the shop renewed for a seat that was cut off cannot be kept in the state folder"
            self.context.emit(WorkerDied(f"account {holding.account.name!r}: {lost}: {failure}"))
            return False
        for link in self.links:
            if renewed.account in link.held:
                ask_back(link, holding)
        return True

    def _take_back(self, link: SeatLink, holding: Holding, last: Finished) -> None:
        """The seat has done all that it had of the account, or was to do."""
        del link.held[holding.number]
        holding.keep_learnt(last.learnt)
        holding.show(last.snapshot)
        is_closed = last.snapshot.waiting == "closed"
        is_done = holding.walk is not None and holding.walk.over and not holding.dropping
        holding.rest(empty_in=last.empty_in, free_at=self.context.deps.clock())
        holding.over = is_closed or is_done or self.stopping
        if link.leaving and not link.held:
            link.stream.send(Bye())
        self._changed.set()

    def _let_leave(self, link: SeatLink) -> None:
        link.leaving = True
        for holding in link.held.values():
            ask_back(link, holding)
        if not link.held:
            link.stream.send(Bye())

    def _lose(self, link: SeatLink, why: str, waits: float = 0.0) -> None:
        """The seat is gone: its accounts go on elsewhere, once nothing that it sent can still be on its way.

        For so many seconds its answers are waited for.
        """
        if link.gone:
            return
        link.gone = True
        self.links.remove(link)
        for holding in link.held.values():
            holding.deaths += 1
            is_deadly = holding.deaths >= MOST_DEATHS
            free_at = math.inf if is_deadly else link.acked_at + LASTS + SETTLE
            holding.rest(empty_in=None, free_at=free_at)
            holding.waits_until = max(holding.waits_until, self.context.deps.clock() + waits)
            holding.over = self.stopping
        if link.held or not (link.leaving or self.is_over):
            self._spawn(self._report_death(link, why))
        self._changed.set()

    async def _report_death(self, link: SeatLink, why: str) -> None:
        ended = "" if link.hello.name else await self.starter.explain(link.hello.pid)
        how = why or ended or "its connection ended"
        self.context.emit(WorkerDied(describe_death(link, how, stopping=self.stopping)))
        for holding in link.held.values():
            if holding.free_at == math.inf and not holding.over:
                self._close(holding, f"{holding.deaths} processes in a row died with it, the last: {how}")
        self._changed.set()

    def _close(self, holding: Holding, why: str) -> None:
        holding.over = True
        name = holding.account.name
        self.context.journal.record_account_state(name, "lost", why)
        self.context.monitor.report_lost(f"account {name!r} was closed, for {why}")
        holding.show(structs.replace(holding.look(), sent=0, retries=0, refusals=0, waiting="closed", why="lost"))

    # All of them, at each tick

    def _watch(self) -> None:
        """Take seats that were silent for too long for lost; a hub that itself stood still blames nobody."""
        now = self.context.deps.clock()
        late, self._ticked = now - self._ticked - _TICK, now
        patience = self.context.settings.patience
        for link in list(self.links):
            silence = _SILENCE_AT_END if self.stopping and not link.hello.name else SILENCE
            if late > _LATE:
                link.heard_at = now
            elif now - link.heard_at > silence:
                link.stream.cut()
                self._lose(link, f"it said nothing for {silence:g} s", waits=WAITS if link.hello.name else 0.0)
        if self.links or late > _LATE:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > max(patience, GREETING) and not self.stopping:
            self.give_up(f"no seat was there for {patience / 60:g} min; start some, then run again")

    def _spawn(self, work: "Awaitable[None]") -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
