"""Owns refused credentials: renewing them once for all who wait, or giving the account up; it does not sign."""

import hashlib
from collections.abc import Mapping

from batchcart.accounts.redaction import SURELY_SECRET
from batchcart.accounts.secrets import secret_problem
from batchcart.engine.closing import close_as_barred
from batchcart.engine.outage import wait_until_up
from batchcart.engine.retry import MOST_TRIES, backoff
from batchcart.engine.session import AccountSession
from batchcart.engine.signals import record_failure, record_suspicion, record_throttle
from batchcart.model.adapter import Credentials, TokenRefresh
from batchcart.model.events import TokenRenewed
from batchcart.model.http import Exchange, NoResponse, NotSent, Reply, Request, Response
from batchcart.model.outcome import Foreign, Throttled, Unauthorized, Unavailable
from batchcart.model.remedy import Remedy
from batchcart.model.throttle import read_throttle


async def refresh_tokens(session: AccountSession, denied: Unauthorized, used: Credentials, *, again: bool) -> bool:
    """The credentials ``used`` were refused: renew them once for all who wait, or close; whether to go on.

    ``again`` says that the same request was refused before: then a renewal has not helped.
    """
    renewal = session.account.adapter.auth.token_refresh
    with session.signal.cancellable():
        await session.auth.renewing.acquire()
    try:
        if session.auth.credentials is not used or session.stopped:
            return not session.stopped
        if again and used is session.auth.unproven:
            _close_for(session, f"{denied.message}, and the renewed one too")
        elif denied.permanent or renewal is None or not used.get(renewal.required_setting):
            _close_for(session, denied.message)
        else:
            await _ask_for_tokens(session, renewal, denied)
        return not session.stopped
    finally:
        session.auth.renewing.release()


def _close_for(session: AccountSession, refusal: str) -> None:
    session.close("closed", Remedy.FIX_CREDENTIALS.follow(refusal))


async def _ask_for_tokens(session: AccountSession, renewal: TokenRefresh, denied: Unauthorized) -> None:
    """Ask for fresh tokens and take them, or close the account with the reason why there are none."""
    for tries in range(MOST_TRIES):
        # A shop that is down refuses nothing: it is waited for as ever.
        if not await wait_until_up(session):
            return
        request = renewal.build_request(session.auth.credentials)
        received = await session.probe(request, renewal.parse_tokens)
        if received is None:
            return
        if received.fresh is not None:
            await _take_tokens(session, received.fresh)
            return
        if (refusal := await _refusal(session, renewal, request, received.reply)) is not None:
            why = f"{denied.message}, and the {renewal.required_setting} brought no new token"
            session.close("closed", Remedy.AUTHORISE_AGAIN.follow(f"{why}: {refusal}" if refusal else why))
            return
        if not await session.signal.wait(backoff(tries + 1, session.rng)):
            return
    session.close(
        "unreachable",
        f"{denied.message}, and the shop could not be asked for a new one: "
        f"{session.health.why or session.throttling.why}. Its lines stay pending; run again later",
    )


async def _refusal(session: AccountSession, renewal: TokenRefresh, request: Request, reply: Reply) -> str | None:
    """Why the shop does not renew, "" where it gives no reason; None where it said neither yes nor no."""
    match reply:
        case NotSent(why, Remedy() as remedy):
            close_as_barred(session, why, remedy)
            return None
        case NotSent(why):
            record_failure(session, why, alarming=True)
            return None
        case NoResponse(why):
            record_failure(session, why)
            return None
        case Response() as response:
            return await _interpret_refusal(session, renewal, Exchange(request, response))


async def _interpret_refusal(session: AccountSession, renewal: TokenRefresh, exchange: Exchange) -> str | None:
    classify, response = session.account.adapter.errors.classify, exchange.response
    if response.status in session.account.options.busy:
        record_throttle(session, read_throttle(f"the shop answered HTTP {response.status}", response))
        return None
    error, refusal = await session.interpret(response, lambda: (classify(exchange), renewal.refused(response)))
    match error:
        case Throttled():
            record_throttle(session, error)
        case Unavailable(message, retry_after=pause):
            record_failure(session, message, pause=pause)
        case Foreign(message):
            record_suspicion(session, message, redirected=exchange.response.redirects)
        case _ if refusal is not None:
            return refusal
        case _:
            record_suspicion(
                session, f"something that is not an answer of {session.account.adapter.name} came to a renewal"
            )
    return None


async def _take_tokens(session: AccountSession, fresh: Mapping[str, str]) -> None:
    for name, token in fresh.items():
        if problem := secret_problem(token, SURELY_SECRET):
            why = f"the shop renewed its tokens, but the new {name} {problem}"
            session.close("closed", Remedy.AUTHORISE_AGAIN.follow(why))
            return
    # Kept before used: a pair that is lost in a crash cannot be had again.
    kept = {**{name: session.auth.credentials.get(name) for name in fresh}, **fresh}
    try:
        keeping = session.account_state.keep_tokens(token_fingerprint(session.account.credentials), kept)
        if keeping is not None:
            await keeping
    except OSError as error:
        session.close("closed", f"its renewed tokens cannot be kept in the state folder: {error.strerror}")
        return
    session.auth.replace(session.auth.credentials.replace(fresh))
    session.emit(TokenRenewed(session.account.name))


def token_fingerprint(credentials: Credentials) -> str:
    """A fingerprint of the config's own tokens, to know later which ones a renewed pair descends from."""
    text = "\n".join(sorted(credentials.secrets()))
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"batchcart").hexdigest()
