"""Owns putting a hub together: the journal, the accounts, the door for seats, and who starts them."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import msgspec

from batchcart.accounts import proxy
from batchcart.accounts.secrets import find_variables
from batchcart.engine.chain_feed import PlannedJob
from batchcart.journal.queries import accounts, pending_counts
from batchcart.journal.writer import JournalWriter
from batchcart.model.errors import UsageError
from batchcart.model.events import WorkerDied
from batchcart.model.system import open_door, serve_locally
from batchcart.runs.context import RunContext, Work
from batchcart.runs.seats.cluster import open_cluster
from batchcart.runs.seats.frames import FrameStream, hear_seat
from batchcart.runs.seats.holding import Holding, open_holding
from batchcart.runs.seats.hub import Hub
from batchcart.runs.seats.local_seats import LocalSeats
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress, open_tls
from batchcart.runs.seats.settling import LASTS, RESTART_PATIENCE, SETTLE, WAITS

_LONGEST_ADDRESS = 100  # bytes of a socket's path, a little less than systems allow
_PATIENCE, _ENDING_TICK = 5.0, 0.01  # seconds that seats have for hanging up
_ALL_HOSTS = {"0.0.0.0", "::"}  # noqa: S104  # an operator may choose to listen on all
_BUFFER = 1 << 20  # bytes of a frame that are read at a time


class SeatPlaces(msgspec.Struct, frozen=True):
    """Where seats come from: so many processes that the run starts itself, whoever comes to the address, a cluster."""

    own: int
    at: HubAddress | None = None
    cluster: SchedulerAddress | None = None


@asynccontextmanager
async def open_seats(
    context: RunContext[JournalWriter], job: PlannedJob, places: SeatPlaces, unsettled: Mapping[int, float]
) -> AsyncIterator[Work]:
    """The work of all accounts with open lines, at seats from these places.

    Of the accounts ``unsettled`` a seat of an earlier start, which was last about to at that moment, may still send
    something, or bring answers. Raises UsageError where an account cannot be read or is in use by another run, or
    where the run cannot listen.
    """
    monitor = context.monitor
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_private_folder())
        own = stack.enter_context(closing(open_door()))
        own.bind(address := str(folder / "hub"))
        own.listen(max(1, places.own))  # seats that come before anybody hears them wait
        count = min(places.own, len(pending_counts(context.plan)))
        is_found_again = places.at is not None  # another start listens at the same port
        abroad, at, others = None, places.at, int(is_found_again)
        if places.cluster is not None:
            opening = open_cluster(places.cluster, lambda why: context.emit(WorkerDied(why)))
            abroad = await stack.enter_async_context(opening)
            at = at or HubAddress(abroad.own_host, 0, places.cluster.at.tls)
            others = max(1, await abroad.count())
        secret = {name for entry in context.entries.values() for name in find_variables(entry.secret_settings)}
        secret |= proxy.VARIABLES  # a seat is given the proxy with the account
        seats = LocalSeats(count, address, greeted := set[int](), others, secret)
        stack.callback(seats.kill)
        seats.start()
        holdings = _open_holdings(stack, context, unsettled, waits=WAITS if is_found_again else 0.0)
        hub = Hub(job, context, holdings, seats, greeted)
        port = await stack.enter_async_context(_open_doors(hub, own, at))
        stack.push_async_callback(seats.end)
        monitor.add_remote([holding.look for holding in holdings.values()], hub.halt)

        async def work() -> None:
            for holding in holdings.values():
                holding.count(monitor.planned[holding.account.name], monitor.ended[holding.account.name])
            keeping = [asyncio.create_task(seats.keep(hub.give_up))]
            if abroad is not None and at is not None:
                host = abroad.own_host if at.host in _ALL_HOSTS else at.host
                keeping.append(
                    asyncio.create_task(abroad.keep(host, port, RESTART_PATIENCE if is_found_again else 0.0))
                )
            try:
                await hub.work()
            finally:
                for task in keeping:
                    task.cancel()

        yield work


def _open_holdings(
    stack: AsyncExitStack, context: RunContext[JournalWriter], unsettled: Mapping[int, float], *, waits: float
) -> dict[int, Holding]:
    """All accounts with open lines, held for this run.

    For so many seconds from when it left a request's answer is waited for, which a seat of an earlier start may bring.
    """
    pending = pending_counts(context.plan)
    holdings = {
        account.number: open_holding(stack, context, context.entries[account.name], account.number)
        for account in list(accounts(context.plan))
        if account.name in pending
    }
    now, wall = context.deps.clock(), context.deps.wall()
    for holding in holdings.values():
        if (sent_at := unsettled.get(holding.number)) is not None:
            # the hub that had it was there until now, for all that this one knows
            holding.rest(empty_in=None, free_at=now + LASTS + SETTLE)
            holding.waits_until = now + waits - max(0.0, wall - sent_at)
    return holdings


@asynccontextmanager
async def _open_doors(hub: Hub, own: socket.socket, at: HubAddress | None) -> AsyncIterator[int]:
    """Seats come in as long as the block runs; gives the port of the address.

    Raises UsageError where the run cannot listen at the address.
    """
    guests: set[asyncio.Task[None]] = set()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = FrameStream(reader, writer, hear_seat())
        task = asyncio.current_task()
        assert task is not None
        guests.add(task)
        try:
            await hub.attend(stream)
        except asyncio.CancelledError:
            stream.cut()  # asyncio would show it with a traceback, and nobody waits for this task
        finally:
            guests.discard(task)

    servers = [await serve_locally(attend, own, _BUFFER)]
    try:
        if at is not None:
            secured = open_tls(at.tls, server=True) if at.tls else None
            try:
                servers.append(await asyncio.start_server(attend, at.host, at.port, ssl=secured, limit=_BUFFER))
            except OSError as error:
                raise UsageError(f"--seats-at {at}: the run cannot listen there: {error.strerror or error}") from None
        yield servers[-1].sockets[0].getsockname()[1] if at is not None else 0
    finally:
        for server in servers:
            server.close()
        for _ in range(round(_PATIENCE / _ENDING_TICK)):
            if not hub.links:  # whoever else is connected never said that it is a seat
                break
            await asyncio.sleep(_ENDING_TICK)
        for guest in guests:
            guest.cancel()


@contextlib.contextmanager
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
