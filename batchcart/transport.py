"""Owns sending one request over HTTP and saying what became of it; it is the only module that knows aiohttp's client.

What aiohttp does by itself and what is done about it:

- It sends GET, PUT and DELETE a second time when a kept-alive connection drops. A middleware sees every real send;
  ours refuses the second one, so that each send has its own place under the limits, its own intent and signature.
- It reports garbage instead of an HTTP answer as a ClientResponseError with status 400: classified by type.
- Its error texts hold the URL, and so Tray's token: none of them is ever shown.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
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


class _SentTwice(Exception):
    """aiohttp wanted to send the request again on its own."""


@asynccontextmanager
async def connected(
    account: Account,
) -> AsyncIterator[Send]:
    """A function that sends signed requests to the account's shop; raises UsageError for a bad ca_file."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_leaving)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=_trust(account), keepalive_timeout=_KEPT_ALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=account.options.timeout),
        headers={"Accept": "application/json", "User-Agent": f"batchcart/{__version__}"},
        trace_configs=[trace],
    ) as session:

        async def send(request: Request, leaving: Callable[[], None]) -> Response | NotSent | Unanswered:
            return await _send(session, account, request, leaving)

        yield send


def _trust(account: Account) -> ssl.SSLContext | bool:
    if account.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(account.ca_file))
    except (ssl.SSLError, OSError):
        raise UsageError(f"account {account.name!r}: ca_file {account.ca_file} holds no certificates") from None


async def _note_leaving(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.left = True
    context.trace_request_ctx.leaving()


async def _send(
    session: aiohttp.ClientSession, account: Account, request: Request, leaving: Callable[[], None]
) -> Response | NotSent | Unanswered:
    progress = SimpleNamespace(left=False, passes=0, leaving=leaving)

    async def once(client_request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        progress.passes += 1
        if progress.passes > 1:
            raise _SentTwice
        return await handler(client_request)

    try:
        async with session.request(
            request.method,
            _url(account.address, request),
            data=request.body or None,
            headers=dict(request.headers),
            allow_redirects=False,
            middlewares=(once,),
            trace_request_ctx=progress,
        ) as answer:
            body = await _read(answer)
            headers = {name: _plain(answer.headers[name]) for name in _KEPT_HEADERS if name in answer.headers}
            return Response(answer.status, body, headers)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError, _SentTwice, _TooLarge) as error:
        return _what_became(error, account, left=progress.left)


def _plain(header: str) -> str:
    """A header's text; bytes that are none of UTF-8 become question marks."""
    return header.encode("utf-8", "replace").decode()


class _TooLarge(Exception):
    """The answer is longer than LARGEST_BODY."""


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > LARGEST_BODY:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _url(address: str, request: Request) -> URL:
    query = urlencode(request.query, quote_via=quote)
    return URL(address + request.path + (f"?{query}" if query else ""), encoded=True)


def _what_became(error: BaseException, account: Account, *, left: bool) -> NotSent | Unanswered:
    """The failure in words of our own, by its type."""
    host = urlsplit(account.address).netloc
    if not left:
        return NotSent(f"{host} cannot be reached: {_why_not(error)}")
    match error:
        case asyncio.TimeoutError():
            return Unanswered(f"no answer within {account.options.timeout:g} s", slow=True)
        case aiohttp.ClientPayloadError():
            return Unanswered("the answer was cut short")
        case aiohttp.ClientResponseError():
            return Unanswered("the answer was not HTTP")
        case _TooLarge():
            return Unanswered(f"the answer was longer than {LARGEST_BODY >> 20} MiB")
        case _:
            return Unanswered("the connection was cut before the answer came")


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
        case OSError() as failed if failed.strerror:
            return failed.strerror.lower()
        case _:
            return "no connection"
