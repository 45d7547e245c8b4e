"""Owns comparing a cart as it should be with the cart as it was read back, field by field; it does not know shops."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from batchcart.model.cart import Address, Cart, Customer, Discount, Item, Shipping

ComparisonStatus = Literal["equal", "different", "missing", "cannot be read"]

_HEADS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("customer", Customer),
    ("billing", Address),
    ("shipment", Address),
    ("shipping", Shipping),
)
_AMOUNTS = {"quantity", "unit_price", "tax_rate", "price", "tax_value", "value"}
_OWN = {"currency", "created", "updated", "expires", "added", "sku", "name", "unit_price", "tax_rate", "line", "source"}
"""Fields that a shop fills by itself: they are compared only where the cart should have a value."""


class Difference(msgspec.Struct, frozen=True):
    """A field that is not what it should be."""

    field: str
    source: str
    target: str


class Hidden(msgspec.Struct, frozen=True):
    """A field with a value that is not compared, and why."""

    field: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two carts side by side: what differs, and what the answer does not show (``hidden``)."""

    different: Sequence[Difference]
    hidden: Sequence[Hidden]


def compare(held: Cart, read: Cart, unshown: Mapping[str, str]) -> Comparison:
    """What differs between the cart as the target should have it and the one that was read back.

    ``unshown`` says why an answer does not show a field. Items are told apart by product and variant; neither their
    order matters, nor whether equal ones stand in one line or in several.
    """
    found = list(_differences(held, read))
    hidden = [(one, path) for one in found if (path := _covering(one.field, read.unread)) is not None]
    return Comparison(
        [one for one in found if _covering(one.field, read.unread) is None],
        [Hidden(one.field, one.source, unshown.get(path, "the answer does not show it")) for one, path in hidden],
    )


def _covering(field: str, unread: Sequence[str]) -> str | None:
    plain = "".join(part.partition("]")[2] if index else part for index, part in enumerate(field.split("[")))
    return next((path for path in unread if plain == path or plain.startswith(f"{path}.")), None)


def _differences(held: Cart, read: Cart) -> Iterator[Difference]:
    for name in ("currency", "created", "updated", "expires"):
        yield from _differing(name, getattr(held, name), getattr(read, name))
    for name, kind in _HEADS:
        for field in kind.__struct_fields__:
            yield from _differing(
                f"{name}.{field}", getattr(getattr(held, name), field), getattr(getattr(read, name), field)
            )
    yield from _items(held.items, read.items)
    yield from _discounts(held, read)


def _differing(path: str, expected: Any, found: Any) -> Iterator[Difference]:
    field = path.rpartition(".")[2]
    if expected in {None, ""} and (found in {None, ""} or field in _OWN):
        return
    if field in _AMOUNTS and expected and found:
        if Decimal(expected) != Decimal(found):
            yield Difference(path, expected, found)
    elif (expected or "") != (found or ""):
        yield Difference(path, expected or "", found or "")


def _items(held: Sequence[Item], read: Sequence[Item]) -> Iterator[Difference]:
    """What differs between the items: of the two ways to lay them side by side, the one in which they differ less.

    No document says whether a shop keeps equal items as one line or as several, so they count together as well.
    """
    one_by_one = list(_pair_items(list(enumerate(held)), list(enumerate(read)), len(held)))
    together = list(_pair_items(_merge_items(held), _merge_items(read), len(held))) if one_by_one else one_by_one
    yield from min(one_by_one, together, key=len)


def _merge_items(items: Sequence[Item]) -> list[tuple[int, Item]]:
    """The items by their places, those that are equal but for their quantity as one."""
    joined: dict[tuple[Any, ...], tuple[int, Item]] = {}
    for place, item in enumerate(items):
        key = (item.product, item.variant, item.unit_price, item.options, item.note)
        first, before = joined.get(key, (place, None))
        total = Decimal(item.quantity) + (Decimal(before.quantity) if before else 0)
        joined[key] = first, msgspec.structs.replace(before or item, quantity=f"{total:f}")
    return list(joined.values())


def _pair_items(held: Sequence[tuple[int, Item]], read: Sequence[tuple[int, Item]], known: int) -> Iterator[Difference]:
    """What differs where each item has at most one opposite it; those that were only read count on from ``known``."""
    left = list(read)
    for index, item in held:
        same = [(place, other) for place, other in left if _is_same_product(item, other)]
        if not same:
            yield Difference(f"items[{index}]", item_text(item), "")
            continue
        pairs = [(list(_item(f"items[{index}]", item, other)), place, other) for place, other in same]
        differences, place, other = min(pairs, key=lambda pair: len(pair[0]))
        left.remove((place, other))
        yield from differences
    for place, other in left:
        yield Difference(f"items[{known + place}]", "", item_text(other))


def _is_same_product(expected: Item, found: Item) -> bool:
    """Where a shop sells by variant the cart need not name the product."""
    return expected.variant == found.variant and expected.product in {"", found.product}


def _item(path: str, expected: Item, found: Item) -> Iterator[Difference]:
    for field in ("quantity", "sku", "name", "unit_price", "tax_rate", "note", "added"):
        yield from _differing(f"{path}.{field}", getattr(expected, field), getattr(found, field))
    if expected.options != found.options:
        yield Difference(f"{path}.options", _text(expected.options), _text(found.options))


def _discounts(held: Cart, read: Cart) -> Iterator[Difference]:
    expected, found = [sorted(map(_plain, discounts)) for discounts in (held.discounts, read.discounts)]
    if expected != found:
        yield Difference("discounts", _text(held.discounts), _text(read.discounts))


def _plain(discount: Discount) -> tuple[str, Decimal, str, str]:
    return discount.kind, Decimal(discount.value), discount.code, discount.title


def item_text(item: Item) -> str:
    """An item in a few words."""
    variant = f" variant {item.variant}" if item.variant else ""
    return f"{item.quantity} of product {item.product}{variant}"


def _text(values: Iterable[msgspec.Struct]) -> str:
    return msgspec.json.encode(list(values)).decode() if values else ""
