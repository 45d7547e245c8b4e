"""Owns stopping an account because of how its lines end; it does not know what went wrong with any of them.

Where lines in a row end other than ok for the same reason, the next ones will hardly end better. Doubts are dearer, and
so are lines that something in front of the shop keeps from it: a few of these are enough, if none of the same operation
ends well between them; a firewall may let adds through and no updates. Of those that were on their way together only
one counts, for one cut line brings them all; but after it lines of that operation are begun one at a time, until one
ends well. So those that were on their way are burnt, and a handful more.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from batchcart.model.operation import OperationKind
from batchcart.model.outcome import ErrorKind, Failed, InDoubt
from batchcart.model.reasons import normalize

MOST_DOUBTS = 3
MOST_FOREIGN = 4


class Stop(msgspec.Struct, frozen=True):
    """The account is to be stopped, because so many ``lines`` ended so."""

    why: Literal["reason", "doubts", "foreign"]
    lines: int


@dataclass(slots=True)
class BadEndings:
    """One operation's lines that ended in doubt, or were kept from the shop, since one of them ended well.

    ``turn`` numbers those that counted; a line keeps the one at which it was begun. ``alone`` is held by the line that
    is under way while there are any.
    """

    doubts: int = 0
    foreign: int = 0
    turn: int = 0
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def lasts(self) -> bool:
        """Whether no line has ended well since."""
        return self.doubts + self.foreign > 0


@dataclass(slots=True)
class CircuitBreaker:
    """One account's rows. ``most`` lines in a row for one reason stop it; with 0 nothing does."""

    most: int = 0
    bad_endings: dict[OperationKind, BadEndings] = field(default_factory=dict)
    _row: int = 0
    _reason: tuple[str, str] = ("", "")

    def turn(self, kind: OperationKind) -> int:
        """What a line of the operation keeps from when it is begun."""
        bad = self.bad_endings.get(kind)
        return 0 if bad is None else bad.turn

    def record_ok(self, kind: OperationKind) -> None:
        """Take in a line that ended ok."""
        self._row = 0
        self._record_answer(kind)

    def count(
        self, kind: OperationKind, outcome: Failed | InDoubt, message: str, *, foreign: bool, turn: int
    ) -> Stop | None:
        """Take in a line that was sent in this start and did not end ok; why the account is to be stopped, if it is.

        ``message`` is why, without the line's own words; ``foreign``: something else than the platform answered it.
        """
        if not self.most:
            return None
        if isinstance(outcome, Failed) and outcome.reason is ErrorKind.REJECTED and not foreign:
            self._record_answer(kind)
        elif isinstance(outcome, InDoubt) or foreign:
            self._count_bad_ending(kind, doubt=isinstance(outcome, InDoubt), foreign=foreign, turn=turn)
        reason = ("in doubt" if isinstance(outcome, InDoubt) else outcome.reason.value, normalize(message))
        self._row = self._row + 1 if reason == self._reason else 1
        self._reason = reason
        return self._stop()

    def _record_answer(self, kind: OperationKind) -> None:
        """The platform answered a line of the operation."""
        if self.bad_endings and (bad := self.bad_endings.get(kind)) is not None:
            bad.doubts = bad.foreign = 0

    def _count_bad_ending(self, kind: OperationKind, *, doubt: bool, foreign: bool, turn: int) -> None:
        bad = self.bad_endings.setdefault(kind, BadEndings())
        if turn == bad.turn or not bad.lasts:
            bad.doubts += doubt
            bad.foreign += foreign
            bad.turn += 1

    def _stop(self) -> Stop | None:
        doubts = sum(bad.doubts for bad in self.bad_endings.values())
        foreign = sum(bad.foreign for bad in self.bad_endings.values())
        if foreign >= min(MOST_FOREIGN, self.most):
            return Stop("foreign", foreign)
        if doubts >= min(MOST_DOUBTS, self.most):
            return Stop("foreign" if foreign >= doubts else "doubts", doubts)
        return Stop("reason", self._row) if self._row >= self.most else None
