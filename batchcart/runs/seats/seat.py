"""Owns a seat: a process that works on the accounts a hub gives it; it owns no file and knows no config.

A seat that has lost its hub sends nothing more and ends: what it was doing stands in the hub's journal.
"""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import batchcart.engine.http.client  # noqa: F401  # here, for it takes long, and a seat at its hub must not be silent
from batchcart import __version__
from batchcart.engine.crew import Crew, hire_in_turn, yield_if_busy
from batchcart.engine.scheduler import run_session
from batchcart.journal.writer import JournalFailed
from batchcart.model.errors import Stopped, UsageError
from batchcart.model.events import AccountClosed
from batchcart.model.fault import fault_sentence
from batchcart.model.system import connect_locally
from batchcart.platforms import load_adapters
from batchcart.runs.deps import WORLD, Deps, open_http_client
from batchcart.runs.event_loop import run_async
from batchcart.runs.seats.desk import Bureau, Desk, account_of, open_desk
from batchcart.runs.seats.frames import FrameStream, NotSpoken, hear_hub
from batchcart.runs.seats.late_answers import WayBack, hand_in, reach_again
from batchcart.runs.seats.parcel_feed import ParcelFeed, parcel_lines
from batchcart.runs.seats.protocol import (
    Broken,
    Bye,
    Drop,
    Finished,
    FromHub,
    Halt,
    Hello,
    Kept,
    Late,
    Leaving,
    More,
    Parcel,
    Refused,
    Seen,
    Take,
    Taken,
    Welcome,
    Written,
)
from batchcart.runs.seats.remote_journal import RemoteJournal
from batchcart.runs.seats.settling import LASTS, UNACKNOWLEDGED, WAITS
from batchcart.runs.snapshot import AccountSnapshot, take_snapshot

BEAT = 0.5
"""Seconds between two signs of life."""

_BREATH = 3.0  # seconds that a seat whose hub is gone has for finding out whether anything is under way
_LOOKED_AT = 250  # accounts whose figures are looked at in one beat

SEATED = replace(WORLD, open_client=partial(open_http_client, unacknowledged=UNACKNOWLEDGED))
"""What a seat takes from the world."""


class _Over(Exception):
    """The hub said good-bye."""


class HungUp(Stopped):
    """The hub took the connection and ended it without a word."""


class _HubGone(Exception):
    """The hub is gone: nothing can be noted, so nothing may be sent. Its text says what it could still be told."""


@dataclass(slots=True)
class _Given:
    """One account that the hub gave."""

    take: Take
    feed: ParcelFeed
    desk: Desk | None = None
    halted: bool = False
    seen: AccountSnapshot | None = None

    def handle(self, word: Parcel | Kept | Drop) -> None:
        """Do what the hub says of the account."""
        match word:
            case Parcel():
                self.feed.put(word)
            case Kept(failure=failure):
                if self.desk is not None:
                    self.desk.memory.finish_keeping(failure)
            case Drop():
                self.halt()

    def halt(self) -> None:
        """Begin nothing more for it."""
        self.halted = True
        self.feed.end()
        if self.desk is not None:
            self.desk.session.signal.stop()


