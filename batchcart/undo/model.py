"""Owns the words of taking back: what ended, what a run left in one cart, what takes it back, what is kept and why.

It knows neither files nor shops.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from batchcart.model.adapter import CartSnapshot
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import CartFacts, Status


class KeptReason(StrEnum):
    """``kind`` of a line in the list of what is kept."""

    CHANGED = "changed"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"
    IN_DOUBT = "in_doubt"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CompletedLine:
    """A line of the run as its journal has it, in the order in which lines ended.

    ``said`` is its data, None where the job's text is not there any more. ``fresh`` means that the cart's key was made
    for this run, so that no cart can have had it before. ``doubt`` says why a line that counts as in doubt does.
    """

    line: int
    kind: OperationKind
    status: Status
    cart_id: str | None = None
    item_id: str | None = None
    facts: CartFacts = field(default_factory=dict)
    said: bytes | None = None
    body: bytes = b""
    fresh: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Irreversible:
    """What is not taken back: the run's line, and why."""

    line: int
    op: OperationKind
    why: KeptReason
    message: str
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revert:
    """One line of the job that takes back what ``line`` of the run did."""

    line: int
    kind: OperationKind
    item_id: str | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """An item that the run put into a cart that was there before."""

    line: int
    op: OperationKind
    item_id: str


@dataclass(frozen=True, slots=True)
class QuantityChanged:
    """An item that was there before the run, with the quantity that it held then."""

    line: int
    op: OperationKind
    item_id: str
    before: Decimal


@dataclass(frozen=True, slots=True)
class FieldChanged:
    """A field of a cart that was there before: its JSON as the run read it, and as the run last wrote it."""

    line: int
    name: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class DiscountSet:
    """A discount that the run set on one item; ``item_id`` None: on every line that the cart held then."""

    line: int
    item_id: str | None


RunEffect = ItemAdded | QuantityChanged | FieldChanged | DiscountSet


@dataclass(frozen=True, slots=True)
class CartEffects:
    """What the run left in one cart.

    ``made`` is the line that made the cart, with its operation, None where the cart was there before. ``effects`` are
    in the order of the run's lines. ``lines`` are the quantities that the run knows of, all of them if ``complete``;
    ``unsure`` says that some may differ, because an operation is in doubt or was settled by hand. ``freed`` are the
    items whose discount the run took away again. ``kept`` cannot be taken back whatever the shop shows. ``others`` are
    fields that the run read before its first update of the cart, and never wrote.
    """

    cart_id: str | None
    made: tuple[int, OperationKind] | None = None
    effects: tuple[RunEffect, ...] = ()
    kept: tuple[Irreversible, ...] = ()
    lines: Mapping[str, Decimal] = field(default_factory=dict)
    complete: bool = False
    unsure: bool = False
    freed: frozenset[str] = frozenset()
    others: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such cart any more."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The cart could not be read; ``why`` is a sentence."""

    why: str


Now = CartSnapshot | Gone | Unread
"""What the shop holds now."""


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """What becomes of one cart: the lines that take things back, last first, what is kept, and what is gone already."""

    reverts: tuple[Revert, ...] = ()
    kept: tuple[Irreversible, ...] = ()
    gone: int = 0
