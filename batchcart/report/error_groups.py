"""Owns which failures are of one kind, and what to do about them; it does not know how they are shown."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from batchcart.journal.settlement import OK_BY_NOW
from batchcart.runs.commands import RunCommands

FIRST_LINES = 10
"""Lines that are named for each reason."""

MOST_REASONS = 200
"""Reasons that are told apart; the lines of any further ones are counted as others of their kind."""

OTHERS = "(other messages)"

_LINES_KNOWN = 1 << 16

_RIGHTS = {401, 403}


class Occurrence(msgspec.Struct, frozen=True):
    """A result that is shown as an example, or a doubt: where it stands, and what it says."""

    run: int
    line: int
    account: str
    op: str
    cart: str
    message: str


class ErrorKey(msgspec.Struct, frozen=True):
    """What the failures of one reason have in common; ``message`` has its ids and numbers taken out.

    ``by_hand`` says that the operator settled so what was in doubt.
    """

    status: str
    kind: str
    http_status: int | None
    message: str
    by_hand: bool = False


@dataclass(slots=True)
class ErrorGroup:
    """The lines that ended not ok for one cause: how many, of which accounts, and the first of them.

    ``skipped`` counts the lines that were skipped because of these, ``explained`` those of these lines whose own cause
    is another group. ``alike`` says whether all have the message of the first.
    """

    count: int = 0
    skipped: int = 0
    explained: int = 0
    alike: bool = True
    accounts: Counter[str] = field(default_factory=Counter)
    runs: Counter[int] = field(default_factory=Counter)
    first: list[Occurrence] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """How many lines would have gone better without this cause."""
        return self.count + self.skipped - self.explained


class ErrorGroups:
    """The reasons why lines did not end ok, most frequent first in ``rank``.

    A line that was skipped counts also with the cause of the line that it needed. Only the last lines are known by
    their number, since what needs a line mostly ends soon after it: so memory stays bounded.
    """

    __slots__ = ("_by_line", "found")

    def __init__(self) -> None:
        self.found: dict[ErrorKey, ErrorGroup] = {}
        self._by_line: dict[tuple[int, int], ErrorGroup] = {}

    def add(self, cause: ErrorKey, place: Occurrence, needed: int | None = None) -> None:
        """Count one line; ``needed`` is the earlier line because of which it was skipped."""
        reason = self.found.get(cause)
        if reason is None:
            if len(self.found) >= MOST_REASONS:
                cause = ErrorKey(cause.status, cause.kind, None, OTHERS)
            reason = self.found.setdefault(cause, ErrorGroup())
        reason.count += 1
        reason.accounts[place.account] += 1
        reason.runs[place.run] += 1
        if len(reason.first) < FIRST_LINES:
            reason.first.append(place)
        reason.alike = reason.alike and place.message == reason.first[0].message
        root = None if needed is None else self._by_line.get((place.run, needed))
        if root is not None:
            root.skipped += 1
            reason.explained += 1
        self._by_line[place.run, place.line] = root or reason
        if len(self._by_line) > _LINES_KNOWN:
            del self._by_line[next(iter(self._by_line))]

    def rank(self) -> list[tuple[ErrorKey, ErrorGroup]]:
        """All causes with their lines, those of the most lines first; what has another cause comes last."""
        return sorted(self.found.items(), key=lambda found: (-found[1].weight, found[0].message))

    def is_final(self) -> bool:
        """Whether the shops said no to all that did not happen, so that they would say so again."""
        causes = [cause for cause, reason in self.roots() if cause.status != "in_doubt" or reason.skipped]
        return bool(causes) and all(cause.kind == "rejected" for cause in causes)

    def roots(self) -> list[tuple[ErrorKey, ErrorGroup]]:
        """The causes that no other one explains, those of the most lines first."""
        return [found for found in self.rank() if found[1].weight]


def hint(cause: ErrorKey) -> str:
    """What the operator can do about it, without the command for it."""
    match cause:
        case ErrorKey(by_hand=True):
            return "You said that it did not happen: look into the shop again if you are not sure"
        case ErrorKey(kind="rejected", http_status=401 | 403):
            return "The shop does not allow this to the account: check its rights"
        case ErrorKey(kind="rejected", http_status=404):
            return "The shop does not have such a cart, item or product, or no longer: correct the ids"
        case ErrorKey(kind="rejected"):
            return "The shop said no, and would say so again: correct these lines"
        case ErrorKey(kind="throttled"):
            return "Another program uses up what the shop allows: stop it, or give the account lower `limits`"
        case ErrorKey(kind="network"):
            return "Nothing reached the shop, or no answer came back: check network, address and `timeout`"
        case ErrorKey(kind="platform"):
            return "The shop kept failing: wait until it is well"
        case ErrorKey(kind="dependency", message=message) if OK_BY_NOW in message:
            return "Nothing stands in their way any more: try them again"
        case ErrorKey(kind="dependency"):
            return "An earlier line of the same cart did not end ok: correct that one first"
        case _:
            return "Nobody can say whether it happened"


def advice(cause: ErrorKey, commands: RunCommands, reason: ErrorGroup | None = None) -> str:
    """What the operator can do about it, as a sentence with the commands to copy; ``reason`` has its lines."""
    if not commands.journal:
        return f"{hint(cause)}."
    if cause.status == "in_doubt":
        if reason and all(commands.is_unreadable(place.account, place.op) for place in reason.first):
            return f"{hint(cause)}. `{commands.todo()}` writes a table in which you answer after a look at the shop."
        return (
            f"{hint(cause)}. `{commands.settle()}` reads the shops again; or `{commands.todo()}` writes a table in "
            "which you answer yourself after a look at the shops."
        )
    again = f"`{commands.run('--retry-failed')}` opens these lines again"
    if cause.kind == "rejected" and cause.http_status not in _RIGHTS:
        return f"{hint(cause)}. `{commands.to_correct()}` puts them into a job for that; {again} as they are."
    return f"{hint(cause)}; then {again}."
