"""Connections to shops: how they are opened, also through a proxy, and how they end; and what we need of aiohttp."""

import asyncio
import importlib
import importlib.util
import inspect
import os
import socket
import ssl
import stat
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.connector
import pytest
from byte_server import OK, Act, Server, account, certificate, hang_up, listening, request, say, serving
from http_proxy import proxying
from yarl import URL

from batchcart.accounts.config import Account
from batchcart.accounts.proxy import read_proxy
from batchcart.engine.http.client import open_client
from batchcart.engine.http.dialer import Dialer, NotConnected, end_gracefully
from batchcart.model.http import NoResponse, NotSent, Response
from batchcart.model.remedy import Remedy

WAYS = ["plain", "TLS", "plain through a proxy", "TLS through a proxy"]
LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
))]  # fmt: skip


def on_loop(name: str, work: Callable[[], Any]) -> None:
    """Do the work on the loop of that name."""
    factory = importlib.import_module("uvloop").new_event_loop if name == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())


@asynccontextmanager
async def shop(tmp_path: Path, way: str, act: Act) -> AsyncIterator[tuple[Account, int]]:
    """A shop that is reached that way, and the port that our connections go to."""
    context = None
    if "TLS" in way:
        cert, key = certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    async with listening(Server(act), context) as port:
        of_shop = account(tmp_path, f"{'https' if context else 'http'}://127.0.0.1:{port}")
        if context:
            of_shop = replace(of_shop, ca_file=tmp_path / "cert.pem")
        if "proxy" not in way:
            yield of_shop, port
            return
        async with proxying(port) as (_, place):
            yield replace(of_shop, proxy=read_proxy(place, "test", "")), int(place.rpartition(":")[2])


