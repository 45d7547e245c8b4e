"""Owns telling from a cart's lines whether a lost add happened; it does not know how a platform shows lines.

Facts about lines are kept per cart as ``line:ID`` → ``PRODUCT QUANTITY``, with ``lines`` = "known" once every line of
the cart is among them, or "hidden" once a read has shown that the shop does not show them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from batchcart.outcome import Facts

_PREFIX = "line:"
_LINES = "lines"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a cart: what is bought, and how many."""

    product: str
    quantity: Decimal


Lines = Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class Added:
    """The add happened; it made or raised the line ``id``."""

    id: str


@dataclass(frozen=True, slots=True)
class NotAdded:
    """The add did not happen."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The lines fit neither case."""

    why: str


def compare(before: Lines, now: Lines, wanted: Line) -> Added | NotAdded | Unclear:
    """Whether ``wanted`` was added between ``before`` and ``now``, as a line of its own or into an equal one."""
    fresh = {key: line for key, line in now.items() if key not in before and line.product == wanted.product}
    raised = [
        key
        for key, line in before.items()
        if line.product == wanted.product and key in now and now[key].quantity != line.quantity
    ]
    if len(fresh) == 1 and not raised:
        ((key, line),) = fresh.items()
        if line.quantity == wanted.quantity:
            return Added(key)
        return Unclear(f"a new line {key} holds {line.quantity} of {wanted.product}, not {wanted.quantity}")
    if not fresh and not raised:
        return NotAdded()
    if not fresh and len(raised) == 1:
        key = raised[0]
        if now[key].quantity == before[key].quantity + wanted.quantity:
            return Added(key)
    return Unclear(f"the cart's lines of {wanted.product} changed in a way that one add does not explain")


def known_lines(facts: Mapping[str, str]) -> Lines | None:
    """The lines as remembered; None where some may be missing."""
    if facts.get(_LINES) != "known":
        return None
    lines = {}
    for key, text in facts.items():
        if key.startswith(_PREFIX):
            product, _, quantity = text.rpartition(" ")
            lines[key.removeprefix(_PREFIX)] = Line(product, Decimal(quantity))
    return lines


def looked_at(facts: Mapping[str, str]) -> bool:
    """Whether the cart was read, or made by this run, so that a look before the first add is not needed."""
    return _LINES in facts


def remember(lines: Lines) -> Facts:
    """Facts that say: these lines are in the cart."""
    return {f"{_PREFIX}{key}": f"{line.product} {line.quantity}" for key, line in lines.items()}


def remember_all(lines: Lines, facts: Mapping[str, str]) -> Facts:
    """Facts that say: these lines and no others are in the cart."""
    gone = {key: None for key in facts if key.startswith(_PREFIX)}
    return {**gone, **remember(lines), _LINES: "known"}


def hidden() -> Facts:
    """Facts that say: the shop does not show this cart's lines."""
    return {_LINES: "hidden"}


def forget(key: str) -> Facts:
    """Facts that say: this line is gone."""
    return {f"{_PREFIX}{key}": None}


def requantified(key: str, quantity: Decimal, facts: Mapping[str, str]) -> Facts:
    """Facts that say: this line now holds ``quantity``, if it was known at all."""
    text = facts.get(f"{_PREFIX}{key}")
    if text is None:
        return {}
    return {f"{_PREFIX}{key}": f"{text.rpartition(' ')[0]} {quantity}"}


def distrust() -> Facts:
    """Facts that say: look at the cart before the next add."""
    return {_LINES: None}


def decimal(value: object) -> Decimal:
    """A quantity as shops write it, number or string; raises ValueError where it is neither."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a quantity") from None
