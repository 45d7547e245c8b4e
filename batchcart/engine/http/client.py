"""Owns sending one request over HTTP and saying what became of it; it is the only module that knows aiohttp's client.

It stands on aiohttp's connections, not on its session: a session sends GET, PUT and DELETE a second time when a kept
connection drops, and here each send must have its own place under the limits, its own intent and signature. aiohttp
opens connections (names, TLS, time-outs); the request's few lines are written here, in one piece, at the one moment
from which on the shop may have acted, and wire.py reads the answer.

aiohttp's error texts hold the URL, and so Tray's token: none of them is ever shown.
"""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from batchcart import __version__
from batchcart.accounts.config import Account
from batchcart.engine.http.connection import LARGEST_BODY, CutShort, NotHttp, TooLarge, Wire
from batchcart.model.errors import UsageError
from batchcart.model.http import NotSent, Request, Response, Unanswered

Send = Callable[[Request, Callable[[], None]], Awaitable[Response | NotSent | Unanswered]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""

_KEPT_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 after which common servers drop it, since a write on a
connection that the shop is just dropping is a write without an answer."""

_KEPT_HEADERS = ("retry-after", "content-type", "location")
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_OPENED = (aiohttp.ClientError, OSError, ValueError)
_NO_ANSWER = (NotHttp, TooLarge, CutShort, OSError)


@asynccontextmanager
async def connected(account: Account, *, keep: tuple[str, ...] = ()) -> AsyncIterator[Send]:
    """A function that sends signed requests to the account's shop; raises UsageError for a bad ca_file.

    ``keep`` names headers of the answers that are wanted beside those that adapters look at.
    """
    connections = _Connections(account, _trust(account), asyncio.get_running_loop(), _headers_kept(keep))
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


@dataclass(slots=True)
class _Connections:
    """The connections to one shop: idle ones with the time they became so, and those that wait for an answer.

    Every answer has the same time, so those that wait are in the order in which it runs out, and one timer does.
    """

    account: Account
    trust: ssl.SSLContext | bool
    loop: asyncio.AbstractEventLoop
    headers: tuple[tuple[bytes, str], ...]
    _connector: aiohttp.TCPConnector | None = None
    _opened: dict[Wire, Connection] = field(default_factory=dict)
    _idle: list[tuple[Wire, float]] = field(default_factory=list)
    _waiting: dict[Wire, float] = field(default_factory=dict)
    _overdue: set[Wire] = field(default_factory=set)
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
            wire = self._kept() or await self._open()
        except (*_NOT_OPENED, TimeoutError) as error:
            return NotSent(f"{urlsplit(self.account.address).netloc} cannot be reached: {_why_not(error)}")
        leaving()
        answering = wire.say(text)
        self._expect(wire)
        try:
            answer = await answering
        except _NO_ANSWER as error:
            return self._unanswered(error, late=wire in self._overdue)
        except asyncio.CancelledError:
            wire.fit = False
            raise
        finally:
            self._settle(wire)
        return Response(answer.status, answer.body, _kept_of(answer.headers, self.headers))

    async def close(self) -> None:
        """Close all, and watch no longer."""
        self._idle.clear()
        for wire in list(self._opened):  # aiohttp would wait for their ends, of which it no longer hears
            self._close(wire)
        for timer in (self._timer, self._dropping):
            if timer is not None:
                timer.cancel()
        if self._connector is not None:
            await self._connector.close()

    def _text(self, request: Request) -> bytes:
        """The request as it goes over the wire; raises ValueError for a header that would not stay one."""
        target = self._prefix + request.path
        if request.query:
            target += _query_text(request.query)
        length = f"Content-Length: {len(request.body)}\r\n" if request.body or request.writes else ""
        said = f"{request.method} {target} HTTP/1.1\r\nHost: {self._host}\r\n"
        return f"{said}{_header_lines(request.headers)}{length}\r\n".encode() + request.body

    def _kept(self) -> Wire | None:
        """The connection that was used last, if it is still good."""
        oldest = self.loop.time() - _KEPT_ALIVE
        while self._idle:
            wire, since = self._idle.pop()
            if wire.fit and since >= oldest and not wire.transport.is_closing():
                return wire
            self._close(wire)
        return None

    async def _open(self) -> Wire:
        # aiohttp takes the place to connect to from a request that is never sent.
        place = aiohttp.ClientRequest("GET", URL(self.account.address, encoded=True), loop=self.loop)
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(limit=0, ssl=self.trust)
        async with asyncio.timeout(self.account.options.timeout):
            connection = await self._connector.connect(place, [], aiohttp.ClientTimeout())
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing() or protocol.should_close:
            connection.close()
            raise ConnectionError
        wire = Wire(transport, self.loop)
        self._opened[wire] = connection
        return wire

    def _close(self, wire: Wire) -> None:
        wire.cut()  # what is left of a request would still be sent, and an end of TLS waited for
        if (connection := self._opened.pop(wire, None)) is not None:
            connection.close()

    def _expect(self, wire: Wire) -> None:
        timeout = self.account.options.timeout
        self._waiting[wire] = self.loop.time() + timeout
        if self._timer is None:
            self._timer = self.loop.call_later(timeout, self._cut_overdue)

    def _cut_overdue(self) -> None:
        """Cut the connections whose time has run out; what waits for them is told so."""
        self._timer = None
        for wire, until in list(self._waiting.items()):
            if until > self.loop.time():
                self._timer = self.loop.call_at(until, self._cut_overdue)
                return
            del self._waiting[wire]
            self._overdue.add(wire)
            wire.cut()

    def _settle(self, wire: Wire) -> None:
        self._waiting.pop(wire, None)
        self._overdue.discard(wire)
        if not wire.fit:
            self._close(wire)
            return
        self._idle.append((wire, self.loop.time()))
        if self._dropping is None:
            self._dropping = self.loop.call_later(_KEPT_ALIVE, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what has not been used for too long; the last used stand at the end."""
        self._dropping = None
        oldest = self.loop.time() - _KEPT_ALIVE
        while self._idle and self._idle[0][1] <= oldest:
            self._close(self._idle.pop(0)[0])
        if self._idle:
            self._dropping = self.loop.call_at(self._idle[0][1] + _KEPT_ALIVE, self._drop_idle)

    def _unanswered(self, error: Exception, *, late: bool) -> Unanswered:
        """The failure in words of our own, by its type."""
        if late:
            return Unanswered(f"no answer within {self.account.options.timeout:g} s", slow=True)
        match error:
            case CutShort():
                return Unanswered("the answer was cut short")
            case NotHttp():
                return Unanswered("the answer was not HTTP")
            case TooLarge():
                return Unanswered(f"the answer was longer than {LARGEST_BODY >> 20} MiB")
            case _:
                return Unanswered("the connection was cut before the answer came")


@lru_cache(maxsize=64)
def _query_text(query: tuple[tuple[str, str], ...]) -> str:
    """Tray's is the same in most requests."""
    return "?" + urlencode(query, quote_via=quote)


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


def _headers_kept(more: tuple[str, ...]) -> tuple[tuple[bytes, str], ...]:
    """The headers that are handed over, as the wire knows them and as adapters do."""
    return tuple((name.encode(), name) for name in (*_KEPT_HEADERS, *more))


def _kept_of(headers: Mapping[bytes, bytes], kept: tuple[tuple[bytes, str], ...]) -> dict[str, str]:
    # What is not UTF-8 is shown as such.
    return {name: headers[raw].strip().decode(errors="replace") for raw, name in kept if raw in headers}


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