def sockets_to(port: int) -> Iterator[socket.socket]:
    """Copies of this process's own connections to that port."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        try:
            is_ours = copy.getpeername()[1] == port
        except (OSError, IndexError):
            is_ours = False
        if is_ours:
            yield copy
        copy.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list a process's sockets")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
def test_every_open_connection_throws_away_at_its_end_what_is_not_acknowledged(
    tmp_path: Path, way: str, loop: str
) -> None:
    found: list[tuple[int, int]] = []
    times: list[int] = []

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        for ours in sockets_to(port):
            found.append(struct.unpack("ii", ours.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)))
            times.append(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        await say(writer, OK)

    port = 0

    async def work() -> None:
        nonlocal port
        async with shop(tmp_path, way, act) as (of_shop, port):
            for most in (None, 1.0):
                async with open_client(of_shop, unacknowledged=most) as send:
                    for method in ("GET", "POST"):
                        assert isinstance(await send(request(method), lambda: None), Response)

    on_loop(loop, work)
    assert found == [(1, 0)] * 4
    assert times == [5000, 5000, 1000, 1000]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["plain", "TLS"])
@pytest.mark.parametrize("ending", ["idle", "given up"])
def test_an_idle_connection_ends_in_a_friendly_way_and_one_that_was_given_up_with_a_reset(
    tmp_path: Path, way: str, ending: str, loop: str
) -> None:
    seen: list[bytes | str] = []
    asked, ended = asyncio.Event(), asyncio.Event()

    async def monitor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if ending == "idle":
            await say(writer, OK)
        try:
            seen.append(await reader.read())
        except ConnectionResetError:
            seen.append("reset")
        ended.set()

    async def work() -> None:
        async with shop(tmp_path, way, lambda *_: asyncio.sleep(0)) as (of_shop, _):
            context = None
            if way == "TLS":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
            async with listening(monitor, context) as port:
                here = replace(of_shop, address=f"{of_shop.address.rpartition(':')[0]}:{port}")
                async with open_client(here) as send:
                    sending = asyncio.ensure_future(send(request("GET"), lambda: None))
                    await asked.wait()
                    await asyncio.wait([sending], timeout=0 if ending == "given up" else None)
                    sending.cancel()
                    await asyncio.wait([sending])
                await asyncio.wait_for(ended.wait(), 60)

    on_loop(loop, work)
    assert seen == [b"" if ending == "idle" else "reset"]


async def test_a_connection_whose_bytes_are_not_acknowledged_never_ends_in_a_friendly_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.setblocking(False)  # noqa: FBT003  # the socket's own way of saying it
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        transport.write(bytes(4 << 20))
        end_gracefully(transport)
        await asyncio.sleep(0.05)
        with theirs:
            ending = asyncio.to_thread(theirs.makefile("rb").read)
            with pytest.raises(ConnectionResetError):
                await ending


@pytest.mark.parametrize("user", ["", "ann:p@ss:w%rd"])
@pytest.mark.parametrize("way", ["plain", "TLS"])
async def test_a_shop_is_reached_through_its_proxy_and_only_the_proxy_knows_its_name(
    tmp_path: Path, way: str, user: str
) -> None:
    seen: list[str] = []

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, OK)

    async with shop(tmp_path, way, act) as (of_shop, port), proxying(port, user=user) as (proxy, place):
        credentials = "ann:p%40ss%3Aw%25rd@" if user else ""
        host = "127.0.0.1" if way == "TLS" else "shop.invalid"
        through = replace(
            of_shop,
            address=of_shop.address.replace("127.0.0.1", host),
            proxy=read_proxy(f"http://{credentials}{place}", "test", ""),
        )
        async with open_client(through) as send:
            for method in ("GET", "POST"):
                assert isinstance(await send(request(method), lambda: seen.append("left")), Response)
        assert "p@ss" not in repr((through, proxy.asked))
    if way == "TLS":
        assert proxy.asked == [f"CONNECT 127.0.0.1:{port} HTTP/1.1"]
    else:
        assert [asked.partition("?")[0] for asked in proxy.asked] == [f"GET http://shop.invalid:{port}/carts"]
        assert f"Host: shop.invalid:{port}" in proxy.heads[0]
    assert seen == ["left"] * 2


@pytest.mark.parametrize(
    ("refusal", "words"),
    [(407, "wants other credentials (407)"), (502, "answered 502 to CONNECT"), (403, "answered 403 to CONNECT")],
)
async def test_a_proxy_that_refuses_is_named_and_nothing_was_sent(tmp_path: Path, refusal: int, words: str) -> None:
    async with proxying(1, refusal=refusal) as (_, place):
        proxy = read_proxy(f"http://ann:secret-word@{place}", "HTTPS_PROXY", "")
        of_shop = replace(account(tmp_path, "https://shop.invalid"), proxy=proxy)
        async with open_client(of_shop) as send:
            reply = await send(request(), pytest.fail)
    assert isinstance(reply, NotSent)
    assert reply.why.startswith(f"shop.invalid cannot be reached: its proxy http://{place} (HTTPS_PROXY) {words}")
    assert "secret-word" not in reply.why
    assert reply.remedy is (Remedy.FIX_PROXY if refusal == 407 else None)


async def test_a_proxy_that_refuses_our_credentials_has_passed_nothing_on_without_tls_either(tmp_path: Path) -> None:
    async with proxying(1, refusal=407) as (_, place):
        proxy = read_proxy(f"http://ann:secret-word@{place}", "test", "")
        of_shop = replace(account(tmp_path, "http://shop.invalid"), proxy=proxy)
        async with open_client(of_shop) as send:
            reply = await send(request(), lambda: None)
    words = f"shop.invalid was not asked: its proxy http://{place} (test) wants other credentials (407)"
    assert reply == NotSent(words, Remedy.FIX_PROXY)


REFUSED = "its proxy http://127.0.0.1:1 (test) cannot be reached: connection refused, nothing listens there"


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("127.0.0.1:1", REFUSED),
        ("no-such-proxy.invalid:3128", "the name of its proxy http://no-such-proxy.invalid:3128 (test) is not known"),
    ],
)
async def test_a_proxy_that_is_not_there_is_named(tmp_path: Path, proxy: str, words: str) -> None:
    for address in ("https://shop.invalid", "http://shop.invalid"):
        of_shop = replace(account(tmp_path, address), proxy=read_proxy(proxy, "test", ""))
        dialer = Dialer(of_shop)
        with pytest.raises(NotConnected) as caught:
            await dialer.dial()
        await dialer.close()
        assert str(caught.value) == f"shop.invalid cannot be reached: {words}"


async def test_a_proxy_that_never_answers_costs_the_requests_time_and_nothing_was_sent(tmp_path: Path) -> None:
    async def act(_writer: asyncio.StreamWriter, _number: int) -> None:
        await asyncio.sleep(5)

    async with serving(act) as (_, address):
        proxy = read_proxy(address, "test", "")
        of_shop = replace(account(tmp_path, "https://shop.invalid", timeout=0.3), proxy=proxy)
        async with open_client(of_shop) as send:
            reply = await send(request(), pytest.fail)
    assert isinstance(reply, NotSent)
    assert "no connection in time" in reply.why


async def test_a_connection_that_ends_before_it_is_handed_over_is_none(tmp_path: Path) -> None:
    async def shut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hang_up(writer)

    listener = await asyncio.start_server(shut, "127.0.0.1", 0)
    async with (
        listener,
        open_client(account(tmp_path, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")) as send,
    ):
        reply = await send(request(), lambda: None)
    assert isinstance(reply, NotSent | NoResponse)


# What dialer.py needs of aiohttp's inside. Where one of these fails after an update, look there before anything else.

NOTE = f"aiohttp {aiohttp.__version__} has changed inside, and engine/http/dialer.py reaches into it: "


def test_aiohttp_still_connects_by_the_calls_that_the_dialer_makes() -> None:
    wants: dict[Callable[..., object], list[str]] = {
        aiohttp.TCPConnector.connect: ["self", "req", "traces", "timeout"],
        aiohttp.TCPConnector.close: ["self"],
        aiohttp.ClientRequest.__init__: ["self", "method", "url"],
        aiohttp.connector.Connection.close: ["self"],
    }
    for function, names in wants.items():
        has = list(inspect.signature(function).parameters)
        assert has[: len(names)] == names, f"{NOTE}{function.__qualname__} takes {has}"
    named: dict[Callable[..., object], list[str]] = {
        aiohttp.TCPConnector.__init__: ["limit", "ssl", "resolver", "socket_factory"],
        aiohttp.ClientRequest.__init__: ["loop", "proxy", "proxy_headers"],
    }
    for function, words in named.items():
        has = list(inspect.signature(function).parameters)
        missing = [word for word in words if word not in has]
        assert not missing, f"{NOTE}{function.__qualname__} takes no {missing} any more"


async def test_aiohttp_lets_go_of_a_connection_whose_protocol_lost_its_transport() -> None:
    async with serving(lambda writer, _: say(writer, OK)) as (_, address):
        connector = aiohttp.TCPConnector(limit=0)
        place = aiohttp.ClientRequest("GET", URL(address), loop=asyncio.get_running_loop())
        connection = await connector.connect(place, [], aiohttp.ClientTimeout())
        protocol, transport = connection.protocol, connection.transport
        assert protocol is not None, f"{NOTE}a new connection has no protocol"
        assert transport is not None, f"{NOTE}a new connection has no transport"
        assert not protocol.should_close, f"{NOTE}a new connection says that it is to be closed"
        assert protocol.transport is transport, f"{NOTE}a connection's transport is not its protocol's"
        protocol.transport = None
        connection.close()
        assert not transport.is_closing(), f"{NOTE}it closes a transport that was taken out of its protocol"
        assert connection.closed, f"{NOTE}it still counts a connection that was closed"
        await connector.close()
        assert not transport.is_closing(), f"{NOTE}a connector closes transports that are no longer its own"
        transport.abort()


async def test_aiohttp_makes_its_sockets_with_ours_and_asks_our_look_up(tmp_path: Path) -> None:
    async with serving(lambda writer, _: say(writer, OK)) as (_, address):
        dialer = Dialer(account(tmp_path, address.replace("127.0.0.1", "localhost")))
        transport = await dialer.dial()
        lingers = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert struct.unpack("ii", lingers) == (1, 0), f"{NOTE}it does not use socket_factory"
        transport.abort()
        await dialer.close()
