"""Owns learning a shop's true limit from its 429s; arithmetic only, it does not wait.

A 429 says something of the limit only beside what the shop let through, while this run was really sending:
- a first one is a pause and no lesson;
- one more, to the single request that was tried after that pause, is believed where a fair part of the limit was let
  through before; so are two in the course of steady sending that tell the same;
- further ones in the same row tell the same once more, and what tells too little, as of a shop that refuses whatever
  comes, is no lesson;
- a shop that is still asked too fast gets it a little slower, and each further time, without a quiet one between, by
  twice as much.

What was learnt is tried upward by time: after a quiet time of sending in growing steps, until the config's limit is
reached. A step is proven when the shop has let through a request more than it would have before: at a request a second
a twentieth more shows only after twenty. One that is refused is taken back, and the next one waits longer, but never so
long that the way back takes more than minutes. If going much slower does not make 429s rarer, they have nothing to do
with speed; then what was learnt is forgotten, and it is harder to convince the next time.
"""

import math

import msgspec
from msgspec.structs import replace

_ALIKE = 0.15
_CLEARLY_LESS, _LEAST_SHARE = 0.9, 0.25
_LOWER, _LOWEST = 0.02, 0.08  # parts that a limit falls by, and so may end below what is allowed
_FALLS, _MOST_FALLS = 4, 8  # in a row, from which on going slower does not seem to help, and does not
_STEP, _LEAST_MORE, _GROWTH = 0.05, 0.1, 3.0  # of the limit, of a request in its window, and from step to step
_MOST_NEEDED = 16
_ENOUGH = 4  # 429s at the slower rate from which on it is compared
_RARER, _RARE = 2.0, 40.0
_OFTEN = 100.0  # sends from one 429 to the next, or fewer: the shop allows a little less than the config says
_MANY = 1000  # sends from which on older ones count half
_SHORT = 10.0  # seconds of a window; shorter ones are tried sooner
_LONGEST_STEP = 60.0  # seconds


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

    It is the ``in_row``-th without a good answer since; ``steady`` says that this run had been sending all the time.
    """

    observed: float
    in_row: int = 1
    steady: bool = True


class AdaptiveLimit(msgspec.Struct, frozen=True):
    """What has been learnt about one limit of ``most`` sends in ``seconds``; ``allowed`` is None while it holds.

    ``allowed`` is above ``proven`` while more is tried, by the part ``step``; ``sure`` is what a whole quiet time has
    proven, and is believed again where the config's limit was tried last and is refused at once. ``unused`` says that
    nothing was let through since it is believed, ``falls`` how often it has fallen without a quiet time between. Times
    are those of the caller's clock.
    """

    most: float
    seconds: float
    allowed: float | None = None
    proven: float = 0.0
    sure: float = 0.0
    since: float = 0.0
    quiet: float = 0.0
    step: float = 0.0
    unused: bool = False
    falls: int = 0
    suspected: float = 0.0
    agreeing: int = 0
    evidence_needed: int = 1
    full_speed: RefusalRate = RefusalRate()
    slowed: RefusalRate = RefusalRate()

    def after_throttle(self, now: float, evidence: RefusalEvidence) -> "AdaptiveLimit":
        """After a 429, and what it tells."""
        if self.tries:
            return _settle(self, now, self.proven, self.sure)
        # The config's limit is tried as a step like the others, for twice as long, which a bucket takes to be full. A
        # 429 that comes later may have any reason: it does not prove what was believed before.
        if self.allowed is None and self.sure and now < self.since + 2 * self._step_time:
            return _settle(self, now, self.sure, self.sure)
        seen = self._count(1)
        if _ineffective(seen):
            harder = min(_MOST_NEEDED, 2 * self.evidence_needed)
            return AdaptiveLimit(self.most, self.seconds, evidence_needed=harder, full_speed=self.full_speed)
        return _judge(seen, now, self.most if self.allowed is None else self.allowed, evidence)

    def after_success(self, now: float) -> "AdaptiveLimit":
        """After a send that was not throttled."""
        seen = self._count(0)
        if self.unused:
            return replace(seen, since=now, unused=False)
        if self.allowed is None or now < self.tried_at:
            return seen
        step = _GROWTH * self.step if self.tries else max(_STEP, _LEAST_MORE / self.allowed)
        raised = self.allowed * (1 + step)
        sure = self.sure if self.tries else self.allowed
        if raised * (1 + _STEP) >= self.most:
            return replace(seen, allowed=None, sure=sure, since=now, falls=0, suspected=0.0, agreeing=0)
        return replace(seen, allowed=raised, proven=self.allowed, sure=sure, since=now, step=step, falls=0)

    def believe(self, allowed: float, now: float) -> "AdaptiveLimit":
        """After a 429 that ended the search for what the shop allows."""
        return replace(_settle(self._count(1), now, allowed, allowed), slowed=RefusalRate())

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
        return replace(_settle(self, now, allowed, allowed), quiet=self.longest_quiet / 4)

    def _count(self, refusals: int) -> "AdaptiveLimit":
        if self.allowed is None:
            return replace(self, full_speed=self.full_speed + refusals)
        return replace(self, slowed=self.slowed + refusals)

    @property
    def longest_quiet(self) -> float:
        """Seconds after which more is tried at the latest."""
        return 90.0 if self.seconds <= _SHORT else 270.0

    @property
    def _step_time(self) -> float:
        usual = min(max(2.0, 2 * self.seconds), 4.0) if self.seconds <= _SHORT else min(self.seconds, 60.0)
        one_more = self.seconds / ((self.allowed or self.most) - self.proven)
        return max(usual, min(one_more, _LONGEST_STEP))


def _ineffective(known: AdaptiveLimit) -> bool:
    """Whether going slower has not made 429s rarer than they were, or going much slower has not made them rare."""
    full_speed, slowed = known.full_speed, known.slowed
    if slowed.refusals < _ENOUGH:
        return False
    no_rarer = full_speed.refusals >= _ENOUGH and slowed.gap < _RARER * full_speed.gap
    return no_rarer or known.falls >= _MOST_FALLS or (known.falls >= _FALLS and slowed.gap < _RARE)


def _judge(known: AdaptiveLimit, now: float, rate: float, evidence: RefusalEvidence) -> AdaptiveLimit:
    """After a 429 at ``rate`` sends a window, which was not just being tried."""
    observed = evidence.observed
    if evidence.in_row > 1:
        tells = evidence.in_row == known.evidence_needed + 1 and _LEAST_SHARE * rate <= observed < _CLEARLY_LESS * rate
        return _settle(known, now, observed, observed) if tells else known
    if 0 < observed < _CLEARLY_LESS * rate:
        if not evidence.steady:
            return known
        if known.allowed is not None:
            known = replace(_fall(known, now, rate), suspected=known.suspected, agreeing=known.agreeing)
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
        return _settle(known, now, (1 - 2 * _LOWER) * rate, (1 - 2 * _LOWER) * rate)
    return _fall(known, now, rate)


def _fall(known: AdaptiveLimit, now: float, rate: float) -> AdaptiveLimit:
    """A little slower than what was sure."""
    lower = (1 - min(_LOWER * 2**known.falls, _LOWEST)) * min(rate, known.sure)
    return replace(_settle(known, now, lower, lower), falls=known.falls + 1)


def _settle(known: AdaptiveLimit, now: float, allowed: float, sure: float) -> AdaptiveLimit:
    """What is believed from now on."""
    quiet = min(known.longest_quiet, max(known.longest_quiet / 2, 2 * known.quiet))
    fresh = RefusalRate() if known.allowed is None else known.slowed
    return replace(
        known,
        allowed=allowed,
        proven=allowed,
        sure=sure,
        since=now,
        quiet=quiet,
        step=0.0,
        unused=True,
        suspected=0.0,
        agreeing=0,
        slowed=fresh,
    )
