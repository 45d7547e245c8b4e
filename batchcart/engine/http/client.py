"""Owns sending one request over HTTP and saying what became of it; it does not know how connections are opened.

It stands on open connections, not on aiohttp's session: a session sends GET, PUT and DELETE a second time when a kept
connection drops, and here each send must have its own place under the limits, its own intent and signature. A request
goes out in one piece, at the one moment from which on the shop may have acted.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache

import msgspec

from batchcart.accounts.config import Account
from batchcart.engine.http.answer_body import IncompleteResponse, ProtocolError, ResponseTooLarge
from batchcart.engine.http.answer_budget import BUDGET, AnswerBudget
from batchcart.engine.http.content_coding import NotPacked, NotWhole
from batchcart.engine.http.dialer import Dialer, NotConnected, describe_refusal
from batchcart.engine.http.pool import Pool
from batchcart.engine.http.request_text import Form
from batchcart.engine.http.tls import describe_tls, refuses_ours
from batchcart.journal.permit import PermitExpired
from batchcart.model.http import NoResponse, NotSent, Reply, Request, Response, Sender
from batchcart.model.remedy import Remedy

_KEPT_HEADERS = (
    "retry-after",
    "retry-after-ms",
    "ratelimit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "date",
    "content-type",
    "location",
)
_PROXY_REFUSED = 407
_NO_ANSWER = (ProtocolError, NotPacked, NotWhole, ResponseTooLarge, IncompleteResponse, OSError)


@asynccontextmanager
async def open_client(
    account: Account,
    *,
    keep: tuple[str, ...] = (),
    budget: AnswerBudget = BUDGET,
    unacknowledged: float | None = None,
) -> AsyncIterator[Sender]:
    """A function that sends signed requests to the account's shop; raises UsageError where a file of its TLS is bad.

    ``keep`` names headers of the answers that are wanted beside those that adapters look at; ``budget`` is the memory
    that large answers share; what was sent may stay ``unacknowledged`` for so many seconds.
    """
    headers, kept_headers = _name_headers(keep)
    loop = asyncio.get_running_loop()
    pool = Pool(account.name, account.options.timeout, Dialer(account, unacknowledged), budget, kept_headers, loop)
    try:
        yield _HttpClient(account, Form.of(account), pool, headers).send
    finally:
        await pool.close()


@cache
def _name_headers(more: tuple[str, ...]) -> tuple[Mapping[bytes, str], frozenset[bytes]]:
    """The headers of answers that are kept, and their names on the wire; once for all accounts."""
    headers = {name.encode(): name for name in (*_KEPT_HEADERS, *more)}
    return headers, frozenset(headers)


class _HttpClient(msgspec.Struct, frozen=True):
    """Says what one shop is to hear; ``headers`` are those to hand over, as the wire knows them and as adapters do."""

    account: Account
    form: Form
    pool: Pool
    headers: Mapping[bytes, str]

    async def send(self, request: Request, leaving: Callable[[], None]) -> Reply:
        """Send the request once and say what became of it; raises PermitExpired where ``leaving`` does."""
        writes = request.writes
        try:
            text = self.form.encode(request)
            wire, idle = await self.pool.connection(writes=writes)
        except NotConnected as error:
            return NotSent(str(error), error.remedy)
        except ValueError as error:
            return NotSent(f"{self.form.host} was not asked: {error}")
        try:
            leaving()
        except PermitExpired:
            self.pool.put_back(wire, idle)
            raise
        try:
            answer = await self.pool.answer(wire, text, self._limit(writes=writes), idle)
        except ssl.SSLError as error:
            if refuses_ours(error):  # with TLS 1.3 that comes after our side is ready, and before a request is read
                return NotSent(f"{self.form.host} was not asked: {describe_tls(error)}", Remedy.SEE_TO_CERTIFICATE)
            return self._describe_failure(error, writes=writes)
        except _NO_ANSWER as error:
            return self._describe_failure(error, writes=writes)
        if answer.status == _PROXY_REFUSED and self.form.through_proxy:
            return NotSent(f"{self.form.host} was not asked: {describe_refusal(self.account)}", Remedy.FIX_PROXY)
        return Response(answer.status, answer.body, _keep_headers(answer.headers, self.headers))

    def _limit(self, *, writes: bool) -> int:
        """Bytes of an answer that are read at most."""
        options = self.account.options
        return round((options.max_write_answer if writes else options.max_read_answer) * (1 << 20))

    def _describe_failure(self, error: Exception, *, writes: bool) -> NoResponse:
        """The failure in words of our own, by its type."""
        match error:
            case TimeoutError():
                return NoResponse(f"no answer within {self.account.options.timeout:g} s", timed_out=True)
            case IncompleteResponse() | NotWhole():
                return NoResponse("the answer was cut short")
            case NotPacked():
                return NoResponse("the answer is not compressed as it says")
            case ProtocolError():
                return NoResponse("the answer was not HTTP")
            case ResponseTooLarge():
                key = "max_write_answer" if writes else "max_read_answer"
                size = f"{self._limit(writes=writes) / (1 << 20):g} MiB"
                return NoResponse(f"the answer was longer than {size}, the account's {key}")
            case _:
                return NoResponse("the connection was cut before the answer came")


def _keep_headers(headers: Mapping[bytes, bytes], kept: Mapping[bytes, str]) -> dict[str, str]:
    # What is not UTF-8 is shown as such.
    return {kept[raw]: value.strip().decode(errors="replace") for raw, value in headers.items() if raw in kept}
