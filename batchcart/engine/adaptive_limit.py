"""Owns learning a shop's true limit from its 429s; arithmetic only, it does not wait.

One 429 may be chance, so it takes two that tell the same, and clearly less than the config says. What was learnt climbs
again in small steps: a step that brings a 429 is taken back, and the next one waits twice as long. If going slower does
not make 429s rarer, they have nothing to do with speed; then it is forgotten, and harder to convince the next time.
"""

import msgspec
from msgspec.structs import replace

_ALIKE = 0.15
_CLEARLY_LESS = 0.9
_STEP = 0.05
_SOON = 100
_LEAST_QUIET, _FIRST_QUIET, _LONGEST_QUIET = 100, 300, 5000
_MOST_NEEDED = 16
_ENOUGH = 4  # 429s at the slower rate from which on it is compared
_RARER = 2.0
_RARE = 100.0


class RefusalRate(msgspec.Struct, frozen=True):
    """How often sends are answered 429, of late."""

    sends: float = 0.0
    refusals: float = 0.0

    def __add__(self, refusals: float) -> "RefusalRate":
        halved = 0.5 if self.sends >= 1000 else 1.0
        return RefusalRate(self.sends * halved + 1, self.refusals * halved + refusals)

    @property
    def gap(self) -> float:
        """Sends from one 429 to the next."""
        return self.sends / max(self.refusals, 1e-9)


class AdaptiveLimit(msgspec.Struct, frozen=True):
    """What has been learnt about one limit of ``most`` sends in ``seconds``; ``allowed`` is None while it holds."""

    most: int
    seconds: float
    allowed: float | None = None
    suspected: float = 0.0
    agreeing: int = 0
    evidence_needed: int = 1
    successes: int = 0
    patience: int = _FIRST_QUIET
    raised_from: float = 0.0
    full_speed: RefusalRate = RefusalRate()
    slowed: RefusalRate = RefusalRate()

    def after_throttle(self, told: float) -> "AdaptiveLimit":
        """After a 429, which tells that the shop allows ``told`` sends in the limit's window."""
        if self.allowed is not None:
            return self._lower(self.allowed)
        seen = replace(self, full_speed=self.full_speed + 1)
        if told >= _CLEARLY_LESS * self.most or told <= 0:
            return replace(seen, agreeing=0, suspected=0.0)
        if not self.suspected or abs(told - self.suspected) > max(1.0, _ALIKE * self.suspected):
            return replace(seen, agreeing=0, suspected=told)
        if self.agreeing + 1 < self.evidence_needed:
            return replace(seen, agreeing=self.agreeing + 1)
        return replace(
            seen,
            allowed=(told + self.suspected) / 2,
            agreeing=0,
            suspected=0.0,
            successes=0,
            patience=_FIRST_QUIET,
            raised_from=0.0,
            slowed=RefusalRate(),
        )

    def after_success(self) -> "AdaptiveLimit":
        """After a send that was not throttled."""
        if self.allowed is None:
            return replace(self, full_speed=self.full_speed + 0)
        quiet, slowed = self.successes + 1, self.slowed + 0
        if quiet < self.patience:
            return replace(self, successes=quiet, slowed=slowed)
        raised = self.allowed * (1 + _STEP)
        return replace(
            self,
            allowed=None if raised >= self.most else raised,
            successes=0,
            patience=max(_LEAST_QUIET, self.patience // 2),
            raised_from=self.allowed,
            slowed=slowed,
        )

    def _lower(self, allowed: float) -> "AdaptiveLimit":
        slowed = self.slowed + 1
        if _ineffective(self.full_speed, slowed):
            return replace(
                self, allowed=None, evidence_needed=min(_MOST_NEEDED, 2 * self.evidence_needed), slowed=RefusalRate()
            )
        taken_back = self.raised_from if self.raised_from and self.successes < _SOON else allowed * (1 - _STEP)
        patience = min(_LONGEST_QUIET, 4 * self.patience)
        return replace(self, allowed=taken_back, successes=0, patience=patience, raised_from=0.0, slowed=slowed)


def _ineffective(full_speed: RefusalRate, slowed: RefusalRate) -> bool:
    """Whether going slower has not made 429s rarer than they were, or not rare after many of them."""
    return (slowed.refusals >= _ENOUGH and slowed.gap < _RARER * full_speed.gap) or (
        slowed.refusals >= 2 * _ENOUGH and slowed.gap < _RARE
    )
