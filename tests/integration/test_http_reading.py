"""Answers as servers really write them: what curl, browsers or a client for Python reads is read, the rest refused."""

import asyncio
import gzip
import random
import zlib
from pathlib import Path

import pytest
from byte_server import OK, hang_up, request, say, serving, told

from batchcart.engine.http.content_coding import NotPacked, NotWhole, Unpacker
from batchcart.model.http import NoResponse, Response

BODY = b'{"a":1}'
GZIP = gzip.compress(BODY)
CHUNKS = b"7\r\n" + BODY + b"\r\n0\r\n\r\n"


def head(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK", end: bytes = b"\r\n") -> bytes:
    return end.join([first, *lines, b"", b""])


READ = {
    "chunks and a length": head(b"Content-Length: 7", b"Transfer-Encoding: chunked") + CHUNKS,
    "a length behind chunks": head(b"Transfer-Encoding: chunked", b"Content-Length: 7") + CHUNKS,
    "chunks and a wrong length": head(b"Content-Length: 99", b"Transfer-Encoding: chunked") + CHUNKS,
    "chunks and a length that is none": head(b"Content-Length: x", b"Transfer-Encoding: chunked") + CHUNKS,
    "the length twice": head(b"Content-Length: 7", b"Content-Length: 7") + BODY,
    "the length in a list": head(b"Content-Length: 7, 7") + BODY,
    "the length with zeros and without": head(b"Content-Length: 007", b"Content-Length: 7") + BODY,
    "a length with its sign": head(b"Content-Length: +7") + BODY,
    "a length and no coding": head(b"Transfer-Encoding: identity", b"Content-Length: 7") + BODY,
    "chunked twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked") + CHUNKS,
    "chunked before a coding that is none": head(b"Transfer-Encoding: chunked, identity") + CHUNKS,
    "chunked in capitals": head(b"TRANSFER-ENCODING: CHUNKED ") + CHUNKS,
    "chunks that are packed": head(b"Transfer-Encoding: gzip, chunked")
    + b"%x\r\n" % len(GZIP)
    + GZIP
    + b"\r\n0\r\n\r\n",
    "chunks with extensions and trailers": head(b"Transfer-Encoding: chunked")
    + b'7;a="b"\r\n'
    + BODY
    + b"\r\n0\r\nX: y\r\n\r\n",
    "chunks with spaces and zeros": head(b"Transfer-Encoding: chunked") + b"0007   \r\n" + BODY + b"\r\n000\r\n\r\n",
    "no reason": head(b"Content-Length: 7", first=b"HTTP/1.1 200") + BODY,
    "an empty reason": head(b"Content-Length: 7", first=b"HTTP/1.1 200 ") + BODY,
    "a reason in another script": head(b"Content-Length: 7", first="HTTP/1.1 200 Że\u2028".encode()) + BODY,
    "HTTP 1.0 with a length": head(b"Content-Length: 7", first=b"HTTP/1.0 200 OK") + BODY,
    "HTTP 1.0 with chunks": head(b"Transfer-Encoding: chunked", first=b"HTTP/1.0 200 OK") + CHUNKS,
    "a version of HTTP 2": head(b"content-length: 7", first=b"HTTP/2 200") + BODY,
    "line feeds only": head(b"Content-Length: 7", end=b"\n") + BODY,
    "empty lines in front": b"\r\n\r\n" + head(b"Content-Length: 7") + BODY,
    "a line end behind": head(b"Content-Length: 7") + BODY + b"\r\n",
    "a folded header": head(b"X: a\r\n b", b"Content-Length: 7") + BODY,
    "a folded header and a length twice": head(b"X: a\r\n\tb", b"Content-Length: 7", b"Content-Length:7") + BODY,
    "a space before the colon": head(b"Content-Length : 7") + BODY,
    "a header with a space in its name": head(b"X Powered By: ASP", b"Content-Length: 7") + BODY,
    "a line that is no header": head(b"P3P CP=NOI", b"Content-Length: 7") + BODY,
    "a header without a name": head(b": x", b"Content-Length: 7") + BODY,
    "control characters in a header": head(b"X: a\x00b\x02c", b"Content-Length: 7") + BODY,
    "UTF-8 in a header": head("X: Zażółć".encode(), b"Content-Length: 7") + BODY,
    "a hint nobody has heard of": head(first=b"HTTP/1.1 199 Soon") + head(b"Content-Length: 7") + BODY,
    "a hint before an odd head": head(first=b"HTTP/1.1 100 Continue") + head(b"Content-Length: 7, 7") + BODY,
    "an offer to switch": head(b"Connection: Upgrade", b"Upgrade: h2,h2c", b"Content-Length: 7") + BODY,
    "very many headers": head(*[b"X-%d: %s" % (n, b"y" * 100) for n in range(1000)], b"Content-Length: 7") + BODY,
    "one very long header": head(b"X: " + b"y" * 100_000, b"Content-Length: 7") + BODY,
}

