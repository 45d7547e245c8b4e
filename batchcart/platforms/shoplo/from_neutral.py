"""Owns how a neutral cart is made in Shoplo, and what of it Shoplo does not carry; it does not know answers.

What S004 §Create a Cart does not take is the shop's own: product, price, tax.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import structs

from batchcart.model.cart import Cart, CartPlan, Discount, OperationTemplate, item_name
from batchcart.model.operation import OperationKind
from batchcart.platforms.shoplo.to_neutral import CURRENCY
from batchcart.platforms.toolkit import money as amounts
from batchcart.platforms.toolkit.losses import (
    CUSTOMER_KEY,
    LossTracker,
    as_json,
    drop_fractional,
    exact,
    lose_currency,
    negative,
    other_currency,
    track_losses,
)

_NO_PLACE = "Shoplo's cart service has no place for it"
_NEVER: Mapping[str, str] = {
    "customer.id": CUSTOMER_KEY,
    "customer.email": _NO_PLACE,
    "billing": _NO_PLACE,
    "shipment": _NO_PLACE,
    "shipping": _NO_PLACE,
    "items.unit_price": "Shoplo takes the price of the variant",
    "items.options": "Shoplo takes a variant; the product map chooses it for an item's options",
    "items.note": _NO_PLACE,
    "created": "Shoplo stamps its carts itself",
}
_TYPES = {"amount": "1", "percent": "2"}  # S004 §Add/update cart item discount


def from_neutral(cart: Cart, currency: str | None) -> CartPlan:
    """One add for each item, and the discounts that Shoplo can hold.

    Shoplo has one discount a line, and one that names no properties goes onto all lines (S004 §Add/update cart item
    discount). So a cart's percentage is one discount; an amount, or one line's own, needs a cart of one line.
    """
    on_the_way = track_losses(cart, _NEVER)
    lose_currency(on_the_way, currency)
    items = drop_fractional(on_the_way, "Shoplo")
    items = {index: structs.replace(item, product="") for index, item in items.items()}
    on_the_way.held = structs.replace(on_the_way.held, items=tuple(items.values()))
    lines = [
        OperationTemplate(
            OperationKind.ITEM_ADD if number else OperationKind.CART_CREATE,
            as_json({"variant_id": item.variant, "quantity": int(item.quantity)}),
            item_name(item, index),
        )
        for number, (index, item) in enumerate(items.items())
    ]
    discounts = _discounts(on_the_way, cart, currency)
    stopped = "" if lines else "Shoplo creates a cart with its first item, and none is left"
    if lines:
        lines += [OperationTemplate(OperationKind.DISCOUNT_SET, data, lines[0].item) for data in discounts]
    return CartPlan(lines, on_the_way.losses, on_the_way.held, on_the_way.refused, stopped)


def _discounts(on_the_way: LossTracker, cart: Cart, currency: str | None) -> list[bytes]:
    kept: list[Discount] = []
    lines: list[bytes] = []
    for index, discount in enumerate(cart.discounts):
        value = _value(on_the_way, index, cart, currency) if not kept else None
        if kept:
            on_the_way.lose(f"discounts[{index}]", discount, "Shoplo holds one discount a line")
        if value is not None:
            kept.append(discount)
            named = {"discount_code": discount.code, "discount_title": discount.title}
            kind = {"discount_type": _TYPES[discount.kind], "discount_value": value}
            lines.append(as_json({**kind, **{name: text for name, text in named.items() if text}}))
    on_the_way.held = structs.replace(on_the_way.held, discounts=tuple(kept))
    return lines


def _value(on_the_way: LossTracker, index: int, cart: Cart, currency: str | None) -> str | None:
    """The discount's value as Shoplo takes it; None if it is lost or refused, which is noted."""
    path, discount, items = f"discounts[{index}]", cart.discounts[index], on_the_way.held.items
    alone = len(items) == 1 and discount.line in {"", items[0].line}
    if discount.kind == "percent" and not 0 <= Decimal(discount.value) <= 100:
        on_the_way.lose(path, discount, "a percentage is 0 to 100")
    elif discount.kind == "percent" and (alone or not discount.line):
        return discount.value
    elif not alone:
        on_the_way.lose(path, discount, "Shoplo would take it off each line of the cart")
    elif why := other_currency(cart, currency) or negative(discount.value):
        on_the_way.lose(path, discount, why)
    else:
        value = exact(on_the_way, f"{path}.value", discount.value, currency or CURRENCY)
        return amounts.to_minor(value, currency or CURRENCY) if value is not None else None
    return None
