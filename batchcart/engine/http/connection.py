"""Owns one open connection: a request's bytes go out, its one answer is put together; it does not know what they mean.

llhttp, by way of httptools, reads the answer. What it has no word for stands here: answers that end with the
connection, hints before the answer, heads that it refuses and others read, and bytes that nobody asked for. A
connection whose answer was odd takes no other request: what was taken for its end may not have been it.
"""

import asyncio
import re
import ssl
from typing import Protocol

import httptools
import msgspec

from batchcart.engine.http.answer_body import Body, IncompleteResponse, Progress, ProtocolError, ResponseTooLarge
from batchcart.engine.http.content_coding import NotPacked, NotWhole, codings_of
from batchcart.engine.http.dialer import disarm_reset
from batchcart.engine.http.lenient_head import Odd, UnreadableHead, plain_head
from batchcart.model.system import SocketWatch

_LARGEST_HEAD = 256 << 10
"""Bytes read at most with none of a body among them: of a head with the hints before it, or of trailers."""

_AT_HAND = 64 << 10
"""Bytes of a body that every answer may have; for more there must be room."""

_LOWEST_HINT, _SWITCHING, _LOWEST_STATUS, _WITHOUT_BODY = 100, 101, 200, (204, 304)
_LAST_CHUNK, _TAIL = re.compile(rb"(?:^|\n)0+[ \t]*(?:;[^\n]*)?\r?\n\Z"), 64
_JOINED = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"keep-alive", b"ratelimit"})

_buffer = memoryview(bytearray(16 << 10))
"""What a read lands in. All connections share it, since what was read is parsed before anything else is.

It is a view since asyncio's TLS reads into slices of it, and a slice of a bytearray is a copy. It is no larger, so that
a read's worth of tiny chunks is parsed within a millisecond.
"""


class RawResponse(msgspec.Struct, frozen=True):
    """A whole answer, of its headers those that are wanted; their names are lower case.

    Of headers that come twice the first one stands; those about the answer's form, and lists, are put together.
    """

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Owner(Protocol):
    """Whoever has a connection."""

    def give_room(self, wire: "HttpConnection", size: int) -> bool:
        """Whether the answer may take up ``size`` bytes; if not yet, ``wire.on_room`` is called once it may."""

    def on_idle_end(self, wire: "HttpConnection") -> None:
        """The connection ended while nothing was waited for."""