READ_TO_THE_END = {
    "no length": head() + BODY,
    "an empty length": head(b"Content-Length: ") + BODY,
    "HTTP 1.0": head(first=b"HTTP/1.0 200 OK") + BODY,
    "a coding that is none": head(b"Transfer-Encoding: Identity") + BODY,
    "packed and no length": head(b"Content-Encoding: gzip") + GZIP,
    "packed on its way and no length": head(b"Transfer-Encoding: gzip") + GZIP,
    "no line behind the last chunk": head(b"Transfer-Encoding: chunked") + CHUNKS[:-2],
    "the last chunk's extension at the end": head(b"Transfer-Encoding: chunked") + CHUNKS[:-5] + b"00;x=y\r\n",
}

REFUSED = {
    "two lengths": head(b"Content-Length: 7", b"Content-Length: 2") + BODY,
    "two lengths in a list": head(b"Content-Length: 7, 2") + BODY,
    "a length below nothing": head(b"Content-Length: -7") + BODY,
    "a length with a fraction": head(b"Content-Length: 7.0") + BODY,
    "a length of another base": head(b"Content-Length: 0x7") + BODY,
    "a length beyond all numbers": head(b"Content-Length: 7, " + b"9" * 40) + BODY,
    "a length that is longer than the body": head(b"Content-Length: 9") + BODY,
    "chunks that end early": head(b"Transfer-Encoding: chunked") + CHUNKS[:-5],
    "a chunk that ends early": head(b"Transfer-Encoding: chunked") + CHUNKS[:5],
    "only a chunk's length at the end": head(b"Transfer-Encoding: chunked") + CHUNKS[:-5] + b"10\r\n",
    "a trailer that ends early": head(b"Transfer-Encoding: chunked") + CHUNKS[:-2] + b"X: y",
    "a chunk's length that is none": head(b"Transfer-Encoding: chunked") + b"g\r\n",
    "a byte order mark in front": b"\xef\xbb\xbf" + head(b"Content-Length: 7") + BODY,
    "another protocol": head(b"Content-Length: 7", first=b"ICY 200 OK") + BODY,
    "a version that is none": head(b"Content-Length: 7", first=b"HTTP/9.9 200 OK") + BODY,
    "a status of four digits": head(b"Content-Length: 7", first=b"HTTP/1.1 2000 OK") + BODY,
    "a switch of the protocol": head(b"Connection: Upgrade", b"Upgrade: x", first=b"HTTP/1.1 101 OK"),
    "a switch behind an odd head": head(b"X Y: z", first=b"HTTP/1.1 101 OK"),
    "a half of an odd head": head(b"Content-Length: 7, 7")[:-2],
}


@pytest.mark.parametrize("pieces", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", READ)
async def test_an_answer_that_others_read_is_read_however_it_is_written(
    tmp_path: Path, name: str, *, pieces: bool
) -> None:
    answer = READ[name]
    if pieces and len(answer) > 1000:
        pytest.skip("the same as the short ones, and long")

    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        for place in range(len(answer)) if pieces else [0]:
            await say(writer, answer[place : place + 1] if pieces else answer)
            await asyncio.sleep(0)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request(), request("GET"))
    assert replies == [Response(200, BODY)] * 2


@pytest.mark.parametrize("name", READ_TO_THE_END)
async def test_an_answer_without_a_length_is_whole_when_its_connection_ends(tmp_path: Path, name: str) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, READ_TO_THE_END[name])
        await hang_up(writer)

    async with serving(act) as (server, address):
        replies, _left = await told(tmp_path, address, request(), request("GET"))
    assert replies == [Response(200, BODY)] * 2
    assert server.connections == 2


