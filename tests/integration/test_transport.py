"""What became of a request, told over real sockets: what was never sent, what may have arrived, what was answered."""

import asyncio
import random
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import virtual_clock
from byte_server import OK, Server, account, certificate, hang_up, request, say, serving, told
from msgspec import structs

from batchcart.engine.http import pool
from batchcart.engine.http.client import open_client
from batchcart.journal.permit import PermitExpired
from batchcart.model.errors import UsageError
from batchcart.model.http import NoResponse, NotSent, Request, Response


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_kept_connection_that_drops_after_the_request_brings_no_second_send(
    tmp_path: Path, method: str
) -> None:
    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await (say(writer, OK) if number == 1 else hang_up(writer))

    async with serving(act) as (server, address):
        replies, left = await told(tmp_path, address, request("GET"), request(method))
        await asyncio.sleep(0.05)

    assert isinstance(replies[0], Response)
    assert replies[1] == NoResponse("the connection was cut before the answer came")
    assert len(server.seen) == 2
    assert server.connections == 1
    assert left == [1, 1]


@pytest.mark.parametrize(
    "garbage",
    [
        b"this is not HTTP at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: nope\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 7\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 9\r\n\r\nnot defl!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200",
        b"",
    ],
    ids=range(17),
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_what_is_no_whole_http_answer_is_unanswered_and_never_a_400(
    tmp_path: Path, garbage: bytes, method: str
) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(garbage)
        await writer.drain()
        writer.close()

    async with serving(act) as (server, address):
        replies, left = await told(tmp_path, address, request(method))
    assert isinstance(replies[0], NoResponse)
    assert not replies[0].timed_out
    assert len(server.seen) == 1
    assert left == [1]


async def test_an_answers_trailers_are_no_headers_of_the_next_answer(tmp_path: Path) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nRetry-After: 9999\r\n\r\n"

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, chunked if number == 1 else OK)

    async with serving(act) as (server, address):
        replies, _ = await told(tmp_path, address, request(), request())
    assert server.connections == 1
    assert [reply.headers for reply in replies if isinstance(reply, Response)] == [
        {},
        {"content-type": "application/json"},
    ]


async def test_half_an_answer_that_nobody_asked_for_does_not_become_the_next_ones(tmp_path: Path) -> None:
    stray = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"stray":true}'

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, OK + stray[:20] if number == 1 else stray[20:] + OK)

    async with serving(act) as (_, address), open_client(account(tmp_path, address)) as send:
        await send(request("GET"), lambda: None)
        await asyncio.sleep(0.02)
        reply = await send(request("GET"), lambda: None)
    assert not isinstance(reply, Response) or b"stray" not in reply.body


@pytest.mark.parametrize("hint", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
async def test_hints_before_the_answer_are_passed_over(tmp_path: Path, hint: bytes) -> None:
    async with serving(lambda writer, _: say(writer, b"HTTP/1.1 %s\r\n\r\n" % hint * 3 + OK)) as (_, address):
        replies, _left = await told(tmp_path, address, request())
    assert replies == [Response(200, b"{}", {"content-type": "application/json"})]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the connection was cut before the answer came"),
        (b"\r\n", "the connection was cut before the answer came"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 O", "the answer was cut short"),
    ],
    ids=["after a hint", "after an empty line", "within the answer"],
)
async def test_where_an_answer_was_cut_is_told(tmp_path: Path, said: bytes, why: str) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, said)
        await hang_up(writer)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request())
    assert replies == [NoResponse(why)]


