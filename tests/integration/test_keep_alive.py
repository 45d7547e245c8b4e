"""A request that is not to be lost never goes on a connection that the shop may just be closing."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import virtual_clock
from byte_server import Server, account, listening, request, say

from batchcart.engine.http.client import open_client
from batchcart.engine.http.keep_alive import IdleTimes, Promise
from batchcart.model.http import NoResponse, Response, Sender


def promised(*headers: bytes | None) -> Promise:
    """What is known of a connection after answers with these Keep-Alive headers."""
    promise = Promise()
    for header in headers:
        promise.read(header)
    return promise


@pytest.mark.parametrize(
    ("headers", "timeout", "requests"),
    [
        ([None], math.inf, math.inf),
        ([b"timeout=5, max=100"], 5, 99),
        ([b"timeout=5, max=100", b"timeout=5, max=99"], 5, 98),
        ([b"max=100"] * 3, math.inf, 97),
        ([b"max=100", None, None], math.inf, 97),
        ([b"Timeout = 15"], 15, math.inf),
        ([b'timeout="3";max=1'], 3, 0),
        ([b"timeout=2", b"timeout=4"], 4, math.inf),
        ([b"timeout=2", None], 2, math.inf),
        ([b"timeout=2, timeout=9"], 2, math.inf),
        ([b"x-timeout=1, timeout=x, max=-1", b"\xff\x00", b""], math.inf, math.inf),
    ],
)
def test_what_a_server_announces_is_read_as_servers_write_it(
    headers: list[bytes | None], timeout: float, requests: float
) -> None:
    assert promised(*headers) == Promise(timeout, requests)


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("announced", [0, 1, 2, 3, 5, 15, 75])
def test_an_announced_time_is_never_used_up_to_its_end(announced: int, *, writes: bool) -> None:
    times, promise = IdleTimes(), promised(b"timeout=%d" % announced)
    good = [idle / 100 for idle in range(1000) if times.is_good(promise, idle / 100, writes=writes)]
    assert max(good, default=0) <= max(0, announced - 0.5)
    assert len(good) > 10 or announced == 0


@pytest.mark.parametrize("promise", [Promise(), Promise(timeout=60)])
def test_a_write_goes_onto_a_connection_that_answered_less_than_half_a_second_ago(promise: Promise) -> None:
    times = IdleTimes()
    assert times.is_good(promise, 0.4, writes=True)
    assert not times.is_good(promise, 0.9, writes=True)
    assert times.is_good(promise, 0.9, writes=False)


def test_a_connection_that_takes_no_more_requests_gets_none() -> None:
    assert not IdleTimes().is_good(promised(b"timeout=5, max=1"), 0.0, writes=False)
    assert IdleTimes().is_good(promised(b"timeout=5, max=2"), 0.0, writes=True)


def test_what_a_shop_was_seen_to_close_is_learnt_and_forgotten_once_it_keeps_one() -> None:
    times, promise = IdleTimes(), Promise()
    times.record_closed(2.0, 1)
    assert times.is_good(promise, 1.4, writes=False)
    assert not times.is_good(promise, 1.6, writes=False)
    assert not times.is_good(promised(b"timeout=60"), 1.6, writes=True)
    times.record_kept()
    assert times.is_good(promise, 1.6, writes=False)


def test_a_connection_that_ends_within_a_moment_was_not_closed_for_being_idle() -> None:
    times = IdleTimes()
    times.record_closed(0.001, 1)
    assert times.is_good(Promise(), 0.4, writes=True)


class Closing(Server):
    """A shop that closes a connection which was idle for ``idle`` seconds; ``cut`` counts requests that came too late.

    A request is too late already shortly before: its way takes time.
    """

    def __init__(self, idle: float, header: bytes = b"") -> None:
        super().__init__(lambda *_: asyncio.sleep(0))
        self.idle = idle
        self.header = header
        self.cut = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        loop = asyncio.get_running_loop()
        ends = math.inf
        with suppress(TimeoutError):
            while True:
                wait = None if ends == math.inf else ends - loop.time()
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), wait)
                await reader.readexactly(11 if head.startswith(b"P") else 0)
                if loop.time() > ends - 0.3:
                    self.cut += 1
                    break
                lines = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + self.header
                await say(writer, lines + b"\r\n{}")
                ends = loop.time() + self.idle


async def sent(tmp_path: Path, server: Server, use: Callable[[Sender], object]) -> None:
    async with listening(server) as port, open_client(account(tmp_path, f"http://127.0.0.1:{port}")) as send:
        await use(send)  # type: ignore[misc]


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    """Both ends are in one loop, so its clock can stand still while bytes are on their way."""
    virtual_clock.run(work, grace=0.05)


@pytest.mark.parametrize("header", [b"Keep-Alive: timeout=1\r\n", b""], ids=["announced", "not announced"])
@pytest.mark.parametrize("pause", [0.3, 0.45, 0.55, 0.75, 0.95, 1.1])
def test_writes_a_little_apart_lose_none_to_a_server_that_closes_after_a_second(
    tmp_path: Path, header: bytes, pause: float
) -> None:
    server = Closing(1.0, header)

    async def use(send: Sender) -> None:
        for _ in range(3):
            assert isinstance(await send(request(), lambda: None), Response)
            await asyncio.sleep(pause)

    in_virtual_time(sent(tmp_path, server, use))
    assert server.cut == 0


def test_requests_in_a_row_still_share_one_connection(tmp_path: Path) -> None:
    server = Closing(5.0, b"Keep-Alive: timeout=5, max=100\r\n")

    async def use(send: Sender) -> None:
        for method in ["POST", "GET", "PUT", "DELETE"] * 5:
            assert isinstance(await send(request(method), lambda: None), Response)

    in_virtual_time(sent(tmp_path, server, use))
    assert server.connections == 1


def test_a_server_that_takes_three_requests_a_connection_gets_no_more(tmp_path: Path) -> None:
    server = Closing(5.0, b"Keep-Alive: max=3\r\n")

    async def use(send: Sender) -> None:
        for _ in range(9):
            assert isinstance(await send(request(), lambda: None), Response)

    in_virtual_time(sent(tmp_path, server, use))
    assert server.connections >= 3


def test_a_read_that_was_cut_on_an_idle_connection_teaches_the_next_one(tmp_path: Path) -> None:
    server = Closing(1.2)
    replies = []

    async def use(send: Sender) -> None:
        for _ in range(3):
            replies.append(await send(request("GET"), lambda: None))
            await asyncio.sleep(1.0)

    in_virtual_time(sent(tmp_path, server, use))
    assert [type(reply) for reply in replies] == [Response, NoResponse, Response]
    assert server.cut == 1


async def answer_and_end(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: int, lasts: float
) -> None:
    """Give so many answers; the end of the connection comes that many seconds after the last."""
    for _ in range(answers):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(11)
        await say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await asyncio.sleep(lasts)


def test_a_server_that_ends_each_connection_after_two_answers_is_found_out_by_the_first(tmp_path: Path) -> None:
    """Its end takes a moment to come, in which a request would be lost."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer_and_end(reader, writer, 2, 0.02)

    async def work() -> None:
        async with listening(serve) as port, open_client(account(tmp_path, f"http://127.0.0.1:{port}")) as send:
            for number in range(12):
                assert isinstance(await send(request(), lambda: None), Response)
                await asyncio.sleep(0.03 if number == 1 else 0)

    in_virtual_time(work())
    assert connections == 6


