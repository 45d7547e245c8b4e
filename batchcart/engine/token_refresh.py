"""Owns refused credentials: renewing them once for all who wait, or giving the account up; it does not sign."""

import hashlib
from collections.abc import Mapping

from batchcart.accounts.redaction import SURELY_SECRET
from batchcart.accounts.secrets import secret_problem
from batchcart.engine.health import until_up
from batchcart.engine.retry import MOST_TRIES, backoff
from batchcart.engine.session import Lane
from batchcart.engine.transitions import redirects
from batchcart.model.adapter import Credentials, Renewal
from batchcart.model.events import TokenRenewed
from batchcart.model.http import Exchange, NotSent, Reply, Request, Response, Unanswered
from batchcart.model.outcome import Busy, Denied, Failing, Foreign


async def renew(lane: Lane, denied: Denied, used: Credentials, *, again: bool) -> bool:
    """The credentials ``used`` were refused: renew them once for all who wait, or close; whether to go on.

    ``again`` says that the same request was refused before: then a renewal has not helped.
    """
    renewal = lane.account.adapter.renewal
    with lane.may_break_off():
        await lane.renewing.acquire()
    try:
        if lane.credentials is not used or lane.halted:
            return not lane.halted
        if again and used is lane.unproven:
            _close_for(lane, f"{denied.message}, and the renewed one too")
        elif denied.final or renewal is None or not used.get(renewal.needs):
            _close_for(lane, denied.message)
        else:
            await _ask_for_tokens(lane, renewal, denied)
        return not lane.halted
    finally:
        lane.renewing.release()


def _close_for(lane: Lane, refusal: str) -> None:
    lane.close("closed", f"{refusal}. Its lines stay open; mend the credentials, then run again")


async def _ask_for_tokens(lane: Lane, renewal: Renewal, denied: Denied) -> None:
    """Ask for fresh tokens and take them, or close the account with the reason why there are none."""
    for tries in range(MOST_TRIES):
        # A shop that is down refuses nothing: it is waited for as ever.
        if not await until_up(lane):
            return
        request = renewal.ask(lane.credentials)
        heard = await lane.ask(request, renewal.read)
        if heard is None:
            return
        if heard.fresh is not None:
            _take_tokens(lane, heard.fresh)
            return
        if (refusal := _refusal(lane, renewal, request, heard.reply)) is not None:
            why = f": {refusal}" if refusal else ""
            lane.close(
                "closed",
                f"{denied.message}, and the {renewal.needs} brought no new token{why}. Its lines stay open; authorise "
                "the application again, put the new tokens into the config, then run again",
            )
            return
        if not await lane.wait(backoff(tries + 1, lane.rng)):
            return
    lane.close(
        "unreachable",
        f"{denied.message}, and the shop could not be asked for a new one: {lane.down_why or lane.pause_why}. "
        "Its lines stay open; run again later",
    )


def _refusal(lane: Lane, renewal: Renewal, request: Request, reply: Reply) -> str | None:
    """Why the shop does not renew, "" where it gives no reason; None where it said neither yes nor no."""
    match reply:
        case NotSent(why):
            lane.unwell(why, alarming=True)
            return None
        case Unanswered(why):
            lane.unwell(why)
            return None
        case Response() as response:
            return _refused(lane, renewal, Exchange(request, response))


def _refused(lane: Lane, renewal: Renewal, exchange: Exchange) -> str | None:
    trouble = lane.account.adapter.trouble(exchange)
    match trouble:
        case Busy():
            lane.throttle(trouble)
        case Failing(message):
            lane.unwell(message)
        case Foreign(message):
            lane.suspect(message, moved=redirects(exchange.response))
        case _ if (said := renewal.refused(exchange.response)) is not None:
            return said
        case _:
            lane.suspect(f"something that is no answer of {lane.account.adapter.name} came to a renewal")
    return None


def _take_tokens(lane: Lane, fresh: Mapping[str, str]) -> None:
    for name, token in fresh.items():
        if problem := secret_problem(token, SURELY_SECRET):
            lane.close(
                "closed",
                f"the shop renewed its tokens, but the new {name} {problem}. Its lines stay open; authorise the "
                "application again, put the new tokens into the config, then run again",
            )
            return
    # Kept before used: a pair that is lost in a crash cannot be had again.
    kept = {**{name: lane.credentials.get(name) for name in fresh}, **fresh}
    try:
        lane.ledger.keep_tokens(origin(lane.account.credentials), kept)
    except OSError as error:
        lane.close("closed", f"its renewed tokens cannot be kept in the state folder: {error.strerror}")
        return
    lane.credentials = lane.unproven = lane.credentials.renewed(fresh)
    lane.know_secrets()
    lane.tell(TokenRenewed(lane.account.name))


def origin(credentials: Credentials) -> str:
    """A fingerprint of the config's own tokens, to know later which ones a renewed pair descends from."""
    text = "\n".join(sorted(credentials.secrets()))
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"batchcart").hexdigest()
