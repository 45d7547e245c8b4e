"""Owns trying an account's credentials with one read that changes nothing; it does not know what is done about it.

The read goes the way every request goes, under the account's lock and limits, so that no promise is broken by a look.
"""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from enum import StrEnum

from batchcart.accounts.config import Account, Entry
from batchcart.accounts.locks import Locked
from batchcart.accounts.redaction import redacted_response, redactor
from batchcart.accounts.state import Ledger
from batchcart.engine.http.form_encoding import encoded
from batchcart.engine.rate_limiter import Limiter, capacity
from batchcart.engine.token_refresh import origin
from batchcart.model.adapter import Credentials
from batchcart.model.http import Exchange, NotSent, Response, Unanswered
from batchcart.model.http_date import http_date
from batchcart.model.outcome import Busy, Denied, Failing, Foreign
from batchcart.platforms.toolkit.http_status import described, ok

_LONGEST_WAIT = 20.0  # seconds to wait for a place under the account's limits

CLOCK_MAY_DIFFER = 60.0
"""Seconds that our clock and a shop's may differ before anything suffers: OAuth signatures first, then tokens."""


class Verdict(StrEnum):
    """What a trial found out."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TROUBLED = "troubled"
    STRANGE = "strange"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Trial:
    """How the trial of an account went. ``ahead`` is how many seconds our clock is before the shop's, where it told."""

    verdict: Verdict
    sentence: str
    ahead: float | None = None


async def tried(entry: Entry) -> Trial:
    """Ask the account's shop its harmless question; raises UsageError where a secret or the state folder fails."""
    from batchcart.engine.http.client import connected  # noqa: PLC0415  # importing aiohttp takes longer than most commands

    account = entry.read()
    if account.embedded:
        return Trial(Verdict.TAKEN, "it is the simulator that a run starts itself, and takes whoever comes")
    async with AsyncExitStack() as stack:
        try:
            ledger = stack.enter_context(closing(Ledger.of(account.name, entry.place)))
        except Locked as busy:
            return Trial(Verdict.NOT_ASKED, f"not asked: {busy}")
        sends = stack.enter_context(closing(ledger.sends(capacity(account.limits))))
        limiter = Limiter(account.limits, sends, strict=True, clock=time.monotonic)
        send = await stack.enter_async_context(connected(account, keep=("date",)))
        credentials = account.credentials.renewed(ledger.tokens(origin(account.credentials)))
        try:
            number = await asyncio.wait_for(limiter.acquire(), _LONGEST_WAIT)
        except TimeoutError:
            limits = ", ".join(map(str, account.limits))
            return Trial(Verdict.NOT_ASKED, f"not asked: its limits ({limits}) are used up for now; try again later")
        request = encoded(account.adapter.ping, account.options.encoding)
        signed = account.adapter.sign(request, credentials, time.time(), secrets.token_hex(16))
        began = time.time()
        reply = await send(signed, lambda: limiter.left(number))
        limiter.answered(number, time.time() - began)
        match reply:
            case NotSent(why):
                return Trial(Verdict.UNREACHABLE, f"{why}; check address and network")
            case Unanswered(why):
                return Trial(Verdict.UNREACHABLE, f"the shop was asked, but {why}; try again later")
            case Response() as response:
                ahead = _ahead(response, began, time.time())
                found = redactor((*account.secrets, *credentials.secrets(), *ledger.past_secrets()))
                return replace(_judged(account, credentials, redacted_response(response, found)), ahead=ahead)


def clock_sentence(ahead: float) -> str:
    """How far our clock is from the shop's, and what to do about it."""
    place = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {abs(ahead):,.0f} s {place} the shop's; set it by the network's time (NTP)"


def _judged(account: Account, credentials: Credentials, clean: Response) -> Trial:
    """What the answer says of the credentials."""
    adapter = account.adapter
    match adapter.trouble(Exchange(adapter.ping, clean)):
        case Denied(message, final):
            renewable = not final and adapter.renewal is not None and credentials.get(adapter.renewal.needs)
            mend = "a run would renew it once" if renewable else "mend the credentials"
            return Trial(Verdict.REFUSED, f"{message}; {mend}")
        case Busy(message) | Failing(message):
            return Trial(Verdict.TROUBLED, f"{message}; try again later")
        case Foreign(message):
            return Trial(Verdict.STRANGE, f"{message}, which is no answer of {adapter.name}; check address and rights")
        case None if ok(clean) or clean.status == 404:
            return Trial(Verdict.TAKEN, "the shop took the credentials")
        case None:
            return Trial(Verdict.STRANGE, f"the shop answered {described(clean)}; check address and rights")


def _ahead(response: Response, began: float, ended: float) -> float | None:
    """Seconds that our clock is before the shop's, as far as its Date header, in whole seconds, can tell."""
    theirs = http_date(response.headers.get("date", ""))
    if theirs is None:
        return None
    if began >= theirs + 1:
        return began - theirs - 1
    return min(0.0, ended - theirs)