@pytest.mark.parametrize("name", REFUSED)
async def test_an_answer_that_can_be_read_in_two_ways_or_none_is_refused(tmp_path: Path, name: str) -> None:
    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, REFUSED[name] if number == 1 else OK)
        if number == 1:
            await hang_up(writer)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request(), request("GET"))
    assert isinstance(replies[0], NoResponse)
    assert replies[1] == Response(200, b"{}", {"content-type": "application/json"})


@pytest.mark.parametrize("name", [name for name in READ if "length" in name])
async def test_what_stands_behind_an_odd_answer_is_never_the_next_ones(tmp_path: Path, name: str) -> None:
    stray = head(b"Content-Length: 14") + b'{"stray":true}'

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, READ[name] + stray if number == 1 else OK)

    async with serving(act) as (server, address):
        replies, _left = await told(tmp_path, address, request(), request("GET"))
    assert [reply.body for reply in replies if isinstance(reply, Response)] == [BODY, b"{}"]
    assert server.connections == 2


async def test_an_odd_head_that_comes_in_any_two_pieces_is_the_same(tmp_path: Path) -> None:
    answer = head(first=b"HTTP/1.1 103 Hint") + head(b"X: a", b"Content-Length: 7, 7", b"Retry-After: 3") + BODY

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await say(writer, answer[:number])
        await writer.drain()
        await asyncio.sleep(0.001)
        await say(writer, answer[number:])

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, *[request()] * (len(answer) - 1))
    assert replies == [Response(200, BODY, {"retry-after": "3"})] * (len(answer) - 1)


