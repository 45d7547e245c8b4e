"""Owns which of an account's events are told once there are many of a kind; it does not know who is told."""

from dataclasses import dataclass, field

from batchcart.model.events import LimitLowered, LimitRestored, OfAccount, ShopDown, ShopUp, ThrottlingEnded, kind_of

_MANY = 50
_QUIET = 600.0

_ENDS: dict[type, type] = {ShopUp: ShopDown, LimitRestored: LimitLowered}


@dataclass(slots=True)
class EventLimiter:
    """What was told of one account: fifty events of a kind, from then on one in ten minutes.

    The end of something is told exactly where its beginning was.
    """

    counts: dict[str, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    untold: set[type] = field(default_factory=set)

    def admits(self, event: OfAccount, now: float) -> bool:
        """Whether the event, which happens ``now``, is told."""
        if isinstance(event, ThrottlingEnded):  # few anyway, and its figures count
            return True
        if (beginning := _ENDS.get(type(event))) is not None:
            return beginning not in self.untold
        kind = kind_of(event)
        if self.counts.get(kind, 0) >= _MANY and now - self.last[kind] < _QUIET:
            self.untold.add(type(event))
            return False
        self.untold.discard(type(event))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.last[kind] = now
        return True
