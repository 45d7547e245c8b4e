"""Owns which line was given which new cart lately, so that one answer is not taken for two lines'."""

from collections import OrderedDict

_MOST = 1_000


class GivenKeys:
    """The keys that a shop gave the latest new carts of one account, each with the line that it was given to."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, int] = OrderedDict()  # a dict looks for its first entry among all that are gone

    def give(self, key: str, line: int) -> int:
        """The line that has this cart: ``line``, unless another was given it before.

        What gives all carts one key is no shop that mixes up answers, but a stub that somebody measures or tries.
        """
        owner = self._lines.setdefault(key, line)
        if len(self._lines) > _MOST:
            self._lines.popitem(last=False)
        return owner if len(self._lines) > 1 else line
