"""Owns how an account at work looks at a glance: figures that are read at a tick; reading them changes nothing."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from batchcart.engine.session import Lane
from batchcart.model.limits import Limit, Window, best_time

_PACED = 60.0  # seconds of a window; a longer one is a quota
_BLIP = 2.0  # seconds that a shop may be down before it is called so: most are up at the first question
Waiting = Literal["", "throttled", "quota", "unreachable", "closed"]


class Glance(msgspec.Struct, frozen=True):
    """One account of a run. ``ended`` counts lines by status; ``sent``, ``retries``, ``refusals`` are this process's.

    ``limit`` is what the limits allow a second, a day's quota aside, None where there is none; ``best`` the seconds
    that the open lines take under all of them at the least; ``until`` the wall-clock time to which ``waiting`` lasts
    or, where the shop is unreachable, at which it is asked next.
    """

    account: str
    platform: str
    lines: int
    ended: Mapping[str, int]
    sent: int = 0
    retries: int = 0
    refusals: int = 0
    in_flight: int = 0
    limit: float | None = None
    learnt: bool = False
    best: float = 0.0
    waiting: Waiting = ""
    until: float | None = None
    why: str = ""

    @property
    def done(self) -> int:
        """Lines that have ended."""
        return sum(self.ended.values())

    @property
    def at_work(self) -> bool:
        """Whether it has open lines and is not given up."""
        return self.waiting != "closed" and self.done < self.lines


def glance_of(lane: Lane, lines: int, ended: Mapping[str, int]) -> Glance:
    """The lane as it is now."""
    limits, learnt = lane.account.limits, lane.limiter.learnt
    left = lines - sum(ended.values())
    best = max((best_time(limit, left) for limit in limits), default=0.0)
    paced = [limit for limit in limits if not isinstance(limit, Window) or limit.seconds <= _PACED] or limits
    slowest = min((_per_second(limit) for limit in paced), default=None)
    waiting, until, why = _waiting(lane)
    return Glance(
        lane.account.name,
        lane.account.adapter.name,
        lines,
        dict(ended),
        lane.counters.sent,
        lane.counters.retries,
        lane.counters.refusals,
        lane.limiter.in_flight,
        limit=slowest if learnt is None else learnt,
        learnt=learnt is not None,
        best=best if learnt is None else max(best, left / learnt),
        waiting=waiting,
        until=until,
        why=why,
    )


def _per_second(limit: Limit) -> float:
    return limit.count / limit.seconds if isinstance(limit, Window) else limit.leak


def _waiting(lane: Lane) -> tuple[Waiting, float | None, str]:
    now = lane.wall()
    if lane.closed:
        return "closed", None, lane.state
    if lane.down_since is not None and lane.monotonic() - lane.down_since >= _BLIP:
        return "unreachable", now + lane.probe_at - lane.monotonic(), lane.down_why
    if (held := lane.limiter.held_for) > 0:
        return "throttled", now + held, lane.pause_why
    if lane.quota is not None and lane.quota.until > now:
        return "quota", lane.quota.until, lane.quota.limit
    return "", None, ""
