"""Owns what an account makes of a reply: health, pauses, the retry budget; it decides nothing about the operation."""

from batchcart.engine.closing import close_as_barred, close_for_redirect
from batchcart.engine.reaction import Barred, Healthy, Signal, Suspicious, Unhealthy
from batchcart.engine.retry import hinted_pause, retry_after, throttle_pause
from batchcart.engine.session import AccountSession
from batchcart.model.adapter import Credentials
from batchcart.model.outcome import NO_PAUSE, AskedPause, Throttled
from batchcart.model.text import local_time


def take(session: AccountSession, signal: Signal | None, used: Credentials) -> None:
    """Take in what a reply to a request with the credentials ``used`` says of the account."""
    match signal:
        case Healthy():
            record_success(session, used)
        case Unhealthy(why, alarming, pause):
            record_failure(session, why, alarming=alarming, pause=pause)
        case Suspicious(why, redirected):
            record_suspicion(session, why, redirected=redirected)
        case Barred(why, remedy):
            close_as_barred(session, why, remedy)
        case Throttled() as busy:
            record_throttle(session, busy)
        case None:
            pass


def record_success(session: AccountSession, used: Credentials) -> None:
    """The shop took ``used`` and answered as a shop that is up answers."""
    session.health.record_success()
    session.throttling.record_success()
    session.auth.accept(used)
    session.retries.credit()
    session.limiter.record_success()


def record_failure(session: AccountSession, why: str, *, alarming: bool = False, pause: AskedPause = NO_PAUSE) -> None:
    """A request failed; several in a row, or an alarming one, make an outage, and the shop is asked if it is up."""
    record_pause(session, why, pause)
    session.health.record_failure(why, session.clocks.monotonic(), alarming=alarming)


def record_pause(session: AccountSession, why: str, pause: AskedPause) -> None:
    """A shop in trouble may say in Retry-After when it is worth asking again."""
    if asked := retry_after(pause, session.clocks.wall()):
        _keep_pause(session, asked, "unreachable", why)


def record_suspicion(session: AccountSession, why: str, *, redirected: bool = False) -> None:
    """Something else than the platform answered: nothing is begun before it is asked whether it is there."""
    if redirected:
        close_for_redirect(session, why)
    else:
        session.health.record_suspicion(why, session.clocks.monotonic())


def record_throttle(session: AccountSession, busy: Throttled) -> None:
    """The shop asked for a pause: the whole account keeps it."""
    asked = retry_after(busy.retry_after, session.clocks.wall())
    session.stats.count_refusal()
    lasts = session.throttling.record(busy.message, session.clocks.monotonic(), fresh=not session.limiter.paused_for)
    pause = throttle_pause(session.throttling.in_a_row, session.limiter.shortest, session.rng)
    hinted = min(hinted_pause(busy.hint, session.clocks.wall()) if asked is None else asked, session.patience)
    hold = session.limiter.record_throttle if busy.teaches else session.limiter.pause
    hold(max(pause, hinted))  # a Retry-After of 0 is no invitation
    if lasts > session.patience:
        minutes = f"{session.patience / 60:g} min"
        session.close(
            "throttled", f"{busy.message}, to everything for {minutes}. Its lines stay pending; run again later"
        )
    if asked:
        _keep_pause(session, asked, "throttled", busy.message)


def _keep_pause(session: AccountSession, seconds: float, state: str, why: str) -> None:
    """Send nothing for so long, as the shop asks; where that is beyond the patience, it is given up at once."""
    session.throttling.record_pause(why)
    if seconds > session.patience:
        until, patience = local_time(session.clocks.wall() + seconds), f"{session.patience / 60:g} min"
        session.close(
            state,
            f"{why}, and asks to wait until {until}, which is more than the {patience} of --patience. Its lines "
            "stay pending; run again then",
        )
    session.limiter.pause(min(seconds, session.patience))
    session.account_state.keep_learnt_limit(session.limiter.memory)