def test_an_end_that_crosses_a_request_teaches_how_many_answers_a_connection_gives(tmp_path: Path) -> None:
    replies = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_and_end(reader, writer, 10, 0.005)

    async def work() -> None:
        async with listening(serve) as port, open_client(account(tmp_path, f"http://127.0.0.1:{port}")) as send:
            replies.extend([await send(request(), lambda: None) for _ in range(60)])

    in_virtual_time(work())
    assert [type(reply) for reply in replies].count(NoResponse) == 1


def test_a_connection_that_was_left_open_for_a_moment_takes_more_than_another_did() -> None:
    times, promise = IdleTimes(), promised(None, None)
    times.record_closed(0.001, 2)
    assert not times.is_good(promise, 0.001, writes=True)
    assert times.is_good(promise, 0.001, writes=False)
    assert times.is_good(promise, 0.2, writes=True)
    assert times.is_good(promised(None), 0.001, writes=True)


def test_what_one_connection_taught_is_tried_again_after_a_while() -> None:
    times, promise = IdleTimes(), promised(None, None)
    times.record_closed(0.001, 2)
    assert sum(times.is_good(promise, 0.001, writes=True) for _ in range(300)) == 200


async def test_a_server_that_ends_each_connection_without_a_word_costs_no_request(tmp_path: Path) -> None:
    """Its end is there before the next request, but the loop has not seen it yet."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        await say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with listening(serve) as port, open_client(account(tmp_path, f"http://127.0.0.1:{port}")) as send:
        for method in ["GET", "POST"] * 5:
            assert isinstance(await send(request(method), lambda: None), Response)
    assert connections == 10