class HttpConnection(asyncio.BufferedProtocol):
    """One connection, on which one request at a time waits for its answer.

    ``reusable`` says whether it takes another, ``quiet`` that nothing that was sent is under way any more.
    """

    __slots__ = (
        "_answer", "_began", "_body", "_ended", "_gathering", "_head", "_headed", "_headers", "_held", "_kept_headers",
        "_last_chunk", "_limit", "_loop", "_monitor", "_odd", "_owner", "_parser", "_received_head", "_status", "_tail",
        "_whole", "quiet", "reusable", "transport",
    )  # fmt: skip
    # Of the one answer:
    _headers: dict[bytes, bytes]
    _received_head: bytes  # its head so far
    _body: bytes  # as long as it came in one part
    _tail: bytes  # its latest bytes, of chunks
    _gathering: Body | None
    _began: bool
    _headed: bool
    _held: bool  # its reading stands still
    _whole: bool
    _last_chunk: bool

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, owner: Owner, kept: frozenset[bytes]
    ) -> None:
        self.transport = transport
        self.reusable = self.quiet = True
        self._loop, self._owner = loop, owner
        self._kept_headers = kept | _JOINED
        self._answer: asyncio.Future[RawResponse] | None = None
        self._limit, self._odd = 0, False
        self._ended: Exception | None = None
        self._monitor: SocketWatch | None = None
        self._parser = self._new_parser()
        self._forget()
        transport.set_protocol(self)

    def request(self, text: bytes, limit: int) -> "asyncio.Future[RawResponse]":
        """Send the request; the future has its answer, whose body is ``limit`` bytes at most, 64 KiB or more.

        It may raise ProtocolError, ResponseTooLarge, IncompleteResponse or OSError instead.
        """
        self._answer = answer = self._loop.create_future()
        self._limit = limit
        self.quiet = False
        if self._ended is None:
            self.transport.write(text)
        else:
            answer.set_exception(self._ended)
        return answer

    def has_unread(self) -> bool:
        """Whether something came in that the loop has not seen yet, such as the end of the connection."""
        if self._monitor is None:
            self._monitor = SocketWatch(self.transport.get_extra_info("socket").fileno())
        return self._monitor.has_unread()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next read lands."""
        return _buffer

    def buffer_updated(self, count: int) -> None:
        """Parse what was read; where nobody asked, it may belong to an answer that is not the next one's."""
        asked = self._answer
        if asked is None:
            self.abort()
            return
        part = _buffer[:count]
        self._head += count
        if self._odd and not self._headed:
            self._read_oddly(self._received_head + part)
        else:
            self._feed(part)
        if self._answer is None:
            return
        if not self._headed:
            self._received_head += part
        elif b"transfer-encoding" in self._headers:
            self._tail = (self._tail + part)[-_TAIL:]
        if self._head > _LARGEST_HEAD:
            self._break_off(ProtocolError())

    def eof_received(self) -> None:
        """The other side says no more, and the connection closes: in a friendly way where nothing is under way."""
        if self.quiet or (self._headed and self._ends_with_connection()):
            disarm_reset(self.transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; an answer of unknown length ends with it."""
        self.reusable = False
        self._ended = error if isinstance(error, TimeoutError | ssl.SSLError) else ConnectionResetError()
        if self._answer is None:
            self._owner.on_idle_end(self)
        elif self._whole:
            pass  # it is at hand, and waits for room
        elif error is None and self._headed and self._ends_with_connection():
            self._whole = True
            if not self._held:
                self._end()
        else:
            cut_short = self._began and not isinstance(error, TimeoutError)
            self._break_off(IncompleteResponse() if cut_short else self._ended)

    def on_room(self) -> None:
        """The answer may take up as much as it may be long."""
        if self._gathering is not None:
            self._gathering.room = self._limit
            self._go_on()

    def abort(self) -> None:
        """Give up what is waited for, and the connection."""
        self._break_off(IncompleteResponse())

    def on_message_begin(self) -> None:
        """An answer begins, or a hint."""
        if self._answer is None:
            raise ProtocolError  # nobody asked for it, or it is a second one behind the first
        self._began = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        name = name.lower()
        if name not in self._kept_headers or self._headed:  # what comes after the body is a trailer
            return
        if name not in self._headers:
            self._headers[name] = value
        elif name in _JOINED:
            self._headers[name] += b", " + value

    def on_headers_complete(self) -> None:
        """The head is whole: a hint's, or the answer's."""
        self._status = self._parser.get_status_code()
        if self._status < _LOWEST_STATUS:
            if self._status < _LOWEST_HINT or self._status == _SWITCHING:
                raise ProtocolError
            return
        packed, transfer = self._headers.get(b"content-encoding"), self._headers.get(b"transfer-encoding", b"chunked")
        if transfer != b"chunked":
            if b"chunked" in (names := transfer.lower()) and not names.rstrip(b" \t").endswith(b"chunked"):
                raise Odd
            packed = transfer if packed is None else packed + b"," + transfer
        length = int(self._headers.get(b"content-length", 0))
        if length > self._limit and self._status not in _WITHOUT_BODY:
            raise ResponseTooLarge
        self._headed = True
        if packed is not None and (codings := codings_of(packed)):
            self._gathering = Body(self._limit, _AT_HAND, codings)

    def on_chunk_header(self) -> None:
        """A chunk begins; it is the last one if nothing follows."""
        self._last_chunk = True

    def on_body(self, part: bytes) -> None:
        """A part of the body, still packed."""
        self._head = 0
        self._last_chunk = False
        if self._gathering is None:
            if not self._body:
                self._body = part  # most answers have no second one
                return
            self._gathering = Body(self._limit, _AT_HAND, ())
            self._gathering.push(self._body)
            self._body = b""
        self._gathering.push(part)
        if not self._held:
            self._gather(self._gathering)

    def on_message_complete(self) -> None:
        """A hint is over, or the answer is whole."""
        if not self._headed:
            self._began, self._headers = False, {}
            return
        # An answer that overtakes its request leaves bytes behind that would stand before the next one.
        self.quiet = not self.transport.get_write_buffer_size()
        self.reusable = self.quiet and not self._odd and self._parser.should_keep_alive()
        self._whole = True
        if not self._held:
            self._end()

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # Servers are lax here, and browsers and aiohttp let them.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        return parser

    def _feed(self, part: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(part)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__  # what a callback raised
        else:
            return
        if isinstance(cause, Odd | None) and self._answer is not None and not (self._headed or self._odd):
            self._odd = True
            self._read_oddly(self._received_head + part)
        else:
            self._break_off(cause if isinstance(cause, ResponseTooLarge | NotPacked) else ProtocolError())

    def _read_oddly(self, text: bytes) -> None:
        """Read what came of the answer so far, whose head the parser refused."""
        try:
            found = plain_head(text)
        except UnreadableHead:
            self._break_off(ProtocolError())
            return
        if found is not None:
            self._forget()
            self._parser = self._new_parser()
            for part in filter(None, found):
                if self._answer is not None:
                    self._feed(part)

    def _ends_with_connection(self) -> bool:
        if b"chunked" in self._headers.get(b"transfer-encoding", b"").lower():
            # The line behind the last chunk is missing: others take no offence, since nothing of the body is.
            return self._last_chunk and _LAST_CHUNK.search(self._tail) is not None
        return b"content-length" not in self._headers

    def _gather(self, body: Body) -> None:
        match body.gather():
            case Progress.ALL_IN if self._whole:
                self._end()
            case Progress.ALL_IN:
                self._release()
            case Progress.MORE:
                self._hold()
                self._loop.call_soon(self._go_on)
            case Progress.NO_ROOM:
                self._hold()
                if self._owner.give_room(self, self._size()):
                    body.room = self._limit
                    self._gather(body)

    def _size(self) -> int:
        """Bytes that the body may come to, unpacked."""
        is_known = b"content-encoding" not in self._headers and b"transfer-encoding" not in self._headers
        return int(self._headers.get(b"content-length", self._limit)) if is_known else self._limit

    def _hold(self) -> None:
        self._held = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _release(self) -> None:
        if self._held and not self.transport.is_closing():
            self.transport.resume_reading()
        self._held = False

    def _go_on(self) -> None:
        """Gather what is at hand, unless it was given up meanwhile."""
        if self._gathering is not None and self._held:
            try:
                self._gather(self._gathering)
            except (ResponseTooLarge, NotPacked) as failure:
                self._break_off(failure)

    def _end(self) -> None:
        """The answer is whole."""
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            try:
                body = self._body if self._gathering is None else self._gathering.whole()
                answer.set_result(RawResponse(self._status, self._headers, body))
            except (NotPacked, NotWhole) as failure:
                answer.set_exception(failure)
        self._release()
        self._let_go()

    def _break_off(self, error: Exception) -> None:
        self.reusable = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self.transport.abort()
        self._let_go()

    def _let_go(self) -> None:
        if self._gathering is not None:
            self._gathering.let_go()
        self._forget()

    def _forget(self) -> None:
        self._began = self._headed = self._held = self._whole = self._last_chunk = False
        self._status = self._head = 0
        self._headers = {}
        self._received_head = self._tail = self._body = b""
        self._gathering = None
