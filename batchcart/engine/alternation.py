"""Owns how good answers and 429s follow on one another; it does not know what is learnt from that."""

import math
from dataclasses import dataclass

_FEW_GOOD = 2  # answers between two 429s at the most, where they alternate


@dataclass(slots=True)
class Alternation:
    """``in_row`` 429s since a good answer; ``count`` times a 429 came again after a good answer or two.

    ``shortest`` is the least time, in seconds, between two good answers that had a 429 between them: a shop that
    wants its requests apart wants them no further apart than that.
    """

    in_row: int = 0
    count: int = 0
    shortest: float = math.inf
    _good: int = 0
    _good_at: float = -math.inf

    def record_success(self, now: float) -> None:
        """A good answer, at the caller's time ``now``."""
        if self._good == 0:
            self.shortest = min(self.shortest, now - self._good_at)
        self.in_row = 0
        self._good += 1
        self._good_at = now

    def record_throttle(self, *, spread: bool) -> None:
        """A 429, to requests that were evenly spread or not."""
        self.in_row += 1
        self.count = self.count + 1 if spread and 1 <= self._good <= _FEW_GOOD else 0
        self._good = 0
