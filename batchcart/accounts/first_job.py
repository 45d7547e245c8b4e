"""Owns the first job of a new account: a read that changes nothing, or a cart that is created and deleted again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batchcart.accounts.config import AccountConfig
from batchcart.model.adapter import Adapter
from batchcart.model.errors import UsageError
from batchcart.model.operation import OperationKind

PUT_A_KEY = "PUT-A-CART-KEY-HERE"
"""What stands in a first job when only the person knows which cart there is."""

_CART = "first"
_PROBE = "7"  # a product by which its field is found in an example


@dataclass(frozen=True, slots=True)
class FirstJob:
    """The job's lines as text; what they do, in words; and whether they run as they stand."""

    text: str
    does: str
    complete: bool = True


def read_job(entry: AccountConfig, cart_key: str = "") -> FirstJob:
    """A job of one read: of the cart with that key, else of all carts if the platform can count or list them."""
    if not cart_key:
        for kind in (OperationKind.CART_COUNT, OperationKind.CART_LIST):
            if kind in entry.adapter.operations:
                return FirstJob(_write(entry, [{"op": kind.value}]), "a read that changes nothing")
    line = {"op": OperationKind.CART_GET.value, "cart_id": cart_key or PUT_A_KEY}
    return FirstJob(_write(entry, [line]), "a read that changes nothing", bool(cart_key))


def new_cart_job(entry: AccountConfig, product: str = "") -> FirstJob:
    """A job that creates a cart, reads it and deletes it again.

    Raises UsageError if the platform creates no cart without a product and none is given, or it cannot be one.
    """
    adapter, workload = entry.adapter, entry.adapter.examples.workload
    if needs_product(adapter) and not product:
        raise UsageError(
            f"{adapter.name} creates a cart with a product in it; give the {product_field(adapter)} of one"
        )
    create: Mapping[str, Any] = {}
    added = []
    if product and workload is not None:
        try:
            make = workload.create if adapter.create_adds_item else workload.add
            with_product = make(product, 1)
        except ValueError:
            raise UsageError(f"{product_field(adapter)}: expected a whole number") from None
        if adapter.create_adds_item:
            create = {"item": "item", **with_product}
        else:
            added = [{"op": OperationKind.ITEM_ADD.value, "cart": _CART, "item": "item", **with_product}]
    lines = [
        {"op": OperationKind.CART_CREATE.value, "cart": _CART, **create},
        *added,
        {"op": OperationKind.CART_GET.value, "cart": _CART},
        {"op": OperationKind.CART_DELETE.value, "cart": _CART},
    ]
    return FirstJob(_write(entry, lines), "a cart that is created, read and deleted again")


def needs_product(adapter: Adapter) -> bool:
    """Whether the platform creates a cart together with its first product."""
    return adapter.create_adds_item


def product_field(adapter: Adapter) -> str:
    """The field by which the platform's items name a product, such as product_id."""
    if adapter.examples.workload is None:
        return "product"
    data = adapter.examples.workload.add(_PROBE, 1)["data"]
    return next((field for field, value in data.items() if str(value) == _PROBE), "product")


def _write(entry: AccountConfig, lines: Iterable[Mapping[str, Any]]) -> str:
    placed = ({"op": line["op"], "account": entry.name, **line} for line in lines)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in placed)
