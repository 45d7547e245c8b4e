"""Owns one cart's way from neutral words to job lines: the map, then the platform's word; it does not know files."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from batchcart.jobs.checks import check_operation
from batchcart.migration.product_map import ProductMap, mapped
from batchcart.model.adapter import Adapter
from batchcart.model.cart import Cart, Item, Loss, Wanted
from batchcart.model.operation import Operation


@dataclass(frozen=True, slots=True)
class Conversion:
    """A cart as the target makes it: as in Making, plus the map's part. ``unmapped`` are places of items.

    ``stopped`` says why it is not converted, "" where it is.
    """

    held: Cart
    wanted: Sequence[Wanted] = ()
    losses: Sequence[Loss] = ()
    refused: Sequence[Loss] = ()
    unmapped: Sequence[int] = ()
    stopped: str = ""


def convert_cart(cart: Cart, products: ProductMap, adapter: Adapter, currency: str | None) -> Conversion:
    """The cart in the target's products and operations, and what it loses on the way."""
    if "items" in cart.unread:
        return Conversion(cart, stopped="its items are not known, since the answer of its shop did not show them")
    items: list[Item] = []
    losses: list[Loss] = []
    unmapped: list[int] = []
    for index, item in enumerate(cart.items):
        row = products.find(item)
        if row is None or row.empty:
            unmapped.append(index)
            continue
        own, lost = mapped(item, row, index)
        items.append(own)
        losses += lost
    if unmapped:
        return Conversion(cart, unmapped=unmapped, stopped=f"the product map lacks {len(unmapped)} of its products")
    making = adapter.makes(structs.replace(cart, items=tuple(items)), currency)
    wrong = "" if making.stopped else _wrong(cart, making.wanted, adapter)
    return Conversion(
        making.held,
        making.wanted,
        (*losses, *making.losses),
        making.refused,
        stopped=making.stopped or (wrong and f"its job would be refused: {wrong}"),
    )


def _wrong(cart: Cart, wanted: Sequence[Wanted], adapter: Adapter) -> str:
    for line in wanted:
        operation = Operation(0, line.kind, "", cart=cart.id, item=line.item, data=line.data)
        for problem in check_operation(operation, adapter):
            return problem
    return ""
