"""Owns learning a shop's true limit from its 429s; arithmetic only, it does not wait.

One 429 may be chance, so it takes two that tell the same, and clearly less than the config says. A learnt limit climbs
again after a long quiet stretch, and each time that proves too early the next stretch is twice as long. If going
slower does not bring fewer 429s, they have nothing to do with speed, and nothing more is learnt from them.
"""

from dataclasses import dataclass, replace

_ALIKE = 0.15
_CLEARLY_LESS = 0.9
_SOON = 100
_MOST_FUTILE = 5
_FIRST_QUIET, _LONGEST_QUIET = 300, 5000


@dataclass(frozen=True, slots=True)
class Throttle:
    """What has been learnt about one limit of ``most`` sends in ``seconds``; ``allowed`` is None while it holds."""

    most: int
    seconds: float
    allowed: int | None = None
    suspected: float = 0.0
    quiet: int = 0
    patience: int = _FIRST_QUIET
    futile: int = 0

    def throttled(self, told: float) -> "Throttle":
        """After a 429, which tells that the shop allows ``told`` sends in the limit's window."""
        if self.futile >= _MOST_FUTILE:
            return self
        if self.allowed is not None:
            return self._lowered(self.allowed)
        if told >= _CLEARLY_LESS * self.most or told < 1:
            return self
        if self.suspected and abs(told - self.suspected) <= max(1.0, _ALIKE * self.suspected):
            return replace(self, allowed=max(1, int(min(told, self.suspected))), suspected=0.0, quiet=0)
        return replace(self, suspected=told)

    def passed(self) -> "Throttle":
        """After a send that was not throttled."""
        if self.allowed is None:
            return self
        if self.quiet + 1 < self.patience:
            return replace(self, quiet=self.quiet + 1)
        raised = self.allowed + _step(self.allowed)
        return replace(self, allowed=None if raised >= self.most else raised, quiet=0)

    def _lowered(self, allowed: int) -> "Throttle":
        futile = self.futile + 1 if self.quiet < _SOON else 1
        if futile >= _MOST_FUTILE:
            return replace(self, allowed=None, futile=futile)
        patience = min(_LONGEST_QUIET, 2 * self.patience)
        return replace(self, allowed=max(1, allowed - _step(allowed)), quiet=0, patience=patience, futile=futile)


def _step(allowed: int) -> int:
    return max(1, allowed // 20)
