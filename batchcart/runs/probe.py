"""Owns trying an account's credentials with one read that changes nothing; it does not know what is done about it.

The read goes the way every request goes, under the account's lock and limits, so that no promise is broken by a look.
"""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from enum import StrEnum

from batchcart.accounts.config import Account, AccountConfig
from batchcart.accounts.locks import LockHeld
from batchcart.accounts.redaction import compile_redactor
from batchcart.accounts.response_redaction import redact_response
from batchcart.accounts.state import AccountState
from batchcart.accounts.whereabouts import Part
from batchcart.engine.http.form_encoding import encode_body
from batchcart.engine.offload import read_reply
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.model.adapter import Credentials
from batchcart.model.fault import fault_sentence
from batchcart.model.http import Exchange, NoResponse, NotSent, Response
from batchcart.model.http_date import http_date
from batchcart.model.outcome import Foreign, Throttled, Unauthorized, Unavailable
from batchcart.platforms.toolkit.http_status import describe, ok

_LONGEST_WAIT = 20.0  # seconds to wait for a place under the account's limits

CLOCK_MAY_DIFFER = 60.0
"""Seconds that our clock and a shop's may differ before anything suffers: OAuth signatures first, then tokens."""


class ProbeStatus(StrEnum):
    """What a trial found out."""

    OK = "taken"
    UNAUTHORIZED = "refused"
    UNREACHABLE = "unreachable"
    UNAVAILABLE = "troubled"
    UNEXPECTED = "strange"
    SKIPPED = "not_asked"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How an account's trial went. ``clock_skew``: the seconds our clock is before the shop's, if it told.

    ``blames`` is the part of the account that is to be looked at, if one is.
    """

    verdict: ProbeStatus
    sentence: str
    clock_skew: float | None = None
    blames: Part | None = None


async def probe(entry: AccountConfig) -> ProbeResult:
    """Ask the account's shop its harmless question; raises UsageError where a secret or the state folder fails."""
    from batchcart.engine.http.client import open_client  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    account = entry.resolve()
    if account.embedded:
        return ProbeResult(ProbeStatus.OK, "it is the simulator that a run starts itself, and accepts any credentials")
    async with AsyncExitStack() as stack:
        try:
            account_state = stack.enter_context(closing(AccountState.open(account.name, entry.identity)))
        except LockHeld as busy:
            return ProbeResult(ProbeStatus.SKIPPED, f"not asked: {busy}")
        sends = stack.enter_context(closing(account_state.sends(capacity(account.limits))))
        limiter = RateLimiter(account.limits, sends, clock=time.monotonic, strict=True)
        send = await stack.enter_async_context(open_client(account, keep=("date",)))
        credentials = account.credentials.replace(account_state.tokens(token_fingerprint(account.credentials)))
        try:
            number = await asyncio.wait_for(limiter.acquire(), _LONGEST_WAIT)
        except TimeoutError:
            limits = ", ".join(map(str, account.limits))
            return ProbeResult(
                ProbeStatus.SKIPPED, f"not asked: its limits ({limits}) are used up for now; try again later"
            )
        request = encode_body(account.adapter.health_check, account.options.encoding)
        signed = account.adapter.auth.sign(request, credentials, time.time(), secrets.token_hex(16))
        began = time.time()
        reply = await send(signed, lambda: limiter.mark_sent(number))
        limiter.mark_completed(number, time.time() - began)
        match reply:
            case NotSent(why, remedy):
                if remedy is not None:
                    return ProbeResult(ProbeStatus.UNREACHABLE, why)
                return ProbeResult(ProbeStatus.UNREACHABLE, f"{why}; check address and network", blames="address")
            case NoResponse(why):
                return ProbeResult(ProbeStatus.UNREACHABLE, f"the shop was asked, but {why}; try again later")
            case Response() as response:
                ended = time.time()
                found = compile_redactor((*account.secrets, *credentials.secrets(), *account_state.past_secrets()))

                def judge() -> ProbeResult:
                    clean = redact_response(response, found)
                    return replace(_judge(account, credentials, clean), clock_skew=_ahead(response, began, ended))

                try:
                    return await read_reply(asyncio.Lock(), response, judge)
                except Exception as error:  # noqa: BLE001  # what one shop answers must not end the look at the others
                    return ProbeResult(ProbeStatus.UNEXPECTED, fault_sentence(error, "reading the shop's answer"))


def clock_sentence(ahead: float) -> str:
    """How far our clock is from the shop's, and what to do about it."""
    place = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {abs(ahead):,.0f} s {place} the shop's; set it by the network's time (NTP)"


def _judge(account: Account, credentials: Credentials, clean: Response) -> ProbeResult:
    """What the answer says of the credentials."""
    adapter = account.adapter
    match adapter.errors.classify(Exchange(adapter.health_check, clean)):
        case Unauthorized(message, final):
            renewable = (
                not final
                and adapter.auth.token_refresh is not None
                and credentials.get(adapter.auth.token_refresh.required_setting)
            )
            next_step = "a run would renew it once" if renewable else "fix the credentials"
            return ProbeResult(ProbeStatus.UNAUTHORIZED, f"{message}; {next_step}", blames="credentials")
        case Throttled(message) | Unavailable(message):
            return ProbeResult(ProbeStatus.UNAVAILABLE, f"{message}; try again later")
        case Foreign(message):
            return ProbeResult(
                ProbeStatus.UNEXPECTED,
                f"{message}, which is not an answer of {adapter.name}; check address and rights",
                blames="address",
            )
        case None if ok(clean) or clean.status == 404:
            return ProbeResult(ProbeStatus.OK, "the shop took the credentials")
        case None:
            told = f"the shop answered {describe(clean)}; check address and rights"
            return ProbeResult(ProbeStatus.UNEXPECTED, told, blames="address")


def _ahead(response: Response, began: float, ended: float) -> float | None:
    """Seconds that our clock is before the shop's, as far as its Date header, in whole seconds, can tell."""
    shop_time = http_date(response.headers.get("date", ""))
    if shop_time is None:
        return None
    if began >= shop_time + 1:
        return began - shop_time - 1
    return min(0.0, ended - shop_time)
