"""Owns finding the spacing that a shop wants; arithmetic only, it does not wait.

A shop that lets one request of a burst through and refuses the others wants them apart, and says nothing of how far. To
ask at the config's rate at once would be one refusal after the other where the config is wrong. So the search begins at
half of it, and is raised send by send: at the config's rate after a few seconds where that is right, and else at the
first refusal of a rate, with the one before as what was found. A rate that is refused at once is halved.
"""

import msgspec

_FASTER, _SLOWER = 1.2, 0.5
_INTERVALS = 2  # that a rate is tried with


class PaceSearch(msgspec.Struct, frozen=True):
    """``rate`` sends in the limit's window, evenly spread; ``proven`` were let through, 0 while none were.

    ``missing`` good answers more, and the rate is raised.
    """

    rate: float
    proven: float = 0.0
    missing: int = _INTERVALS

    def after_success(self, in_flight: int) -> "PaceSearch":
        """After a good answer, with so many sends on their way, which were sent at this rate too."""
        if self.missing > 1:
            return PaceSearch(self.rate, self.proven, self.missing - 1)
        return PaceSearch(_FASTER * self.rate, self.rate, _INTERVALS + in_flight)


def begin_search(rate: float, least: float = 0.0) -> PaceSearch | None:
    """After a refusal at ``rate``; None where the shop is known to let through ``least``, and that is no less."""
    slower = max(_SLOWER * rate, least)
    return PaceSearch(slower) if slower < rate else None
