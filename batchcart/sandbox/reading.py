"""Owns what a reading is: a point that the documents leave open, and how a shop may take it; it knows no shop."""

from collections.abc import Mapping
from dataclasses import dataclass

Readings = Mapping[str, str]
"""How one shop takes each contested point of its platform: the point's name without its platform, then the value."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A contested point and the values a shop may have there, the usual one first.

    ``sentence`` says what is contested, ``values`` says of each value what the shop then does. ``source`` names the
    row of section 4 of the platforms' page, or its section, that leaves the point open.
    """

    platform: str
    point: str
    sentence: str
    values: Mapping[str, str]
    source: str

    @property
    def name(self) -> str:
        """The name by which the switch is set, as in ``PLATFORM.POINT``."""
        return f"{self.platform}.{self.point}"

    @property
    def usual(self) -> str:
        """The value that a shop has if nobody asks for another."""
        return next(iter(self.values))
