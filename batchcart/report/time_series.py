"""Owns counting moments in at most MOST steps of time, whatever the time they span; it does not know what happened."""

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

SeriesName = TypeVar("SeriesName", bound=Hashable)

MOST = 300
"""How many steps there are at most."""

WIDTHS = (1, 2, 10, 30, 60, 120, 600, 1800, 3600, 7200, 21600, 43200, 86400)
"""Seconds that a step may last; each is a whole number of the one before. Longer ones double the last."""


class TimeSeries(Generic[SeriesName]):
    """Moments in wall-clock seconds, counted by name and step; the steps begin at whole multiples of their width.

    When a moment would need more than MOST steps, all are merged into longer ones. So the width depends on the first
    and the last moment only, not on the order in which they come.
    """

    __slots__ = ("_high", "_low", "counts", "width")

    def __init__(self) -> None:
        self.width = WIDTHS[0]
        self.counts: dict[SeriesName, Counter[int]] = {}
        self._low: int | None = None
        self._high = 0

    def add(self, name: SeriesName, at: float) -> None:
        """Count one moment."""
        step = int(at // self.width)
        if self._low is None:
            self._low = self._high = step
        elif not self._low <= step <= self._high:
            step = self._reach(step)
        counts = self.counts.get(name)
        if counts is None:
            counts = self.counts[name] = Counter()
        counts[step] += 1

    @property
    def steps(self) -> range:
        """All steps from the first moment to the last; a step begins at ``step * width`` seconds."""
        return range(0) if self._low is None else range(self._low, self._high + 1)

    def _reach(self, step: int) -> int:
        """Make room for a step outside; the number it has then."""
        assert self._low is not None
        self._low, self._high = min(self._low, step), max(self._high, step)
        while self._high - self._low >= MOST:
            times = wider(self.width) // self.width
            self.width *= times
            self._low, self._high, step = self._low // times, self._high // times, step // times
            for name, counts in self.counts.items():
                merged: Counter[int] = Counter()
                for old, count in counts.items():
                    merged[old // times] += count
                self.counts[name] = merged
        return step


def wider(width: int) -> int:
    """The next longer width of a step, in seconds."""
    return next((longer for longer in WIDTHS if longer > width), 2 * width)
