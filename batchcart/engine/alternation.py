"""Owns how good answers and 429s follow on one another; it does not know what is learnt from that."""

import math
from dataclasses import dataclass

_FEW_GOOD = 2  # answers between two 429s at the most, where they alternate
_MANY_GOOD = 20  # answers after which a 429 is not of the same cycle as the one before


@dataclass(slots=True)
class Alternation:
    """``in_row`` 429s since a good answer; ``count`` times a 429 came again after a good answer or two.

    ``observed`` is the most that was let through in the limit's window before one of the row: the first does not see
    yet what was on its way, those after it see less by the pauses that are made. ``shortest`` is the least time, in
    seconds, between two good answers that had a 429 between them: a shop that wants its requests apart wants them no
    further apart than that. ``cycles`` counts how often good answers and then 429s came, to requests that were evenly
    spread; ``gap`` good answers came before the last 429 and after the one before it.
    """

    in_row: int = 0
    count: int = 0
    shortest: float = math.inf
    observed: float = 0.0
    cycles: int = 0
    gap: int = 0
    _began: float = math.inf
    _let_through: int = 0
    _good: int = 0
    _good_at: float = -math.inf

    def record_success(self, now: float) -> None:
        """A good answer, at the caller's time ``now``."""
        if self._good == 0:
            self.shortest = min(self.shortest, now - self._good_at)
        self.in_row = 0
        self._good += 1
        self._good_at = now
        self._let_through += 1
        if self._good > _MANY_GOOD:
            self.forget_cycles()

    def record_throttle(self, now: float, observed: float, *, spread: bool) -> None:
        """A 429, after ``observed`` in the limit's window, to requests that were evenly spread or not."""
        self.in_row += 1
        self.observed = observed if self.in_row == 1 else max(self.observed, observed)
        if self.in_row == 1:
            if not spread:
                self.forget_cycles()
            elif self._began == math.inf:
                self._began, self._let_through = now, 0
            else:
                self.cycles += 1
        self.count = self.count + 1 if spread and 1 <= self._good <= _FEW_GOOD else 0
        self.gap, self._good = self._good, 0

    def forget_cycles(self) -> None:
        """What came before was at another rate."""
        self.cycles, self._began = 0, math.inf

    def rate(self, now: float) -> float:
        """Sends a second that were let through in the cycles until now."""
        return self._let_through / (now - self._began)
