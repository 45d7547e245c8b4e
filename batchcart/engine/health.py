"""Owns what is known of a shop's health: whether it is down since when and why; it does not ask the shop.

States: up, and down since a moment. A shop that is down may be ``suspected`` besides: what answered last was something
else than the platform. Only a good answer to a health probe leads from down to up, so that no line is
spent on finding out.
"""

import asyncio
from dataclasses import dataclass, field

_IN_A_ROW = 4  # failures without a good answer between them that make an outage


@dataclass(slots=True)
class Health:
    """One shop's health; all times in seconds of the session's own clock."""

    down_since: float | None = None
    why: str = ""
    suspected: bool = False
    probe_at: float = 0.0  # when a shop that is down is asked next
    answered: bool = False  # whether the platform has, in this start
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failures: int = 0

    def record_success(self) -> None:
        """The platform answered as one that is up answers."""
        self.answered = True
        self._failures = 0

    def record_failure(self, why: str, now: float, *, alarming: bool) -> None:
        """A request failed; several in a row, or an alarming one, make an outage."""
        self._failures += 1
        if (alarming or self._failures >= _IN_A_ROW) and self.down_since is None:
            self.down_since, self.why = now, why

    def record_suspicion(self, why: str, now: float) -> None:
        """Something else than the platform answered: nothing is begun before it is asked whether it is there."""
        self.suspected = True
        if self.down_since is None:
            self.down_since, self.why = now, why

    def plan_probe(self, at: float) -> None:
        """The shop is asked next at this time."""
        self.probe_at = at

    def record_probe(self, why: str, *, suspected: bool) -> None:
        """The shop was asked and is not known to be up."""
        self.why, self.suspected = why or self.why, suspected

    def recover(self) -> None:
        """The shop was asked, and is up."""
        self.down_since, self.suspected, self._failures = None, False, 0