@dataclass(slots=True)
class _Seat:
    bureau: Bureau
    stream: FrameStream[FromHub]
    group: asyncio.TaskGroup
    works: dict[int, _Given] = field(default_factory=dict)
    openings: "asyncio.Queue[Crew]" = field(default_factory=asyncio.Queue)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    halted: bool = False
    attending: "set[asyncio.Task[None]]" = field(default_factory=set)
    _unseen: list[_Given] = field(default_factory=list)

    async def listen(self) -> None:
        """Do what the hub says until it says nothing more; raises _Over where it said good-bye."""
        while (word := await self.stream.receive()) is not None:
            match word:
                case Written(failure):
                    self.bureau.journal.finish_bundle(failure)
                case Take():
                    self._take(word)
                case Parcel(account, epoch) | Kept(account, epoch) | Drop(account, epoch):
                    work = self.works.get(account)
                    if work is not None and work.take.epoch == epoch:
                        work.handle(word)
                case Halt():
                    self.halted = True
                    for work in self.works.values():
                        work.halt()
                case Bye():
                    raise _Over
                case Welcome() | Taken() | Refused():
                    raise NotSpoken("it said what is for others")

    def lose_hub(self) -> None:
        """Send nothing more; what has left comes to its end."""
        self.bureau.journal.lose_hub()
        self.halted = True
        for work in self.works.values():
            work.halt()
            if work.desk is not None:
                work.desk.memory.lose_hub()

    async def come_to_rest(self, within: float) -> Late:
        """Hear for so many seconds what shops answer to what has left; what of it the hub does not know."""
        if self.attending:
            await asyncio.wait(self.attending, timeout=within)
        bureau = self.bureau
        return Late(bureau.welcome.run, bureau.journal.late_answers(), list(bureau.unkept.values()))

    async def beat(self) -> None:
        """Show that the seat lives, and what has changed."""
        while True:
            await asyncio.sleep(BEAT)
            self.stream.send(Seen(self._changes()))

    def _changes(self) -> list[tuple[int, int, AccountSnapshot]]:
        """What changed at some accounts, the next ones at each beat, so that thousands cost no more than hundreds."""
        self._unseen = self._unseen or list(self.works.values())
        looked, self._unseen = self._unseen[:_LOOKED_AT], self._unseen[_LOOKED_AT:]
        changes = []
        for work in looked:
            if work.desk is not None and (snapshot := take_snapshot(work.desk.session, 0, {})) != work.seen:
                work.seen = snapshot
                changes.append((work.take.account, work.take.epoch, snapshot))
        return changes

    def _take(self, take: Take) -> None:
        welcome = self.bureau.welcome

        def ask() -> None:
            self.stream.send(More(take.account, take.epoch, parcel_lines(len(self.works))))

        feed = ParcelFeed(welcome.job, welcome.default_account, ask)
        work = self.works[take.account] = _Given(take, feed)
        if self.halted:
            work.halt()
        task = self.group.create_task(self._attend(work))
        self.attending.add(task)
        task.add_done_callback(self.attending.discard)

    async def _attend(self, work: _Given) -> None:
        """Work on one account until it has ended, was halted or closed, and give it back."""
        take, bureau = work.take, self.bureau
        last = Finished(take.account, take.epoch, AccountSnapshot(take.name, take.platform, 0, {}), [], take.learnt)
        try:
            account = account_of(take, bureau.adapters)
            async with self.opening:  # one after the other, so that none waits for a loop that opens thousands
                if not work.halted:
                    await yield_if_busy()
            async with open_desk(bureau, take, account) as desk:
                work.desk = desk
                last = await self._work_off(work, desk)
        except UsageError as refused:
            last = self._close(work, str(refused))
        except BaseExceptionGroup as group:
            failed, rest = group.split(JournalFailed)
            if failed is None or rest is not None:
                raise
            self.stream.send(Broken(str(_first(failed)), journal=True))
        with suppress(JournalFailed):  # the hub knows
            await bureau.journal.flush()
        del self.works[take.account]
        self.stream.send(last)

    async def _work_off(self, work: _Given, desk: Desk) -> Finished:
        take, session = work.take, desk.session
        if work.halted:
            session.signal.stop()
        else:
            work.feed.begin(session.account)
            await run_session(self.bureau.welcome.run, work.feed, session, self.openings)
        snapshot = take_snapshot(session, 0, {})
        return Finished(take.account, take.epoch, snapshot, desk.empty_in(), session.limiter.memory)

    def _close(self, work: _Given, why: str) -> Finished:
        """Give up an account that cannot be worked on here."""
        take = work.take
        rows = self.bureau.journal.of_account(take.account, take.epoch)
        rows.record_account_state(take.name, "closed", why)
        rows.record_event(self.bureau.deps.wall(), AccountClosed(take.name, "closed", why))
        shown = AccountSnapshot(take.name, take.platform, 0, {}, waiting="closed", why="closed")
        return Finished(take.account, take.epoch, shown, take.empty_in, take.learnt)


