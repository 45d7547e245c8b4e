"""Owns how a neutral cart is made in 3dcart, and what of it 3dcart does not carry; it does not know answers.

S000 §Create a cart takes customer and addresses, §Create a cart item a product, a quantity and options.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import structs

from batchcart.model.cart import Cart, CartPlan, Customer, Item, OperationTemplate, Option, item_name
from batchcart.model.operation import OperationKind
from batchcart.platforms.threedcart.to_neutral import BILLING, EMAIL, SHIPMENT
from batchcart.platforms.toolkit.losses import (
    CUSTOMER_KEY,
    LossTracker,
    as_json,
    drop_fields,
    lose_currency,
    track_losses,
)

_NO_PLACE = "3dcart's cart has no place for it"
_NEVER: Mapping[str, str] = {
    "customer.id": CUSTOMER_KEY,
    "shipping": _NO_PLACE,
    "items.variant": "3dcart knows options instead of variants; the product map may choose them",
    "items.unit_price": "3dcart takes the price of the product",
    "items.note": _NO_PLACE,
    "discounts": "3dcart has no discount operation",
    "created": "3dcart stamps its carts itself",
}


def from_neutral(cart: Cart, currency: str | None) -> CartPlan:
    """The cart with its addresses, then one add for each item."""
    on_the_way = track_losses(cart, _NEVER)
    lose_currency(on_the_way, currency)
    _one_email(on_the_way)
    items = _exact_items(on_the_way)
    on_the_way.held = structs.replace(on_the_way.held, items=tuple(items.values()))
    lines = [OperationTemplate(OperationKind.CART_CREATE, as_json(_fields(on_the_way.held)))]
    lines += [
        OperationTemplate(OperationKind.ITEM_ADD, as_json(_item(item)), item_name(item, index))
        for index, item in items.items()
    ]
    return CartPlan(lines, on_the_way.losses, on_the_way.held)


def _one_email(on_the_way: LossTracker) -> None:
    """3dcart has one place for the customer's e-mail and the billing address's."""
    held = on_the_way.held
    if held.billing.email and not held.customer.email:
        held = structs.replace(held, customer=Customer(email=held.billing.email))
    if held.billing.email == held.customer.email:
        on_the_way.held = structs.replace(held, billing=structs.replace(held.billing, email=""))
        return
    on_the_way.held = held
    drop_fields(on_the_way, "billing", {"billing.email": "3dcart has one place for it and the customer's e-mail"})


def _fields(cart: Cart) -> dict[str, str]:
    found = {field: getattr(cart.billing, name) for name, field in BILLING.items()}
    found |= {EMAIL: cart.customer.email}
    found |= {field: getattr(cart.shipment, name) for name, field in SHIPMENT.items()}
    return {field: text for field, text in found.items() if text}


def _exact_items(on_the_way: LossTracker) -> dict[int, Item]:
    kept: dict[int, Item] = {}
    for index, item in enumerate(on_the_way.held.items):
        if Decimal(item.quantity) <= 0:
            why = "3dcart counts above 0, so the item is left out"
            on_the_way.lose(f"items[{index}].quantity", item.quantity, why)
            continue
        strange = [option for option in item.options if not (_is_number(option.set) and _is_number(option.id))]
        for option in strange:
            why = "3dcart takes the numbers of an option set and an option"
            on_the_way.lose(f"items[{index}].options", option, why)
        options = tuple(option for option in item.options if option not in strange)
        kept[index] = structs.replace(item, options=options)
    return kept


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _item(item: Item) -> dict[str, Any]:
    fields: dict[str, Any] = {"CatalogID": item.product, "ItemQuantity": Decimal(item.quantity)}
    return fields | ({"ItemOptions": [_option(option) for option in item.options]} if item.options else {})


def _option(option: Option) -> dict[str, Any]:
    fields: dict[str, Any] = {"OptionSetID": int(option.set), "OptionID": int(option.id)}
    return fields | ({"OptionValue": option.value} if option.value else {})
