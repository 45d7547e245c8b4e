"""Owns waiting for a shop that is down, and giving it up after the account's patience; it does not know why it is."""

from batchcart.engine.retry import probe_wait
from batchcart.engine.session import Lane
from batchcart.model.events import ShopDown, ShopUp
from batchcart.model.http import Exchange, NotSent, Reply, Response, Unanswered
from batchcart.model.outcome import Busy, Failing, Foreign


async def until_up(lane: Lane) -> bool:
    """Wait out an outage, asking a harmless question at growing intervals; whether to go on."""
    if lane.down_since is None or lane.halted:
        return not lane.halted
    with lane.may_break_off():
        await lane.probing.acquire()
    try:
        await _probe(lane)
    finally:
        lane.probing.release()
    return not lane.halted


async def _probe(lane: Lane) -> None:
    probes = 0
    while lane.down_since is not None and not lane.halted:
        left = lane.down_since + lane.patience - lane.monotonic()
        pause = 0.0 if lane.suspected and not probes else min(probe_wait(probes, lane.rng), max(0.05, left))
        lane.probe_at = lane.monotonic() + pause
        if probes == 1:
            lane.tell(_down(lane))
            lane.journal.note_state(lane.account.name, "down", f"the shop is down ({lane.down_why}); it is asked again")
        if not await lane.wait(pause):
            return
        probes += 1
        heard = await lane.ask(lane.account.adapter.ping)
        if heard is None:
            return
        if _is_up(lane, heard.reply):
            if probes > 1:
                lane.tell(ShopUp(lane.account.name, _wall(lane, lane.down_since), probes))
                lane.journal.note_state(lane.account.name, "", "")
            lane.down_since = None
            lane.suspected = False
            lane.bad_in_a_row = 0
        elif lane.monotonic() - lane.down_since >= lane.patience:
            why = f"unreachable for {lane.patience / 60:g} min ({lane.down_why})"
            lane.close("unreachable", f"{why}. Its lines stay open; run again later")


def _down(lane: Lane) -> ShopDown:
    since = lane.down_since or 0.0
    given_up = since + lane.patience
    return ShopDown(
        lane.account.name, lane.down_why, _wall(lane, since), _wall(lane, lane.probe_at), _wall(lane, given_up)
    )


def _wall(lane: Lane, at: float) -> float:
    """A moment of the lane's own clock as wall-clock time."""
    return lane.wall() + at - lane.monotonic()


def _is_up(lane: Lane, reply: Reply) -> bool:
    """Whether the platform answered; where something else does, to a second question too, the account is closed."""
    adapter = lane.account.adapter
    suspected, lane.suspected = lane.suspected, False
    match reply:
        case Response() as response:
            match adapter.trouble(Exchange(adapter.ping, response)):
                case Failing(message):
                    lane.down_why = message
                    return False
                case Foreign(message) if suspected:
                    lane.close_as_foreign(message)
                    return False
                case Foreign(message):
                    lane.suspected, lane.down_why = True, message
                    return False
                case Busy() as busy:
                    lane.throttle(busy)
                    lane.suspected = suspected  # whatever stands in front of a shop may say that
                    return not suspected
                case _:
                    return True
        case NotSent(why) | Unanswered(why):
            lane.down_why = why
            return False
