"""Owns how many requests a shop takes at a time, learnt from what it refuses while others are on their way."""

from dataclasses import dataclass

_FIRST_QUIET, _LONGEST_QUIET = 5.0, 60.0
_MOST = 10_000  # what no account has at a time


@dataclass(slots=True)
class ConnectionLimit:
    """``most`` requests at a time; None while no number was too many.

    It doubles by time; a number that is refused again is taken back, and waits twice as long the next time.
    """

    most: int | None = None
    _before: int = 1
    _quiet: float = _FIRST_QUIET
    _since: float = 0.0

    def refuse(self, now: float, others: int, *, alike: bool) -> None:
        """One was refused while so many others were on their way; ``alike``: in the same moment as the one before."""
        fewer = max(1, others)
        if self.most is None:
            self.most = fewer
        elif alike:
            self.most = min(self.most, fewer)
        else:
            self.most = max(1, min(self._before, self.most, fewer))
            self._quiet = min(_LONGEST_QUIET, 2 * self._quiet)
        self._before, self._since = self.most, now

    def tries(self, others: int) -> bool:
        """Whether one beside so many others is more than is known to be taken, and is just being tried."""
        return self.most is not None and self._before <= others < self.most

    @property
    def tried_at(self) -> float:
        """When more are tried."""
        return self._since + self._quiet

    def most_at(self, now: float, in_flight: int) -> int | None:
        """How many may be on their way now; more than before only where so many are, since else nothing is tried."""
        if self.most is not None and in_flight >= self.most and now >= self.tried_at:
            self._before, self._since = self.most, now
            self.most = 2 * self.most if self.most < _MOST else None
        return self.most
