"""Owns how an account at work looks at a snapshot: figures that are read at a tick; reading them changes nothing."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from batchcart.engine.session import AccountSession
from batchcart.model.limits import QUOTA, Limit, Window, min_duration

_BLIP = 2.0  # seconds that a shop may be down before it is called so: most are up at the first question
Waiting = Literal["", "throttled", "quota", "unreachable", "closed"]


class AccountSnapshot(msgspec.Struct, frozen=True):
    """One account of a run. ``ended`` counts lines by status; ``sent``, ``retries``, ``refusals`` are this process's.

    ``limit`` is what the limits allow a second, a day's quota aside, None where there is none; ``best`` the seconds
    that the open lines take under all of them at least; ``waiting_until`` the wall-clock time to which
    ``waiting`` lasts or, if the shop is unreachable, at which it is asked next; ``given_up_at`` is when an unreachable
    shop is given up.
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
    adapted_rate: bool = False
    best: float = 0.0
    waiting: Waiting = ""
    waiting_until: float | None = None
    why: str = ""
    given_up_at: float | None = None

    @property
    def done(self) -> int:
        """Lines that have ended."""
        return sum(self.ended.values())

    @property
    def at_work(self) -> bool:
        """Whether it has open lines and is not closed."""
        return self.waiting != "closed" and self.done < self.lines

    @property
    def held_up(self) -> int:
        """Open lines of which nobody can say when they will end: the account is closed, or its shop is down."""
        return self.lines - self.done if self.waiting in {"closed", "unreachable"} else 0


def take_snapshot(session: AccountSession, lines: int, ended: Mapping[str, int]) -> AccountSnapshot:
    """The session as it is now."""
    limits, learnt = session.account.limits, session.limiter.adapted_rate
    left = lines - sum(ended.values())
    best = min_duration(limits, left)
    paced = [limit for limit in limits if not isinstance(limit, Window) or limit.seconds <= QUOTA] or limits
    slowest = min((_per_second(limit) for limit in paced), default=None)
    waiting, until, why = _waiting(session)
    return AccountSnapshot(
        session.account.name,
        session.account.adapter.name,
        lines,
        dict(ended),
        session.stats.sent,
        session.stats.retries,
        session.stats.refusals,
        session.limiter.in_flight,
        limit=slowest if learnt is None else learnt,
        adapted_rate=learnt is not None,
        best=best if learnt is None else max(best, left / learnt),
        waiting=waiting,
        waiting_until=until,
        why=why,
        given_up_at=_given_up_at(session) if waiting == "unreachable" else None,
    )


def _given_up_at(session: AccountSession) -> float | None:
    down_since = session.health.down_since
    if down_since is None:
        return None
    return session.clocks.wall() + down_since + session.patience - session.clocks.monotonic()


def _per_second(limit: Limit) -> float:
    return limit.count / limit.seconds if isinstance(limit, Window) else limit.leak


def _waiting(session: AccountSession) -> tuple[Waiting, float | None, str]:
    now = session.clocks.wall()
    if session.signal.closed:
        return "closed", None, session.signal.state
    if session.health.down_since is not None and session.clocks.monotonic() - session.health.down_since >= _BLIP:
        return "unreachable", now + session.health.probe_at - session.clocks.monotonic(), session.health.why
    if (held := session.limiter.paused_for) > 0:
        return "throttled", now + held, session.throttling.why
    if session.throttling.quota is not None and session.throttling.quota.until > now:
        return "quota", session.throttling.quota.until, session.throttling.quota.limit
    return "", None, ""
