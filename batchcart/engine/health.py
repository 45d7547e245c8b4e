"""Owns waiting for a shop that is down, and giving it up after the account's patience; it does not know why it is."""

from batchcart.engine.retry import probe_wait
from batchcart.engine.session import AccountSession
from batchcart.model.events import ShopDown, ShopUp
from batchcart.model.http import Exchange, NoResponse, NotSent, Reply, Response
from batchcart.model.outcome import Foreign, Throttled, Unavailable


async def wait_until_up(session: AccountSession) -> bool:
    """Wait out an outage, asking a harmless question at growing intervals; whether to go on."""
    if session.down_since is None or session.stopped:
        return not session.stopped
    with session.cancellable():
        await session.probing.acquire()
    try:
        await _probe(session)
    finally:
        session.probing.release()
    return not session.stopped


async def _probe(session: AccountSession) -> None:
    probes = 0
    while session.down_since is not None and not session.stopped:
        left = session.down_since + session.patience - session.monotonic()
        pause = 0.0 if session.suspected and not probes else min(probe_wait(probes, session.rng), max(0.05, left))
        session.probe_at = session.monotonic() + pause
        if probes == 1:
            session.tell(_down(session))
            session.journal.record_account_state(
                session.account.name, "down", f"the shop is down ({session.down_why}); it is asked again"
            )
        if not await session.wait(pause):
            return
        probes += 1
        heard = await session.probe(session.account.adapter.health_check)
        if heard is None:
            return
        if _is_up(session, heard.reply):
            if probes > 1:
                session.tell(ShopUp(session.account.name, _wall(session, session.down_since), probes))
                session.journal.record_account_state(session.account.name, "", "")
            session.down_since = None
            session.suspected = False
            session.bad_in_a_row = 0
        elif session.monotonic() - session.down_since >= session.patience:
            why = f"unreachable for {session.patience / 60:g} min ({session.down_why})"
            session.close("unreachable", f"{why}. Its lines stay open; run again later")


def _down(session: AccountSession) -> ShopDown:
    since = session.down_since or 0.0
    given_up = since + session.patience
    return ShopDown(
        session.account.name,
        session.down_why,
        _wall(session, since),
        _wall(session, session.probe_at),
        _wall(session, given_up),
    )


def _wall(session: AccountSession, at: float) -> float:
    """A moment of the session's own clock as wall-clock time."""
    return session.wall() + at - session.monotonic()


def _is_up(session: AccountSession, reply: Reply) -> bool:
    """Whether the platform answered; where something else does, to a second question too, the account is closed."""
    adapter = session.account.adapter
    suspected, session.suspected = session.suspected, False
    match reply:
        case Response() as response:
            match adapter.classify_error(Exchange(adapter.health_check, response)):
                case Unavailable(message):
                    session.down_why = message
                    return False
                case Foreign(message) if suspected:
                    session.close_as_foreign(message)
                    return False
                case Foreign(message):
                    session.suspected, session.down_why = True, message
                    return False
                case Throttled() as busy:
                    session.record_throttle(busy)
                    session.suspected = suspected  # whatever stands in front of a shop may say that
                    return not suspected
                case _:
                    return True
        case NotSent(why) | NoResponse(why):
            session.down_why = why
            return False
