"""A seat whose hub is gone stays for as long as it has something to tell, or until it is to leave."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from batchcart.accounts.config import Account
from batchcart.accounts.options import AccountOptions
from batchcart.model.errors import Stopped
from batchcart.model.http import Reply, Request, Response, Sender
from batchcart.runs.seats.frames import FrameStream, hear_hub, hear_seat
from batchcart.runs.seats.late_answers import WayBack, hand_in
from batchcart.runs.seats.protocol import (
    FromHub,
    FromSeat,
    JobStep,
    Late,
    LateTokens,
    More,
    Parcel,
    Rows,
    Take,
    Taken,
    Welcome,
    Written,
)
from batchcart.runs.seats.seat import SEATED, sit

LINE = b'{"op":"cart.get","account":"loja","cart_id":"1"}'


@asynccontextmanager
async def hub(attend: Callable[[FrameStream[FromSeat]], Awaitable[None]]) -> AsyncIterator[FrameStream[FromHub]]:
    """A seat's end of the connection to a hub that does as ``attend`` says, and then is gone."""

    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = FrameStream(reader, writer, hear_seat())
        await attend(stream)
        await stream.close()

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    async with server:
        stream = FrameStream(*await asyncio.open_connection(*server.sockets[0].getsockname()), hear_hub())
        yield stream
        stream.cut()


async def give_line_until(stream: FrameStream[FromSeat], over: Callable[[Rows], Awaitable[bool]]) -> None:
    """Give an account with one line, and acknowledge all rows up to these, they included."""
    stream.send(Welcome(0.0, "run", "job", None, 60.0, 0))
    options = AccountOptions(platform="tray")
    origin = {"access_token": "t"}
    stream.send(
        Take(
            1, 1, "loja", "tray", "http://127.0.0.1", options, [], origin, ["access_token"], {}, [],
            None, None, None, [], [], b"", 1,
        )
    )  # fmt: skip
    while (word := await stream.receive()) is not None:
        match word:
            case More():
                stream.send(Parcel(1, 1, [JobStep(1, 1, LINE)], rest=True))
            case Rows():
                stream.send(Written())
                if await over(word):
                    return
            case _:
                pass


async def end_of_seat(
    reply: Callable[[], Awaitable[Reply]],
    over: Callable[[Rows], Awaitable[bool]],
    leaving: asyncio.Event,
    back: WayBack,
) -> str:
    """What a seat says in the end whose hub was there until then; shops reply like this."""

    async def send(_request: Request, leaves: Callable[[], None]) -> Reply:
        leaves()
        return await reply()

    @asynccontextmanager
    async def open_client(_account: Account) -> AsyncIterator[Sender]:
        yield send

    async with hub(lambda stream: give_line_until(stream, over)) as stream:
        with pytest.raises(Stopped) as ended:
            await sit(stream, "seat", leaving, deps=replace(SEATED, open_client=open_client), back=back)
    return str(ended.value)


async def test_a_seat_that_has_nothing_left_to_tell_ends_with_its_hub() -> None:
    async def refuse() -> Response:
        return Response(429, b"", {"retry-after": "600"})

    async def is_answered(rows: Rows) -> bool:
        return any(account.responses for account in rows.accounts)

    async def reach() -> FrameStream[FromHub]:
        raise ConnectionRefusedError

    said = await end_of_seat(refuse, is_answered, asyncio.Event(), WayBack(reach, 0.0))
    assert said == "the hub is gone; nothing more was sent"


async def test_a_seat_that_is_to_leave_does_not_wait_for_a_hub_that_is_gone() -> None:
    leaving, left = asyncio.Event(), asyncio.Event()

    async def be_silent() -> Response:
        left.set()
        return await asyncio.Future[Response]()

    async def is_under_way(rows: Rows) -> bool:
        sent = any(account.intents for account in rows.accounts)
        return sent and await left.wait()

    async def reach() -> FrameStream[FromHub]:
        leaving.set()
        raise ConnectionRefusedError

    async with asyncio.timeout(30):
        said = await end_of_seat(be_silent, is_under_way, leaving, WayBack(reach, math.inf))
    assert said.endswith("; it could not be told what became of what was under way")


@pytest.mark.parametrize(
    ("kept", "said"), [(1, "it was given renewed tokens"), (0, "it did not keep renewed tokens")], ids=["kept", "not"]
)
async def test_a_seat_says_that_tokens_were_given_only_where_the_hub_kept_them(kept: int, said: str) -> None:
    async def take(stream: FrameStream[FromSeat]) -> None:
        await stream.receive()
        await stream.receive()
        stream.send(Taken(0, kept))

    async with hub(take) as stream:

        async def reach() -> FrameStream[FromHub]:
            return stream

        late = Late("run", [], [LateTokens(1, "origin", {}, {"access_token": "newer"})])
        assert await hand_in(late, "seat", WayBack(reach, 0.0)) == said
