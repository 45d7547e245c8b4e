"""Owns the memory that large answers may take up together, for the whole process; it does not know what is in them.

A claim is made once, for all that an answer may need, and granted whole: whoever has one can finish, and whoever waits
holds nothing, so that no two can wait for one another. Claims are granted in the order in which they were made. One
account gets half of the memory at most, and the others need not wait for it. A claim ends with its request, which
ends in time: what waits, waits that long.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

_ALL_ANSWERS = 64 << 20  # bytes


@dataclass(slots=True, eq=False)
class Claim:
    """Memory that an account wants for one answer; ``granted`` says that it has it."""

    account: str
    size: int
    go_on: Callable[[], object]
    granted: bool = False


@dataclass(slots=True)
class AnswerBudget:
    """``size`` bytes, and who has some of them."""

    size: int = _ALL_ANSWERS
    _taken: dict[str, int] = field(default_factory=dict)
    _in_line: list[Claim] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)  # programs may have a run in each of several threads

    def claim(self, account: str, size: int, go_on: Callable[[], object]) -> Claim:
        """A claim to half of the budget at most, granted already or in line; then ``go_on`` is called once it is."""
        claim = Claim(account, size, go_on)
        with self._lock:
            self._in_line.append(claim)
            self._grant()
        return claim

    def release(self, claim: Claim) -> None:
        """The claim is over, whether it was granted or not."""
        with self._lock:
            if claim.granted:
                self._taken[claim.account] -= claim.size
            else:
                self._in_line.remove(claim)
            granted = self._grant()
        for other in granted:
            other.go_on()

    def _grant(self) -> list[Claim]:
        """Grant what there is room for."""
        granted = []
        for claim in list(self._in_line):
            taken = self._taken.get(claim.account, 0)
            if taken + claim.size > self.size // 2:
                continue
            if claim.size + sum(self._taken.values()) > self.size:
                break
            self._taken[claim.account] = taken + claim.size
            self._in_line.remove(claim)
            claim.granted = True
            granted.append(claim)
        return granted


BUDGET = AnswerBudget()
"""The process's own."""
