"""Owns learning a shop's true limit from its 429s; arithmetic only, it does not wait.

A 429 says something of the limit only beside what the shop let through, while this run was really sending:
- a first one is a pause and no lesson;
- one more, to the single request that was tried after that pause, is believed where a fair part of the limit was let
  through before; so are two in the course of steady sending that tell the same;
- what tells too little, as of a shop that refuses whatever comes, is no lesson;
- where evenly spread sends are let through and refused alternately, the shop wants them further apart: from the
  second time on each makes the rate a fifth lower at once, since the pauses after them hide what it lets through, but
  never slower than those came that were let through: a shop that refuses these too minds something else.

What was learnt is tried upward by time: after a quiet time in growing steps, until the config's limit is reached. A
step that is refused is taken back, and the next one waits longer, but never so long that the way back takes more than
minutes. If going slower does not make 429s rarer, they have nothing to do with speed; then what was learnt is
forgotten, and it is harder to convince the next time.
"""

import math

import msgspec
from msgspec.structs import replace

_ALIKE = 0.15
_CLEARLY_LESS, _LEAST_SHARE = 0.9, 0.25
_LOWER = 0.98
_STEP = 1.05
_MOST_NEEDED = 16
_ALTERNATIONS, _LOWER_ALTERNATING = 2, 0.8
_ENOUGH = 4  # 429s at the slower rate from which on it is compared
_RARER, _RARE = 2.0, 40.0
_OFTEN = 100.0  # sends from one 429 to the next, or fewer: the shop allows a little less than the config says
_MANY = 1000  # sends from which on older ones count half
_SHORT = 10.0  # seconds of a window; shorter ones are tried sooner


class RefusalRate(msgspec.Struct, frozen=True):
    """How often sends are answered 429 recently."""

    sends: float = 0.0
    refusals: float = 0.0

    def __add__(self, refusals: float) -> "RefusalRate":
        halved = 0.5 if self.sends >= _MANY else 1.0
        return RefusalRate(self.sends * halved + 1, self.refusals * halved + refusals)

    def after_good(self, sends: int) -> "RefusalRate":
        """After so many more sends, none of them refused: as adding 0 so often."""
        total, refusals = self.sends, self.refusals
        while sends:
            if total >= _MANY:
                total, refusals, counted = total / 2 + 1, refusals / 2, 1
            else:
                counted = min(sends, math.ceil(_MANY - total))
                total += counted
            sends -= counted
        return RefusalRate(total, refusals)

    @property
    def gap(self) -> float:
        """Sends from one 429 to the next."""
        return self.sends / max(self.refusals, 1e-9)


class RefusalEvidence(msgspec.Struct, frozen=True):
    """What a 429 tells: ``observed`` sends were let through in the limit's window before it.

    It is the ``in_row``-th without a good answer since; ``steady`` says that this run had been sending all the time,
    ``alternations`` how often sends in an even spread were refused after one or two that were let through, and
    ``apart`` the least seconds between two of them that were let through.
    """

    observed: float
    in_row: int = 1
    steady: bool = True
    alternations: int = 0
    apart: float = math.inf


