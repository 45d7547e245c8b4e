"""Owns telling from a cart's lines whether a lost add happened; it does not know how a platform shows lines.

Facts about lines are kept per cart as ``line:KEY`` → ``PRODUCT QUANTITY``, with ``lines`` = "known" once every line of
the cart is among them, or "hidden" once a read has shown that the shop does not show them. A quantity that is none is
NaN: it equals nothing, so nothing is concluded from it.
"""

import re
from collections.abc import Mapping
from decimal import Context, Decimal

import msgspec

from batchcart.model.outcome import CartFacts
from batchcart.platforms.toolkit.lenient_json import text_of

_PREFIX = "line:"
_LINES = "lines"
_AMOUNT = re.compile(r"[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
_exact = Context(prec=4000)
_NONE = Decimal("NaN")
_SHORT = 10**18  # a number below it is surely one that the patterns here take


class Line(msgspec.Struct, frozen=True):
    """One line of a cart: what is bought, and how many."""

    product: str
    quantity: Decimal


Lines = Mapping[str, Line]


class WasAdded(msgspec.Struct, frozen=True):
    """The add happened; it made or raised the line ``key``."""

    key: str


class WasNotAdded(msgspec.Struct, frozen=True):
    """The add did not happen."""


class Unclear(msgspec.Struct, frozen=True):
    """The lines fit neither case."""

    why: str


def compare(before: Lines, now: Lines, wanted: Line) -> WasAdded | WasNotAdded | Unclear:
    """Whether ``wanted`` was added between ``before`` and ``now``, as a line of its own or into an equal one."""
    if before and not now:
        return Unclear("the cart holds nothing now: what took its lines away may have taken this one too")
    fresh = [key for key, line in now.items() if key not in before and line.product == wanted.product]
    changed = [
        key
        for key, line in before.items()
        if line.product == wanted.product and (key not in now or now[key].quantity != line.quantity)
    ]
    match fresh, changed:
        case [], []:
            return WasNotAdded()
        case [key], [] if now[key].quantity == wanted.quantity:
            return WasAdded(key)
        case [], [key] if key in now and now[key].quantity == increase(before[key], wanted).quantity:
            return WasAdded(key)
        case _:
            held, holds = _total(before, wanted.product), _total(now, wanted.product)
            return Unclear(f"the cart then held {holds} of {wanted.product}, and {held} before: not what one add does")


def increase(line: Line | None, wanted: Line) -> Line:
    """The line after an add; None if there was none."""
    return wanted if line is None else Line(line.product, _exact.add(line.quantity, wanted.quantity))


def read_lines(facts: Mapping[str, str]) -> Lines | None:
    """The lines as remembered; None if some may be missing."""
    return {key: line for key, line in parse_facts(facts).items() if line is not None} if knows_all(facts) else None


def read_line(key: str, facts: Mapping[str, str]) -> Line | None:
    """The line as remembered; None if nothing is known of it, or it is gone."""
    text = facts.get(f"{_PREFIX}{key}")
    return None if text is None else _parse(text)


def parse_facts(facts: CartFacts) -> Mapping[str, Line | None]:
    """The lines that facts tell of; None: the line is gone."""
    return {
        key.removeprefix(_PREFIX): None if text is None else _parse(text)
        for key, text in facts.items()
        if key.startswith(_PREFIX)
    }


def _parse(text: str) -> Line:
    product, _, quantity = text.rpartition(" ")
    return Line(product, amount(quantity))


def knows_all(facts: CartFacts) -> bool:
    """Whether every line of the cart is remembered."""
    return facts.get(_LINES) == "known"


def was_read(facts: Mapping[str, str]) -> bool:
    """Whether the cart was read, or made by this run, so that a look before the first add is not needed."""
    return _LINES in facts


def agrees(seen: Lines, facts: Mapping[str, str]) -> bool:
    """Whether a read shows at least what is remembered; one that does not may lag behind what this run wrote."""
    known = [(seen.get(key), line) for key, line in parse_facts(facts).items() if line is not None]
    return all(found is not None and _holds(found.quantity, line.quantity) for found, line in known)


def _holds(found: Decimal, quantity: Decimal) -> bool:
    return not (found.is_nan() or quantity.is_nan()) and found >= quantity


def remember(lines: Lines) -> CartFacts:
    """Facts that say: these lines are in the cart."""
    return {f"{_PREFIX}{key}": f"{line.product} {line.quantity!s}" for key, line in lines.items()}


def remember_all(lines: Lines, facts: Mapping[str, str]) -> CartFacts:
    """Facts that say: these lines and no others are in the cart."""
    gone = {key: None for key in facts if key.startswith(_PREFIX)}
    return {**gone, **remember(lines), _LINES: "known"}


def mark_hidden() -> CartFacts:
    """Facts that say: the shop does not show this cart's lines."""
    return {_LINES: "hidden"}


def remove(key: str) -> CartFacts:
    """Facts that say: this line is gone."""
    return {f"{_PREFIX}{key}": None}


def set_quantity(key: str, quantity: Decimal, facts: Mapping[str, str]) -> CartFacts:
    """Facts that say: this line now holds ``quantity``, if it was known at all."""
    text = facts.get(f"{_PREFIX}{key}")
    if text is None:
        return {}
    return {f"{_PREFIX}{key}": f"{text.rpartition(' ')[0]} {quantity}"}


def invalidate() -> CartFacts:
    """Facts that say: look at the cart before the next add."""
    return {_LINES: None}


def amount(value: object) -> Decimal:
    """A quantity as jobs and shops write it, number or text; NaN where it is neither."""
    if type(value) is int and 0 <= value < _SHORT:  # as most are
        return Decimal(value)
    text = text_of(value)
    return Decimal(text) if _AMOUNT.fullmatch(text) else _NONE


def number(value: object) -> str:
    """A product's number as jobs and shops write it, number or text; "" if it is neither."""
    if type(value) is int and value >= 0:
        return str(value)
    text = text_of(value)
    return text.lstrip("0") or "0" if text.isdecimal() else ""


def same_id(one: str, other: str) -> bool:
    """Whether two texts are one id: a number may be written with zeros in front."""
    return one == other or number(one) == number(other) != ""


def _total(lines: Lines, product: str) -> Decimal:
    total = Decimal(0)
    for line in lines.values():
        if line.product == product:
            total = _exact.add(total, line.quantity)
    return total