async def sit(
    stream: FrameStream[FromHub],
    name: str,
    leaving: asyncio.Event,
    *,
    lasts: float = LASTS,
    deps: Deps = SEATED,
    back: WayBack | None = None,
) -> None:
    """Be a seat at this hub until it says good-bye, or until ``leaving`` is set and all accounts are given back.

    Raises Stopped where it does not take the seat on or is gone; if it can be reached again, it is told what shops
    answered meanwhile.
    """
    stream.send(Hello(__version__, os.getpid(), name))
    welcome = await _greeting(stream)
    clock, ahead = deps.clock, welcome.wall - deps.clock()
    deps = replace(deps, wall=lambda: clock() + ahead)
    bureau = Bureau(stream.send, RemoteJournal(stream.send, lasts), welcome, load_adapters(), deps)
    try:
        async with asyncio.TaskGroup() as group:
            seat = _Seat(bureau, stream, group)
            group.create_task(_listen(seat, name, back, leaving))
            group.create_task(seat.beat())
            group.create_task(hire_in_turn(seat.openings))
            group.create_task(_leave(stream, leaving))
    except* _Over:
        pass
    except* _HubGone as gone:
        raise Stopped(f"the hub is gone; nothing more was sent{_first(gone)}") from None
    except* NotSpoken as wrong:
        raise Stopped(f"the hub is none of this version: {_first(wrong)}") from None


async def _greeting(stream: FrameStream[FromHub]) -> Welcome:
    try:
        word = await stream.receive()
    except NotSpoken as wrong:
        raise Stopped(f"what answers there is not a hub of batchcart: {wrong}") from None
    match word:
        case Welcome():
            return word
        case Refused(why):
            raise Stopped(why)
        case None:
            raise HungUp("the hub hung up before it said a word")
        case _:
            raise Stopped("what answers there is not a hub of batchcart")


async def _listen(seat: _Seat, name: str, back: WayBack | None, leaving: asyncio.Event) -> None:
    """Do what the hub says; raises _HubGone once it is gone, and _Over where it said good-bye.

    What is left to tell it is told, unless that takes too long or the seat is to leave.
    """
    await seat.listen()
    seat.lose_hub()
    if back is None:
        raise _HubGone
    told = "; it could not be told what became of what was under way"
    telling, asked = asyncio.create_task(_tell(seat, name, back)), asyncio.create_task(leaving.wait())
    try:
        await asyncio.wait((telling, asked), timeout=WAITS, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            with suppress(ConnectionRefusedError):
                told = telling.result()
    finally:
        telling.cancel()
        asked.cancel()
    raise _HubGone(told)


async def _tell(seat: _Seat, name: str, back: WayBack) -> str:
    """Bring the hub what it does not know, if that is anything; what came of it.

    Raises ConnectionRefusedError where nobody listens there any more.
    """
    late = await seat.come_to_rest(_BREATH)
    if seat.attending:
        (await reach_again(back)).cut()  # for one that does not come back nobody waits
        late = await seat.come_to_rest(WAITS / 2)
    return f"; {await hand_in(late, name, back)}" if late.answers or late.tokens else ""


async def _leave(stream: FrameStream[FromHub], leaving: asyncio.Event) -> None:
    await leaving.wait()
    stream.send(Leaving())


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def sit_locally(address: str) -> None:
    """Be a seat of a run of this machine, whose hub listens at this socket; to be called in a fresh process."""
    run_async(_sit_locally(address))


async def _sit_locally(address: str) -> None:
    load_adapters()  # before the hub waits for a word
    try:
        stream = FrameStream(*await connect_locally(address), hear_hub())
    except OSError:  # the run is over
        return
    try:
        await sit(stream, "", asyncio.Event())
    except Stopped:  # the hub knows, or nobody is there any more
        pass
    except Exception as error:  # noqa: BLE001  # a fault over here is told over there
        stream.send(Broken(fault_sentence(error, "working in a process of its own")))
    finally:
        await stream.close()