async def test_random_bytes_never_raise(tmp_path: Path) -> None:
    rng = random.Random(5)

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        head = rng.choice([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No\r\nContent-Type:", b"HTTP/1.0 "])
        writer.write(head + rng.randbytes(rng.randrange(200)))
        await writer.drain()
        writer.close()

    async with serving(act) as (server, address):
        await told(tmp_path, address, *[request(rng.choice(["GET", "POST", "PUT", "DELETE"])) for _ in range(200)])
    assert len(server.seen) == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_redirect_is_an_answer_and_not_followed(tmp_path: Path, status: int, method: str) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, b"HTTP/1.1 %d Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status)

    async with serving(act) as (server, address):
        replies, _ = await told(tmp_path, address, request(method))
    assert replies == [Response(status, b"", {"location": "/elsewhere"})]
    assert len(server.seen) == 1


async def test_a_refused_connection_is_not_sent(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, so that nobody else takes it, but not listening
        replies, left = await told(tmp_path, address, request())
    assert isinstance(replies[0], NotSent)
    assert "cannot be reached" in replies[0].why
    assert left == [0]


async def test_an_unknown_host_is_not_sent(tmp_path: Path) -> None:
    replies, left = await told(tmp_path, "http://no-such-host.invalid", request())
    assert isinstance(replies[0], NotSent)
    assert "no-such-host.invalid" in replies[0].why
    assert left == [0]


async def test_a_host_that_cannot_be_a_name_is_not_sent(tmp_path: Path) -> None:
    for host in ("a" * 70 + ".example", "x..example", "-.example", "xn--a.example"):
        replies, _ = await told(tmp_path, f"http://{host}", request())
        assert isinstance(replies[0], NotSent)


async def test_a_server_that_does_not_speak_tls_is_not_sent(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, OK)

    async with serving(act) as (server, address):
        replies, left = await told(tmp_path, address.replace("http:", "https:"), request(), within=1.0)
    assert isinstance(replies[0], NotSent)
    assert server.seen == []
    assert left == [0]


async def test_a_certificate_that_is_not_trusted_is_not_sent_and_with_its_ca_file_it_is(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, OK)

    server = Server(act)
    listener = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    replies, left = await told(tmp_path, address, request())
    assert isinstance(replies[0], NotSent)
    assert "certificate" in replies[0].why
    assert (server.seen, left) == ([], [0])

    trusting = replace(account(tmp_path, address), ca_file=cert)
    async with open_client(trusting) as send:
        assert isinstance(await send(request(), lambda: None), Response)
    listener.close()


async def test_answers_of_several_tls_records_reach_their_own_requests_whole(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        for part in (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (number * 1000),
            b"%c" % number * number * 1000,
        ):
            writer.write(part)  # a record each

    listener = await asyncio.start_server(Server(act), "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with open_client(replace(account(tmp_path, address), ca_file=cert)) as send:
        replies = [await send(request("GET"), lambda: None) for _ in range(50)]
    listener.close()
    assert replies == [Response(200, b"%c" % number * number * 1000) for number in range(1, 51)]


async def test_a_ca_file_without_certificates_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(UsageError):
        async with open_client(replace(account(tmp_path, "https://127.0.0.1:1"), ca_file=empty)):
            pass


def test_no_answer_in_time_is_unanswered_and_slow(tmp_path: Path) -> None:
    async def act(_writer: asyncio.StreamWriter, _number: int) -> None:
        await asyncio.sleep(2)

    async def ask() -> None:
        async with serving(act) as (server, address):
            replies, left = await told(tmp_path, address, request(), within=0.3)
        assert replies == [NoResponse("no answer within 0.3 s", timed_out=True)]
        assert (len(server.seen), left) == (1, [1])

    virtual_clock.run(ask(), grace=0.05)


def test_an_answer_that_drips_is_cut_off_by_the_same_time_out(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(20):
            writer.write(b"x")
            await asyncio.sleep(0.1)

    async def ask() -> None:
        async with serving(act) as (_, address):
            replies, _ = await told(tmp_path, address, request(), within=0.3)
        assert isinstance(replies[0], NoResponse)
        assert replies[0].timed_out

    virtual_clock.run(ask(), grace=0.05)


async def test_a_connection_that_is_never_made_in_time_is_not_sent(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"http://127.0.0.1:{full.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003  # the socket's own way of saying it
            filler.connect_ex(full.getsockname())
        replies, left = await told(tmp_path, address, request(), within=0.4)
        for filler in fillers:
            filler.close()
    assert isinstance(replies[0], NotSent)
    assert "in time" in replies[0].why
    assert left == [0]


async def test_status_body_and_the_headers_that_matter_are_handed_over(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(
            writer,
            b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nSet-Cookie: a=b\r\nContent-Type: text/plain\r\nRetry-After: 9\r\n"
            b'RateLimit: "a";r=5;t=9\r\nRateLimit: "b";r=0;t=2\r\nContent-Length: 4\r\n\r\nwait',
        )

    async with serving(act) as (server, address):
        replies, _ = await told(tmp_path, address, request(), request())
    limits = '"a";r=5;t=9, "b";r=0;t=2'
    wanted = {"retry-after": "7", "content-type": "text/plain", "ratelimit": limits}
    assert replies[0] == Response(429, b"wait", wanted)
    assert server.connections == 1


async def test_a_second_answer_behind_the_first_is_nobodys(tmp_path: Path) -> None:
    stray = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"stray":true}'

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, OK + stray if number == 1 else OK)

    async with serving(act) as (server, address):
        replies, _left = await told(tmp_path, address, request(), request())
    assert [reply.body for reply in replies if isinstance(reply, Response)] == [b"{}", b"{}"]
    assert server.connections == 2


async def test_an_answer_that_says_close_is_the_last_on_its_connection(tmp_path: Path) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(lambda writer, _: say(writer, closing)) as (server, address):
        replies, _left = await told(tmp_path, address, request(), request())
    assert all(isinstance(reply, Response) for reply in replies)
    assert server.connections == 2


async def test_a_large_answer_that_is_read_at_once_leaves_its_connection_open(tmp_path: Path) -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    async with serving(lambda writer, _: say(writer, large)) as (server, address):
        replies, _left = await told(tmp_path, address, *[request("GET")] * 5)
    assert replies == [Response(200, b"x" * 100_000)] * 5
    assert server.connections == 1


async def test_path_and_query_reach_the_shop_as_they_were_built(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, OK)

    async with serving(act) as (server, address):
        odd = Request("GET", "/carts/a%2Fb%20c%3F", (("q", "å&=+ /"),))
        await told(tmp_path, f"{address}/web_api", odd)
    assert server.seen == ["GET /web_api/carts/a%2Fb%20c%3F?q=%C3%A5%26%3D%2B%20%2F HTTP/1.1"]


async def test_many_requests_at_once_each_are_counted_once(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await (hang_up(writer) if number % 3 == 0 else say(writer, OK))

    async with serving(act) as (server, address), open_client(account(tmp_path, address)) as send:
        methods = ["GET", "PUT", "DELETE", "POST"] * 25
        replies = await asyncio.gather(*(send(request(method), lambda: None) for method in methods))
        replies += await asyncio.gather(*(send(request(method), lambda: None) for method in methods))
        await asyncio.sleep(0.05)
    arrived = [reply for reply in replies if not isinstance(reply, NotSent)]
    assert len(server.seen) <= len(arrived)
    assert sum(isinstance(reply, Response) for reply in replies) == sum(
        n % 3 != 0 for n in range(1, len(server.seen) + 1)
    )


async def test_space_around_a_header_is_none_of_it(tmp_path: Path) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nRetry-After: \t 7 \t \r\n\r\n")
    async with serving(lambda writer, _: say(writer, answer)) as (_, address):
        replies, _left = await told(tmp_path, address, request())
    assert replies == [Response(200, b"{}", {"retry-after": "7", "content-type": "application/json"})]


async def test_a_connection_that_nobody_uses_is_closed_by_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEPT", 0.1)
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        assert await reader.read() == b""
        closed.set()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, open_client(account(tmp_path, address)) as send:
        assert isinstance(await send(request("GET"), lambda: None), Response)
        await asyncio.wait_for(closed.wait(), 60)


async def test_the_connections_end_with_a_request_that_still_waits_and_one_that_was_not_let_go(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\n\r\nhalf")
        heard.set()

    def refuse() -> None:
        raise OSError

    async with serving(act) as (server, address), asyncio.timeout(60):
        async with open_client(account(tmp_path, address)) as send:
            waiting = asyncio.ensure_future(send(request(), lambda: None))
            await heard.wait()
            with pytest.raises(OSError):
                await send(request(), refuse)
        reply = await waiting
    assert reply == NoResponse("the answer was cut short")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n"], ids=["cancelled", "answered"]
)
async def test_what_is_left_of_a_request_that_is_over_is_not_sent(tmp_path: Path, answer: bytes) -> None:
    large = structs.replace(request(), body=bytes(20 << 20))
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # noqa: FBT003  # the socket's own way of saying it
        async with open_client(account(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")) as send:
            sending = asyncio.ensure_future(send(large, lambda: None))
            shop, _ = await loop.sock_accept(listener)
            received = len(await loop.sock_recv(shop, 1000))
            await loop.sock_sendall(shop, answer)
            if not answer:
                sending.cancel()
            await asyncio.wait([sending])
            with shop, suppress(ConnectionResetError):
                while received < len(large.body) and (part := await loop.sock_recv(shop, 1 << 20)):
                    received += len(part)
    assert received < len(large.body)


async def test_a_connection_that_was_opened_too_late_for_one_request_takes_the_next(tmp_path: Path) -> None:
    def too_late() -> None:
        raise PermitExpired

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, OK)

    async with serving(act) as (server, address), open_client(account(tmp_path, address)) as send:
        with pytest.raises(PermitExpired):
            await send(request("POST"), too_late)
        reply = await send(request("POST"), lambda: None)

    assert isinstance(reply, Response)
    assert (server.connections, len(server.seen)) == (1, 1)
