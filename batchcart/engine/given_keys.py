"""Owns which line was given which new cart lately, so that one answer is not taken for two lines'.

The keys stand in two parts, and the earlier one goes as a whole once the later one is full: so none is looked for when
it is to be forgotten, and a key takes no more than its place in a dict.
"""

from collections.abc import Iterable

_MOST = 1_000
"""Keys of a part, so that at least so many are known."""


class GivenKeys:
    """The keys that a shop gave the latest new carts of one account, each with the line that it was given to.

    ``before`` are those of the run's earlier starts.
    """

    def __init__(self, before: Iterable[tuple[str, int]] = ()) -> None:
        self._earlier: dict[str, int] = {}
        self._lines: dict[str, int] = {}
        for key, line in before:
            self.give(key, line)

    def give(self, key: str, line: int) -> int:
        """The line that has this cart: ``line``, unless another was given it before.

        What gives all carts one key is no shop that mixes up answers, but a stub that somebody measures or tries.
        """
        owner = self._lines.get(key, self._earlier.get(key))
        if owner is None:
            if len(self._lines) == _MOST:
                self._earlier, self._lines = self._lines, {}
            owner = self._lines[key] = line
        return owner if self._earlier or len(self._lines) > 1 else line
