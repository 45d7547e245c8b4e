"""Owns one open connection: a request's bytes go out, its one answer is put together; it does not know what they mean.

llhttp, by way of httptools, reads the answer. What it has no word for stands here: answers that end with the
connection, hints before the answer, packed bodies, and bytes that nobody asked for.
"""

import asyncio
import zlib

import httptools
import msgspec

LARGEST_BODY = 32 << 20
"""Bytes of an answer that are read at the most, unpacked."""

_LARGEST_HEAD = 64 << 10
"""Bytes that are read at the most with none of a body among them: of a head, or of trailers."""

_HINTS = (100, 102, 103)
_LOWEST_STATUS = 200
_RAW_DEFLATE, _GZIP_OR_ZLIB = -zlib.MAX_WBITS, zlib.MAX_WBITS | 32  # what zlib calls them
_ZLIB_METHOD = 8  # the low half of a zlib stream's first byte
_BLOCK = 4 << 10  # bytes unpacked at once; each end of a packed part copies what is left of them

_buffer = memoryview(bytearray(256 << 10))
"""What a read lands in. All connections share it, since what was read is parsed before anything else is.

It is a view since asyncio's TLS reads into slices of it, and a slice of a bytearray is a copy.
"""


class NotHttp(Exception):
    """What came is no HTTP answer."""


class TooLarge(Exception):
    """The answer is longer than LARGEST_BODY."""


class CutShort(Exception):
    """The answer began and its end is missing."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer; header names are lower case, and of headers that come twice the first one stands."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Wire(asyncio.BufferedProtocol):
    """One connection, on which one request at a time waits for its answer. ``fit`` says whether it takes another."""

    __slots__ = (
        "_answer", "_began", "_body", "_head", "_headed", "_headers", "_loop", "_parser", "_size", "_status", "fit",
        "transport",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        self.fit = True
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        # Servers are lax here, and browsers and aiohttp let them.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._answer: asyncio.Future[Answer] | None = None
        self._forget()
        transport.set_protocol(self)

    def say(self, text: bytes) -> "asyncio.Future[Answer]":
        """Send the request; the future has its answer, or raises NotHttp, TooLarge, CutShort or OSError."""
        self._answer = answer = self._loop.create_future()
        self.transport.write(text)
        return answer

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next read lands."""
        return _buffer

    def buffer_updated(self, count: int) -> None:
        """Parse what was read."""
        self._head += count
        try:
            self._parser.feed_data(_buffer[:count])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:  # what a callback raised is its cause
            self._break_off(TooLarge() if isinstance(error.__context__, TooLarge) else NotHttp())
        if self._head > _LARGEST_HEAD and self._answer is not None:
            self._break_off(NotHttp())

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; an answer of unknown length ends with it."""
        self.fit = False
        if error is None and self._headed and self._ends_with_connection():
            self._end()
        elif self._began:
            self._break_off(CutShort())
        else:
            self._break_off(ConnectionResetError())

    def _ends_with_connection(self) -> bool:
        coding = self._headers.get(b"transfer-encoding", b"identity")
        return b"content-length" not in self._headers and coding.strip().lower() == b"identity"

    def on_message_begin(self) -> None:
        """An answer begins, or a hint."""
        if self._answer is None:
            raise NotHttp  # nobody asked for it, or it is a second one behind the first
        self._began = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        if len(value) > _LARGEST_HEAD:
            raise NotHttp
        if not self._headed:  # what comes after the body is a trailer
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """The head is whole: a hint's, or the answer's."""
        self._status = self._parser.get_status_code()
        self._headed = self._status not in _HINTS
        if self._headed and self._status < _LOWEST_STATUS:
            raise NotHttp

    def on_body(self, body: bytes) -> None:
        """A part of the body, still packed."""
        self._head = 0
        self._body.append(body)
        self._size += len(body)
        if self._size > LARGEST_BODY:
            raise TooLarge

    def on_message_complete(self) -> None:
        """A hint is over, or the answer is whole."""
        if self._headed:
            # An answer that overtakes its request leaves bytes behind that would stand before the next one.
            self.fit = self._parser.should_keep_alive() and not self.transport.get_write_buffer_size()
            self._end()
        else:
            self._forget()

    def _end(self) -> None:
        """The answer is whole."""
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            try:
                answer.set_result(Answer(self._status, self._headers, _unpacked(b"".join(self._body), self._headers)))
            except (NotHttp, TooLarge, CutShort) as error:
                answer.set_exception(error)
        self._forget()

    def cut(self) -> None:
        """Give up what is waited for, and the connection."""
        self._break_off(CutShort())

    def _break_off(self, error: Exception) -> None:
        self.fit = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self.transport.abort()

    def _forget(self) -> None:
        self._began = self._headed = False
        self._status = self._size = self._head = 0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []


def _unpacked(body: bytes, headers: dict[bytes, bytes]) -> bytes:
    """The body as it was before it was packed; as it came where its packing is none that was asked for.

    Raises NotHttp for a body that is not packed as it says, and CutShort and TooLarge.
    """
    packing = headers.get(b"content-encoding", b"").strip().lower()
    if not body or packing not in {b"gzip", b"x-gzip", b"deflate"}:
        return body
    parts, size, unpacking = [], 0, None
    for place in range(0, len(body), _BLOCK):
        rest = body[place : place + _BLOCK]
        while rest:
            if unpacking is None:
                bare = packing == b"deflate" and rest[0] & 0x0F != _ZLIB_METHOD
                unpacking = zlib.decompressobj(_RAW_DEFLATE if bare else _GZIP_OR_ZLIB)
            try:
                parts.append(unpacking.decompress(rest, LARGEST_BODY + 1 - size))
            except zlib.error:
                raise NotHttp from None
            size += len(parts[-1])
            if size > LARGEST_BODY:
                raise TooLarge
            rest = unpacking.unused_data
            if unpacking.eof:
                unpacking = None
    if unpacking is not None:
        raise CutShort
    return b"".join(parts)
