"""Owns waiting for a shop that is down, and giving it up after the account's patience; it does not know why it is."""

from functools import partial

from batchcart.engine.closing import close_as_barred, close_as_foreign
from batchcart.engine.retry import probe_wait
from batchcart.engine.session import AccountSession
from batchcart.engine.signals import record_pause, record_throttle
from batchcart.model.events import ShopDown, ShopUp
from batchcart.model.http import Exchange, NoResponse, NotSent, Reply, Response
from batchcart.model.outcome import Foreign, Throttled, Unavailable
from batchcart.model.remedy import Remedy
from batchcart.model.throttle import read_throttle


async def wait_until_up(session: AccountSession) -> bool:
    """Wait out an outage, asking a harmless question at growing intervals; whether to go on."""
    if session.health.down_since is None or session.stopped:
        return not session.stopped
    with session.signal.cancellable():
        await session.health.probing.acquire()
    try:
        await _probe(session)
    finally:
        session.health.probing.release()
    return not session.stopped


async def _probe(session: AccountSession) -> None:
    probes, health, clocks = 0, session.health, session.clocks
    while health.down_since is not None and not session.stopped:
        left = max(0.05, health.down_since + session.patience - clocks.monotonic())
        pause = 0.0 if health.suspected and not probes else min(probe_wait(probes, session.rng), left)
        health.plan_probe(clocks.monotonic() + pause)
        if probes == 1:
            session.emit(_down(session))
            session.journal.record_account_state(
                session.account.name, "down", f"the shop is down ({health.why}); it is asked again"
            )
        if not await session.signal.wait(pause):
            return
        probes += 1
        received = await session.probe(session.account.adapter.health_check)
        if received is None:
            return
        if await _is_up(session, received.reply):
            if probes > 1:
                session.emit(ShopUp(session.account.name, _wall(session, health.down_since), probes))
                session.journal.record_account_state(session.account.name, "", "")
            health.recover()
        elif clocks.monotonic() - health.down_since >= session.patience:
            why = f"unreachable for {session.patience / 60:g} min ({health.why})"
            session.close("unreachable", f"{why}. Its lines stay pending; run again later")


def _down(session: AccountSession) -> ShopDown:
    since = session.health.down_since or 0.0
    given_up = since + session.patience
    return ShopDown(
        session.account.name,
        session.health.why,
        _wall(session, since),
        _wall(session, session.health.probe_at),
        _wall(session, given_up),
    )


def _wall(session: AccountSession, at: float) -> float:
    """A moment of the session's own clock as wall-clock time."""
    return session.clocks.wall() + at - session.clocks.monotonic()


async def _is_up(session: AccountSession, reply: Reply) -> bool:
    """Whether the platform answered; where something else does, to a second question too, the account is closed."""
    adapter, health = session.account.adapter, session.health
    suspected = health.suspected
    match reply:
        case Response() as response:
            if response.status in session.account.options.busy:
                record_throttle(session, read_throttle(f"the shop answered HTTP {response.status}", response))
                return not suspected
            exchange = Exchange(adapter.health_check, response)
            match await session.interpret(response, partial(adapter.errors.classify, exchange)):
                case Unavailable(message, retry_after=pause):
                    record_pause(session, message, pause)
                    health.record_probe(message, suspected=False)
                    return False
                case Foreign(message) if suspected:
                    health.record_probe("", suspected=False)
                    close_as_foreign(session, message)
                    return False
                case Foreign(message):
                    health.record_probe(message, suspected=True)
                    return False
                case Throttled() as busy:
                    record_throttle(session, busy)
                    return not suspected  # whatever stands in front of a shop may say that
                case _:
                    return True
        case NotSent(why, Remedy() as remedy):
            close_as_barred(session, why, remedy)
            return False
        case NotSent(why) | NoResponse(why):
            health.record_probe(why, suspected=False)
            return False