def bare_deflate(body: bytes) -> bytes:
    """As some servers understand deflate: without zlib's frame."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


PACKED = {
    "gzip": (b"gzip", GZIP),
    "gzip in capitals": (b" GZip ", GZIP),
    "two members": (b"x-gzip", gzip.compress(BODY[:3]) + gzip.compress(BODY[3:])),
    "an empty member behind": (b"gzip", GZIP + gzip.compress(b"")),
    "zeros behind": (b"gzip", GZIP + bytes(8)),
    "a line end behind": (b"gzip", GZIP + b"\r\n"),
    "a comment behind": (b"gzip", GZIP + b"\r\n<!-- took 0.1 s -->"),
    "half a member's name behind": (b"gzip", GZIP + b"\x1f\x8b"),
    "no trailer": (b"gzip", GZIP[:-8]),
    "a part of the trailer": (b"gzip", GZIP[:-3]),
    "deflate": (b"deflate", zlib.compress(BODY)),
    "deflate and more behind": (b"deflate", zlib.compress(BODY) + b"\r\n"),
    "deflate without its checksum": (b"deflate", zlib.compress(BODY)[:-4]),
    "bare deflate": (b"Deflate", bare_deflate(BODY)),
    "packed twice": (b"gzip, gzip", gzip.compress(GZIP)),
    "packed in two ways": (b"deflate, gzip", gzip.compress(zlib.compress(BODY))),
    "named twice and packed once": (b"gzip, gzip", GZIP),
    "packed among names that pack nothing": (b"utf-8, identity,, gzip", GZIP),
    "not packed": (b"identity", BODY),
    "not packed as it says": (b"gzip", BODY),
    "nothing at all": (b"gzip", b""),
    "a text encoding": (b"UTF-8", BODY),
    "no packing": (b"none", BODY),
    "a packing nobody asked for": (b"br", BODY),
}


@pytest.mark.parametrize("name", PACKED)
async def test_a_packed_answer_is_unpacked_as_others_do(tmp_path: Path, name: str) -> None:
    packing, packed = PACKED[name]
    answer = head(b"Content-Encoding: " + packing, b"Content-Length: %d" % len(packed)) + packed
    async with serving(lambda writer, _: say(writer, answer)) as (server, address):
        replies, _left = await told(tmp_path, address, request("GET"), request("GET"))
    assert replies == [Response(200, BODY if packed else b"")] * 2
    assert server.connections == 1


async def test_packings_named_in_headers_of_their_own_belong_together(tmp_path: Path) -> None:
    packed = gzip.compress(zlib.compress(BODY))
    length = b"Content-Length: %d" % len(packed)
    answer = head(b"Content-Encoding: deflate", length, b"content-encoding: gzip") + packed
    async with serving(lambda writer, _: say(writer, answer)) as (_, address):
        replies, _left = await told(tmp_path, address, request("GET"))
    assert replies == [Response(200, BODY)]


NOT_UNPACKED = {
    "cut off": (b"gzip", GZIP[:-9], "the answer was cut short"),
    "only its beginning": (b"gzip", GZIP[:10], "the answer was cut short"),
    "a wrong checksum": (b"gzip", GZIP[:-8] + b"\1\2\3\4" + GZIP[-4:], "the answer is not compressed as it says"),
    "broken": (b"gzip", GZIP[:12] + b"\xff\xff\xff" + GZIP[15:], "the answer is not compressed as it says"),
    "a second member that is broken": (b"gzip", GZIP + GZIP[:-9], "the answer was cut short"),
    "no deflate": (b"deflate", b"not defl!", "the answer is not compressed as it says"),
    "packed ten times": (b", ".join([b"gzip"] * 10), GZIP, "the answer is not compressed as it says"),
}


@pytest.mark.parametrize("name", NOT_UNPACKED)
async def test_an_answer_whose_packing_is_broken_is_unanswered(tmp_path: Path, name: str) -> None:
    packing, packed, why = NOT_UNPACKED[name]
    answer = head(b"Content-Encoding: " + packing, b"Content-Length: %d" % len(packed)) + packed
    async with serving(lambda writer, _: say(writer, answer)) as (_, address):
        replies, _left = await told(tmp_path, address, request("GET"))
    assert replies == [NoResponse(why)]


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("size", [1, 7, 3000])
def test_a_body_that_was_cut_anywhere_before_its_trailer_is_never_whole(level: int, size: int) -> None:
    body = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    packed = gzip.compress(body, level)
    for missing in range(1, len(packed) - 2):
        unpacker = Unpacker((b"gzip",))
        unpacker.push(packed[:-missing])
        found = b""
        while part := unpacker.pull(1000):
            found += part
        try:
            unpacker.check_whole()
        except NotWhole:
            assert missing > 8
        else:
            assert (missing <= 8, found) == (True, body)


def test_a_body_that_unpacks_to_gigabytes_gives_no_more_than_was_asked_for() -> None:
    unpacker = Unpacker((b"gzip", b"gzip"))
    unpacker.push(gzip.compress(gzip.compress(bytes(50_000_000))))
    assert [len(unpacker.pull(most)) for most in (1, 1000, 3, 65536)] == [1, 1000, 3, 65536]


def test_a_body_of_very_many_empty_members_is_refused_before_it_costs_time() -> None:
    unpacker = Unpacker((b"gzip",))
    unpacker.push(gzip.compress(b"") * 200_000)
    with pytest.raises(NotPacked):
        unpacker.pull(1)


async def test_headers_without_end_are_cut_off(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\n")
        for _ in range(400):
            await say(writer, b"X: " + b"y" * 1000 + b"\r\n")
            await asyncio.sleep(0)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request("GET"))
    assert replies == [NoResponse("the answer was not HTTP")]


@pytest.mark.parametrize(
    "endless", [b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"X Y: z\r\n"], ids=["hints", "empty lines", "odd lines"]
)
async def test_what_comes_before_the_answer_without_end_is_cut_off(tmp_path: Path, endless: bytes) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\n" if b"X" in endless else b"")
        for _ in range(400):
            await say(writer, endless * (1000 // len(endless)))
            await asyncio.sleep(0)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request("GET"))
    assert replies == [NoResponse("the answer was not HTTP")]


async def test_trailers_without_end_are_cut_off(tmp_path: Path) -> None:
    async def act(writer: asyncio.StreamWriter, _number: int) -> None:
        await say(writer, head(b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\nX: ")
        for _ in range(400):
            await say(writer, b"y" * 1000)
            await asyncio.sleep(0)

    async with serving(act) as (_, address):
        replies, _left = await told(tmp_path, address, request("GET"))
    assert replies == [NoResponse("the answer was not HTTP")]