class AdaptiveLimit(msgspec.Struct, frozen=True):
    """What has been learnt about one limit of ``most`` sends in ``seconds``; ``allowed`` is None while it holds.

    ``allowed`` is above ``proven`` while more is tried; ``sure`` is what a whole quiet time has proven. Times are
    those of the caller's clock.
    """

    most: float
    seconds: float
    allowed: float | None = None
    proven: float = 0.0
    sure: float = 0.0
    since: float = 0.0
    quiet: float = 0.0
    step: float = _STEP
    suspected: float = 0.0
    agreeing: int = 0
    evidence_needed: int = 1
    full_speed: RefusalRate = RefusalRate()
    slowed: RefusalRate = RefusalRate()

    def after_throttle(self, now: float, evidence: RefusalEvidence) -> "AdaptiveLimit":
        """After a 429, and what it tells."""
        seen = self._count(1)
        rate = self.most if self.allowed is None else self.allowed
        alternating = evidence.alternations >= _ALTERNATIONS * self.evidence_needed
        if alternating and not self.tries and rate * evidence.apart > self.seconds:
            lower = max(_LOWER_ALTERNATING * rate, self.seconds / evidence.apart)
            return replace(_settle(seen, now, lower, lower), quiet=self.longest_quiet / 4, slowed=RefusalRate())
        if self.allowed is not None and _ineffective(self.full_speed, seen.slowed):
            harder = min(_MOST_NEEDED, 2 * self.evidence_needed)
            return AdaptiveLimit(self.most, self.seconds, evidence_needed=harder, full_speed=self.full_speed)
        if self.tries:
            return _settle(seen, now, self.proven, self.sure)
        return _judge(seen, now, rate, evidence)

    def after_success(self, now: float) -> "AdaptiveLimit":
        """After a send that was not throttled."""
        seen = self._count(0)
        if self.allowed is None or now < self.tried_at:
            return seen
        raised = self.allowed * self.step
        if raised >= _STEP**-1 * self.most:
            return AdaptiveLimit(
                self.most, self.seconds, evidence_needed=self.evidence_needed, full_speed=self.full_speed
            )
        return replace(
            seen,
            allowed=raised,
            proven=self.allowed,
            sure=self.sure if self.tries else self.allowed,
            since=now,
            step=1 + 2 * (self.step - 1),
        )

    def count_good(self, sends: int) -> "AdaptiveLimit":
        """After so many sends that were not throttled, while the config's limit holds."""
        return replace(self, full_speed=self.full_speed.after_good(sends)) if sends else self

    @property
    def tries(self) -> bool:
        """Whether it is just being tried if the shop allows more."""
        return self.allowed is not None and self.allowed > self.proven

    @property
    def tried_at(self) -> float:
        """When more is tried next, if no 429 comes before."""
        return self.since + (self._step_time if self.tries else self.quiet)

    def resume(self, allowed: float, now: float) -> "AdaptiveLimit":
        """What an earlier run believed, at the beginning of the next one."""
        return _settle(replace(self, quiet=self.longest_quiet / 8), now, allowed, allowed)

    def _count(self, refusals: int) -> "AdaptiveLimit":
        if self.allowed is None:
            return replace(self, full_speed=self.full_speed + refusals)
        return replace(self, slowed=self.slowed + refusals)

    @property
    def longest_quiet(self) -> float:
        """Seconds after which more is tried at the latest."""
        return 90.0 if self.seconds <= _SHORT else 180.0

    @property
    def _step_time(self) -> float:
        return min(max(2.0, 2 * self.seconds), 4.0) if self.seconds <= _SHORT else min(self.seconds, 60.0)


def _ineffective(full_speed: RefusalRate, slowed: RefusalRate) -> bool:
    """Whether going slower has not made 429s rarer than they were, or not rare after many of them."""
    return (slowed.refusals >= _ENOUGH and slowed.gap < _RARER * full_speed.gap) or (
        slowed.refusals >= 2 * _ENOUGH and slowed.gap < _RARE
    )


def _judge(known: AdaptiveLimit, now: float, rate: float, evidence: RefusalEvidence) -> AdaptiveLimit:
    """After a 429 at ``rate`` sends a window, which was not just being tried."""
    observed = evidence.observed
    if 0 < observed < _CLEARLY_LESS * rate:
        if evidence.in_row > known.evidence_needed and observed >= _LEAST_SHARE * rate:
            return _settle(known, now, observed, observed)
        if not evidence.steady:
            return known
        if known.allowed is not None:
            lower = _LOWER * min(rate, known.sure)
            known = replace(_settle(known, now, lower, lower), suspected=known.suspected, agreeing=known.agreeing)
        if not known.suspected or abs(observed - known.suspected) > max(1.0, _ALIKE * known.suspected):
            return replace(known, agreeing=0, suspected=observed)
        if known.agreeing + 1 < known.evidence_needed:
            return replace(known, agreeing=known.agreeing + 1)
        mean = (observed + known.suspected) / 2
        return _settle(known, now, mean, mean)
    if known.allowed is None:
        if not evidence.steady or known.full_speed.gap > _OFTEN:
            return replace(known, agreeing=0, suspected=0.0)
        if known.agreeing + 1 < _ENOUGH * known.evidence_needed:
            return replace(known, agreeing=known.agreeing + 1, suspected=0.0)
        little_less = _LOWER**2 * rate
        return _settle(known, now, little_less, little_less)
    lower = _LOWER * min(rate, known.sure)
    return _settle(known, now, lower, lower)


def _settle(known: AdaptiveLimit, now: float, allowed: float, sure: float) -> AdaptiveLimit:
    """What is believed from now on."""
    quiet = min(known.longest_quiet, max(known.longest_quiet / 4, 2 * known.quiet))
    fresh = RefusalRate() if known.allowed is None else known.slowed
    return replace(
        known,
        allowed=allowed,
        proven=allowed,
        sure=sure,
        since=now,
        quiet=quiet,
        step=_STEP,
        suspected=0.0,
        agreeing=0,
        slowed=fresh,
    )
