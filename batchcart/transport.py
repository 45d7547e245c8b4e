"""Owns sending one request over HTTP and saying what became of it; it is the only module that knows aiohttp's client.

It stands on aiohttp's connections, not on its session: a session sends GET, PUT and DELETE a second time when a kept
connection drops, and here each send must have its own place under the limits, its own intent and signature. aiohttp
opens connections (names, TLS, time-outs) and reads answers; the request's few lines are written here, in one piece, at
the one moment from which on the shop may have acted. It also costs a third of a session's request.

aiohttp's error texts hold the URL, and so Tray's token: none of them is ever shown.
"""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from yarl import URL

from batchcart import __version__
from batchcart.accounts import Account
from batchcart.errors import UsageError
from batchcart.exchange import NotSent, Request, Response, Unanswered

Send = Callable[[Request, Callable[[], None]], Awaitable[Response | NotSent | Unanswered]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""

LARGEST_BODY = 32 << 20
"""Bytes of an answer that are read at the most."""

_KEPT_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 after which common servers drop it, since a write on a
connection that the shop is just dropping is a write without an answer."""

_KEPT_HEADERS = ("retry-after", "content-type", "location")
_HINTS = (100, 102, 103)
_LOWEST_STATUS = 200
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


@asynccontextmanager
async def connected(account: Account, *, keep: tuple[str, ...] = ()) -> AsyncIterator[Send]:
    """A function that sends signed requests to the account's shop; raises UsageError for a bad ca_file.

    ``keep`` names headers of the answers that are wanted beside those that adapters look at.
    """
    connections = _Connections(account, _trust(account), asyncio.get_running_loop(), (*_KEPT_HEADERS, *keep))
    try:
        yield connections.send
    finally:
        await connections.close()


def _trust(account: Account) -> ssl.SSLContext | bool:
    if account.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(account.ca_file))
    except (ssl.SSLError, OSError):
        raise UsageError(f"account {account.name!r}: ca_file {account.ca_file} holds no certificates") from None


class _TooLarge(Exception):
    """The answer is longer than LARGEST_BODY."""


@dataclass(slots=True)
class _Connections:
    """The connections to one shop: idle ones with the time they became so, and those that wait for an answer.

    Every answer has the same time, so those that wait are in the order in which it runs out, and one timer does.
    """

    account: Account
    trust: ssl.SSLContext | bool
    loop: asyncio.AbstractEventLoop
    headers: tuple[str, ...]
    _connector: aiohttp.TCPConnector | None = None
    _idle: list[tuple[Connection, float]] = field(default_factory=list)
    _waiting: dict[ResponseHandler, float] = field(default_factory=dict)
    _overdue: set[ResponseHandler] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _dropping: asyncio.TimerHandle | None = None
    _prefix: str = field(init=False)
    _host: str = field(init=False)

    def __post_init__(self) -> None:
        self._prefix = urlsplit(self.account.address).path
        self._host = URL(self.account.address, encoded=True).host_port_subcomponent or ""

    async def send(self, request: Request, leaving: Callable[[], None]) -> Response | NotSent | Unanswered:
        """Send the request once and say what became of it."""
        try:
            text = self._text(request)
            connection = self._kept() or await self._opened()
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                connection.close()
                raise ConnectionError
        except (*_FAILURES, TimeoutError) as error:
            return NotSent(f"{urlsplit(self.account.address).netloc} cannot be reached: {_why_not(error)}")
        # A fresh parser: aiohttp's would add one answer's trailers to the headers of the next.
        protocol.set_response_params(read_until_eof=True)
        leaving()
        transport.write(text)
        self._expect(protocol)
        reusable = False
        try:
            message, payload = await _answer(protocol)
            body = payload.read_nowait() if payload.is_eof() else await _whole(payload)
            reusable = not protocol.should_close
        except (*_FAILURES, _TooLarge) as error:
            return self._unanswered(error, late=protocol in self._overdue)
        finally:
            self._settle(connection, protocol, reusable=reusable)
        return Response(message.code, body, _headers(message, self.headers))

    async def close(self) -> None:
        """Close what is idle, and watch no longer."""
        for connection, _ in self._idle:
            connection.close()
        self._idle.clear()
        for timer in (self._timer, self._dropping):
            if timer is not None:
                timer.cancel()
        if self._connector is not None:
            await self._connector.close()

    def _text(self, request: Request) -> bytes:
        """The request as it goes over the wire; raises ValueError for a header that would not stay one."""
        target = self._prefix + request.path
        if request.query:
            target += "?" + urlencode(request.query, quote_via=quote)
        length = f"Content-Length: {len(request.body)}\r\n" if request.body or request.writes else ""
        said = f"{request.method} {target} HTTP/1.1\r\nHost: {self._host}\r\n"
        return f"{said}{_header_lines(request.headers)}{length}\r\n".encode() + request.body

    def _kept(self) -> Connection | None:
        """The connection that was used last, if it is still good."""
        oldest = self.loop.time() - _KEPT_ALIVE
        while self._idle:
            connection, since = self._idle.pop()
            protocol = connection.protocol
            if since >= oldest and protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            connection.close()
        return None

    async def _opened(self) -> Connection:
        # aiohttp takes the place to connect to from a request that is never sent.
        place = aiohttp.ClientRequest("GET", URL(self.account.address, encoded=True), loop=self.loop)
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(limit=0, ssl=self.trust)
        async with asyncio.timeout(self.account.options.timeout):
            return await self._connector.connect(place, [], aiohttp.ClientTimeout())

    def _expect(self, protocol: ResponseHandler) -> None:
        timeout = self.account.options.timeout
        self._waiting[protocol] = self.loop.time() + timeout
        if self._timer is None:
            self._timer = self.loop.call_later(timeout, self._cut_overdue)

    def _cut_overdue(self) -> None:
        """Cut the connections whose time has run out; what reads from them is told so."""
        self._timer = None
        for protocol, until in list(self._waiting.items()):
            if until > self.loop.time():
                self._timer = self.loop.call_at(until, self._cut_overdue)
                return
            del self._waiting[protocol]
            self._overdue.add(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()

    def _settle(self, connection: Connection, protocol: ResponseHandler, *, reusable: bool) -> None:
        self._waiting.pop(protocol, None)
        self._overdue.discard(protocol)
        if not reusable:
            connection.close()
            return
        self._idle.append((connection, self.loop.time()))
        if self._dropping is None:
            self._dropping = self.loop.call_later(_KEPT_ALIVE, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what has not been used for too long; the last used stand at the end."""
        self._dropping = None
        oldest = self.loop.time() - _KEPT_ALIVE
        while self._idle and self._idle[0][1] <= oldest:
            self._idle.pop(0)[0].close()
        if self._idle:
            self._dropping = self.loop.call_at(self._idle[0][1] + _KEPT_ALIVE, self._drop_idle)

    def _unanswered(self, error: Exception, *, late: bool) -> Unanswered:
        """The failure in words of our own, by its type."""
        if late:
            return Unanswered(f"no answer within {self.account.options.timeout:g} s", slow=True)
        match error:
            case aiohttp.ClientPayloadError():
                return Unanswered("the answer was cut short")
            case HttpProcessingError():
                return Unanswered("the answer was not HTTP")
            case _TooLarge():
                return Unanswered(f"the answer was longer than {LARGEST_BODY >> 20} MiB")
            case _:
                return Unanswered("the connection was cut before the answer came")


@lru_cache(maxsize=64)
def _header_lines(headers: tuple[tuple[str, str], ...]) -> str:
    """Most shops' headers are the same in every request."""
    lines = [
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        f"User-Agent: batchcart/{__version__}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if any(_UNFIT.search(line) for line in lines):
        raise ValueError("a header holds a line break")
    return "".join(f"{line}\r\n" for line in lines)


async def _answer(protocol: ResponseHandler) -> tuple[RawResponseMessage, StreamReader]:
    """The answer behind the hints that may come before it."""
    message, payload = await protocol.read()
    while message.code in _HINTS:
        message, payload = await protocol.read()
    if message.code < _LOWEST_STATUS:
        raise BadStatusLine(str(message.code))
    return message, payload


async def _whole(payload: StreamReader) -> bytes:
    parts, size = [], 0
    async for part in payload.iter_any():
        size += len(part)
        if size > LARGEST_BODY:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _headers(message: RawResponseMessage, kept: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in kept:
        if (value := message.headers.get(name)) is not None:
            # Bytes that are none of UTF-8 become question marks.
            found[name] = value if value.isascii() else value.encode("utf-8", "replace").decode()
    return found


def _why_not(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "its TLS certificate was not accepted, or TLS failed"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known"
        case UnicodeError():
            return "its name cannot be one"
        case asyncio.TimeoutError():
            return "no connection in time"
        case OSError() as failed if failed.errno:
            return os.strerror(failed.errno).lower()
        case _:
            return "no connection"
