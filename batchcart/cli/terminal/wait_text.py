"""Owns the words for what an account waits for, and for moments and durations where there is little room."""

from collections.abc import Sequence

from batchcart.model.text import near_time, plural, short_duration
from batchcart.runs.snapshot import AccountSnapshot

_CLOSED = {
    "closed": "closed",
    "lost": "closed, its process died",
    "foreign": "closed, what answers is not the shop",
    "throttled": "closed, the shop answers 429",
    "stopped": "closed, too many lines not ok",
    "fault": "closed, a fault of batchcart",
}


def time_left_text(seconds: float, snapshots: Sequence[AccountSnapshot]) -> str:
    """How long the run still takes, and how many lines are not counted in that."""
    held_up = sum(one.held_up for one in snapshots)
    return f"about {short_duration(seconds)} left" + (f" for all but {plural(held_up, 'line')}" if held_up else "")


def held_up_texts(snapshots: Sequence[AccountSnapshot], now: float) -> list[str]:
    """Which lines are in no estimate: those of shops that are down, with how long they wait, and of closed accounts."""
    down = [one for one in snapshots if one.waiting == "unreachable" and one.held_up]
    parts = []
    if down:
        ends = max((one.given_up_at for one in down if one.given_up_at is not None), default=None)
        until = f", until {near_time(ends, now, seconds=False)} at most" if ends is not None else ""
        shops = "a shop that is down" if len(down) == 1 else f"{len(down):,} shops that are down"
        count = sum(one.held_up for one in down)
        parts.append(f"{plural(count, 'line')} {'waits' if count == 1 else 'wait'} for {shops}{until}")
    closed = sum(one.held_up for one in snapshots if one.waiting == "closed")
    if closed:
        parts.append(f"{plural(closed, 'line')} of closed accounts {'stays' if closed == 1 else 'stay'} pending")
    return parts


def wait_text(snapshot: AccountSnapshot, now: float) -> str:
    """What the account waits for, and how long; empty if it does not wait."""
    until = snapshot.waiting_until if snapshot.waiting_until is not None else now
    match snapshot.waiting:
        case "throttled":
            return f"{'429' if '429' in snapshot.why else 'asked to wait'} until {near_time(until, now)}"
        case "quota":
            return f"{snapshot.why} used up until {near_time(until, now)}"
        case "unreachable":
            return f"shop unreachable, probing {f'in {until - now:.0f} s' if until - now > 0.5 else 'now'}"
        case "closed":
            return _CLOSED.get(snapshot.why, "closed, the shop did not answer")
        case "":
            return ""
