"""Owns learning a shop's true limit from its 429s; arithmetic only, it does not wait.

What a shop let through in the window before it said 429 is what it allows. One 429 may be chance, so it takes two
that tell the same, and clearly less than the config says. A learnt limit climbs again after a long quiet stretch; each
time that turns out to be too early, the next stretch is twice as long.
"""

from dataclasses import dataclass, replace

_ALIKE = 0.15
_CLEARLY_LESS = 0.9
_FIRST_QUIET, _LONGEST_QUIET = 300, 5000


@dataclass(frozen=True, slots=True)
class Throttle:
    """What has been learnt about one limit of ``most`` sends in ``seconds``; ``allowed`` is None while it holds."""

    most: int
    seconds: float
    allowed: int | None = None
    suspected: int = 0
    quiet: int = 0
    patience: int = _FIRST_QUIET

    def throttled(self, accepted: int) -> "Throttle":
        """After a 429, where the shop had let ``accepted`` sends through in the window before it."""
        told = max(1, accepted)
        if self.allowed is not None and told <= self.allowed:
            return replace(self, allowed=told, suspected=told, quiet=0, patience=min(_LONGEST_QUIET, 2 * self.patience))
        if told >= _CLEARLY_LESS * self.most:
            return self
        if self.suspected and abs(told - self.suspected) <= max(1, _ALIKE * self.suspected):
            return replace(self, allowed=min(told, self.suspected), suspected=told, quiet=0)
        return replace(self, suspected=told)

    def passed(self) -> "Throttle":
        """After a send that was not throttled."""
        if self.allowed is None:
            return self
        if self.quiet + 1 < self.patience:
            return replace(self, quiet=self.quiet + 1)
        raised = self.allowed + max(1, self.allowed // 20)
        return replace(self, allowed=None if raised >= self.most else raised, quiet=0)
