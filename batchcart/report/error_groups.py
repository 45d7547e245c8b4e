"""Owns which failures are of one kind, and what to do about them; it does not know how they are shown."""

from collections import Counter
from dataclasses import dataclass, field

FIRST_LINES = 10
"""Lines that are named for each reason."""

MOST_REASONS = 200
"""Reasons that are told apart; the lines of any further ones are counted as others of their kind."""

OTHERS = "(other messages)"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A result that is shown as an example, or a doubt: where it stands, and what it says."""

    run: int
    line: int
    account: str
    op: str
    cart: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorKey:
    """What the failures of one reason have in common; ``message`` has its ids and numbers taken out."""

    status: str
    kind: str
    http_status: int | None
    message: str


@dataclass(slots=True)
class ErrorGroup:
    """The lines that ended not ok for one cause: how many, of which accounts, and the first of them."""

    count: int = 0
    accounts: Counter[str] = field(default_factory=Counter)
    first: list[Occurrence] = field(default_factory=list)


class ErrorGroups:
    """The reasons why lines did not end ok, most frequent first in ``rank``."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[ErrorKey, ErrorGroup] = {}

    def add(self, cause: ErrorKey, place: Occurrence) -> None:
        """Count one line."""
        reason = self.found.get(cause)
        if reason is None:
            if len(self.found) >= MOST_REASONS:
                cause = ErrorKey(cause.status, cause.kind, None, OTHERS)
            reason = self.found.setdefault(cause, ErrorGroup())
        reason.count += 1
        reason.accounts[place.account] += 1
        if len(reason.first) < FIRST_LINES:
            reason.first.append(place)

    def rank(self) -> list[tuple[ErrorKey, ErrorGroup]]:
        """All causes with their lines."""
        return sorted(self.found.items(), key=lambda found: (-found[1].count, found[0].message))


_RETRY = "`batchcart run JOB --retry-failed` opens these lines again."


def advice(cause: ErrorKey) -> str:
    """What the operator can do about it, as a sentence or two."""
    match cause:
        case ErrorKey(kind="rejected", http_status=401 | 403):
            return f"The shop does not allow this to the account: check its rights, then {_RETRY}"
        case ErrorKey(kind="rejected", http_status=404):
            return (
                "The shop has no such cart, item or product, or has it no longer. Correct the ids in a new job; "
                f"where it is there now, {_RETRY}"
            )
        case ErrorKey(kind="rejected"):
            return (
                "The shop said no, and says so again to the same line. Put corrected lines into a new job; "
                f"where the cause was in the shop and is mended, {_RETRY}"
            )
        case ErrorKey(kind="throttled"):
            return (
                "Another program uses the same allowance of the shop. Stop it, or give the account lower `limits`; "
                f"then {_RETRY}"
            )
        case ErrorKey(kind="network"):
            return (
                f"Nothing reached the shop, or no answer came back: check network, address and `timeout`; then {_RETRY}"
            )
        case ErrorKey(kind="platform"):
            return f"The shop kept failing. Wait until it is well; then {_RETRY}"
        case ErrorKey(kind="dependency"):
            return f"An earlier line of the same cart did not end ok. See to that one first; {_RETRY}"
        case _:
            return (
                "Nobody can say whether it happened. `batchcart settle RESULTS` reads the shops again; or look there "
                "yourself and say so with `--line N --done KEY=VALUE` or `--line N --not-done`."
            )
