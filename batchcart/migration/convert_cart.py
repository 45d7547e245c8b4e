"""Owns one cart's way from neutral words to job lines: the map, then the platform's word; it does not know files."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from batchcart.jobs.checks import validate
from batchcart.migration.parts import require_migration
from batchcart.migration.product_map import ProductMap, map_item
from batchcart.model.adapter import Adapter
from batchcart.model.cart import Cart, Item, Loss, OperationTemplate
from batchcart.model.errors import BatchcartError
from batchcart.model.fault import fault_sentence
from batchcart.model.operation import Operation


@dataclass(frozen=True, slots=True)
class Conversion:
    """A cart as the target makes it: as in CartPlan, plus the map's part. ``unmapped`` are places of items.

    ``stopped`` says why it is not converted, "" where it is; ``failed``: over a fault of our own.
    """

    expected: Cart
    operations: Sequence[OperationTemplate] = ()
    losses: Sequence[Loss] = ()
    refused: Sequence[Loss] = ()
    unmapped: Sequence[int] = ()
    stopped: str = ""
    failed: bool = False


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
        own, lost = map_item(item, row, index)
        items.append(own)
        losses += lost
    if unmapped:
        return Conversion(cart, unmapped=unmapped, stopped=f"the product map lacks {len(unmapped)} of its products")
    try:
        making = require_migration(adapter).from_neutral(structs.replace(cart, items=tuple(items)), currency)
        wrong = "" if making.blocked else _wrong(cart, making.operations, adapter)
    except (BatchcartError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # one cart must not end the conversion of the others
        return Conversion(cart, stopped=fault_sentence(error, "converting it"), failed=True)
    return Conversion(
        making.expected,
        making.operations,
        (*losses, *making.losses),
        making.inexact,
        stopped=making.blocked or (wrong and f"its job would be refused: {wrong}"),
    )


def _wrong(cart: Cart, templates: Sequence[OperationTemplate], adapter: Adapter) -> str:
    for line in templates:
        operation = Operation(0, line.kind, "", cart=cart.id, item=line.item, data=line.data)
        for problem in validate(operation, adapter):
            return problem
    return ""
