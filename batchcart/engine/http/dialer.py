"""Owns opening connections to one shop, also through a proxy; it does not know what is said on them.

It is the only module that knows aiohttp's client: aiohttp connects (Happy Eyeballs, TLS, CONNECT), and what comes out
is an open transport and nothing of aiohttp. tests/integration/test_dialer.py says in words when aiohttp's inside has
changed.

What was given up must not arrive later. A plain close leaves what was written to the kernel, which goes on sending it
for minutes, also after a kill -9. So every socket is told before it connects that its end throws away what the other
side has not acknowledged (SO_LINGER with no time), and that nothing may stay unacknowledged for longer than a request
may take (TCP_USER_TIMEOUT, where the system has it); where another process may go on with an account, not for as long
as that: its system sends it again also while the process is stopped. To the other side an end like that is a reset:
``end_gracefully`` is the friendly one, for connections on which nothing is under way.

aiohttp's error texts hold addresses, and so perhaps a password: none of them is ever shown.
"""

import asyncio
import errno
import os
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from batchcart import __version__
from batchcart.accounts.config import Account
from batchcart.accounts.proxy import Proxy
from batchcart.engine.http.names import look_up
from batchcart.engine.http.tls import describe_tls, is_final, open_context
from batchcart.model.remedy import Remedy

_RESET, _FINISH = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
"""What SO_LINGER takes: an end at once, without what is not acknowledged; or an orderly one."""


_WHAT_TO_CHECK = {
    errno.ECONNREFUSED: ", nothing listens there",
    errno.ENETUNREACH: ", this machine may be offline",
    errno.EHOSTUNREACH: ", this machine may be offline",
}


class NotConnected(Exception):
    """There is no connection, and so nothing was sent; its text is a sentence part without secrets.

    ``remedy`` is what somebody has to do before trying again can change anything, if that is so.
    """

    def __init__(self, why: str, remedy: Remedy | None = None) -> None:
        super().__init__(why)
        self.remedy = remedy


class Dialer:
    """Opens connections to an account's shop; raises UsageError where a file of its TLS is bad.

    What is sent on them may stay ``unacknowledged`` for so many seconds, None for as long as a request may take.
    """

    def __init__(self, account: Account, unacknowledged: float | None = None) -> None:
        self._account = account
        self._unacknowledged = unacknowledged
        self._context = open_context(account)
        self._place = URL(account.address, encoded=True)
        self._connector: aiohttp.TCPConnector | None = None

    async def dial(self) -> asyncio.Transport:
        """An open connection, of which the caller takes care; raises NotConnected."""
        try:
            async with asyncio.timeout(self._account.options.timeout):
                return await self._connect()
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            why = f"{_shop(self._account)} cannot be reached: {self._why_not(error)}"
            raise NotConnected(why, _remedy(error)) from None

    async def close(self) -> None:
        """Give up what is being opened."""
        if self._connector is not None:
            await self._connector.close()

    async def _connect(self) -> asyncio.Transport:
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(
                limit=0,
                ssl=self._context,
                resolver=_Resolver(),
                socket_factory=_sockets(self._account.options.timeout),
            )
        # aiohttp takes the place to connect to from a request that is never sent.
        place = aiohttp.ClientRequest("GET", self._place, loop=asyncio.get_running_loop(), **_way(self._account.proxy))
        connection = await self._connector.connect(place, [], aiohttp.ClientTimeout())
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing() or protocol.should_close:
            connection.close()
            raise ConnectionError
        protocol.transport = None  # from here on it is ours, and aiohttp closes and counts it no longer
        connection.close()
        if self._unacknowledged is not None:
            _limit_unacknowledged(transport.get_extra_info("socket"), self._unacknowledged)
        return transport

    def _why_not(self, error: BaseException) -> str:
        proxy = self._account.proxy
        match error:
            case aiohttp.ClientHttpProxyError(status=407):
                return describe_refusal(self._account)
            case aiohttp.ClientHttpProxyError():
                return f"its proxy {proxy} answered {error.status} to CONNECT"
            case aiohttp.ClientProxyConnectionError():
                return f"its proxy {proxy} cannot be reached: {_plainly(error)}"
            case aiohttp.ClientConnectorDNSError() if proxy is not None:
                return f"the name of its proxy {proxy} is not known"
            case _ if proxy is not None:
                return f"{_plainly(error)}, through its proxy {proxy}"
            case _:
                return _plainly(error)


def describe_refusal(account: Account) -> str:
    """What a 407 says, which is nobody's but a proxy's."""
    return f"its proxy {account.proxy} wants other credentials (407)"


def end_gracefully(transport: asyncio.Transport) -> None:
    """End a connection on which nothing is under way: the other side sees an end, and no reset."""
    disarm_reset(transport)
    transport.abort()  # a close would wait for the other side's end of TLS


def disarm_reset(transport: asyncio.Transport) -> None:
    """Let the connection's end be a friendly one, if the other side has acknowledged all that was sent."""
    with suppress(OSError):  # it is closed already
        made_of = transport.get_extra_info("socket")
        if _count_unacknowledged(made_of.fileno()) == 0:
            made_of.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FINISH)


def _count_unacknowledged(number: int) -> int:
    """Bytes still on their way from the socket with this file number; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    import fcntl  # noqa: PLC0415  # Windows has neither
    import termios  # noqa: PLC0415

    count: int = struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))[0]
    return count


class _Resolver(AbstractResolver):
    """Our look-ups as aiohttp asks for them."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=found, proto=0, flags=socket.AI_NUMERICHOST)
            for found, address in await look_up(host, family)
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _sockets(timeout: float) -> Callable[[Any], socket.socket]:
    """What aiohttp makes a connection's socket with; ``timeout`` is a request's, in seconds."""

    def open_socket(address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        _limit_unacknowledged(made, timeout)
        return made

    return open_socket


def _limit_unacknowledged(made: socket.socket, seconds: float) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, round(seconds * 1000)))


def _way(proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None:
        return {}
    headers = {"User-Agent": f"batchcart/{__version__}"}
    if proxy.authorization:
        headers["Proxy-Authorization"] = proxy.authorization
    return {"proxy": URL(proxy.url), "proxy_headers": headers}


def _shop(account: Account) -> str:
    return urlsplit(account.address).netloc


def _tls_failure(error: BaseException) -> ssl.SSLError | None:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as failed):
            return failed
        case aiohttp.ClientConnectorSSLError(os_error=ssl.SSLError() as failed):
            return failed
        case _:
            return None


def _remedy(error: BaseException) -> Remedy | None:
    """What is to be done first, where trying again changes nothing."""
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return Remedy.FIX_PROXY
        case _ if (failed := _tls_failure(error)) is not None and is_final(failed):
            return Remedy.SEE_TO_CERTIFICATE
        case _:
            return None


def _plainly(error: BaseException) -> str:
    match error:
        case _ if (failed := _tls_failure(error)) is not None:
            return describe_tls(failed)
        case aiohttp.ClientConnectorDNSError() if error.errno == socket.EAI_AGAIN:
            return "its name cannot be looked up just now, this machine may be offline"
        case aiohttp.ClientConnectorDNSError():
            return "no name server knows its name"
        case UnicodeError():
            return "its name cannot be one"
        case asyncio.TimeoutError():
            return "no connection in time, it may be down or behind a firewall"
        case OSError() as failed if failed.errno:
            return os.strerror(failed.errno).lower() + _WHAT_TO_CHECK.get(failed.errno, "")
        case _:
            return "no connection"
