"""Owns how a neutral cart is made in Tray, and what of it Tray does not carry; it does not know answers."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import structs

from batchcart.model.cart import Cart, CartPlan, Item, OperationTemplate, item_name
from batchcart.model.operation import OperationKind
from batchcart.platforms.toolkit.losses import (
    CUSTOMER_KEY,
    SHIPPING_KEY,
    LossTracker,
    as_json,
    drop_fields,
    drop_fractional,
    lose_currency,
    price,
    track_losses,
)
from batchcart.platforms.toolkit.timestamps import day_and_hour

_NO_PLACE = "Tray's cart has no place for it"
_NEVER: Mapping[str, str] = {
    "customer.id": CUSTOMER_KEY,
    "billing": _NO_PLACE,
    **dict.fromkeys(
        (
            f"shipment.{name}"
            for name in ("first_name", "last_name", "company", "street", "street2", "country", "phone", "email")
        ),
        _NO_PLACE,
    ),
    "shipping.id": SHIPPING_KEY,
    "items.options": "Tray takes a variant; the product map chooses it for an item's options",
    "discounts": "Tray shows discounts and has no way to set one",
}
_ONE_LINE = "Tray keeps one line of a product and variant"


def from_neutral(cart: Cart, currency: str | None) -> CartPlan:
    """One add for each product and variant, the shipping choice with the first, then what an update carries.

    S003 §Criar Novo Carrinho takes product, quantity, price, note and Shipping; §Atualizar e-mail, date and hour.
    """
    on_the_way = track_losses(cart, _NEVER)
    shipping = _shipping(on_the_way, cart, currency)
    head = _head(on_the_way)
    items = _merge_lines(on_the_way, _with_prices(on_the_way, cart, currency))
    on_the_way.held = structs.replace(on_the_way.held, items=tuple(items.values()))
    lose_currency(on_the_way, currency)
    lines = [
        OperationTemplate(
            OperationKind.ITEM_ADD if number else OperationKind.CART_CREATE,
            as_json(_fields(item) | ({} if number else shipping)),
            item_name(item, index),
        )
        for number, (index, item) in enumerate(items.items())
    ]
    stopped = "" if lines else "Tray creates a cart with its first item, and none is left"
    if lines and head:
        lines.append(OperationTemplate(OperationKind.CART_UPDATE, as_json(head)))
    return CartPlan(lines, on_the_way.losses, on_the_way.held, on_the_way.refused, stopped)


def _fields(item: Item) -> dict[str, Any]:
    given = {"variant_id": item.variant, "price": item.unit_price, "additional_information": item.note}
    chosen = {name: value for name, value in given.items() if value}
    return {"product_id": item.product, "quantity": int(item.quantity), **chosen}


def _head(on_the_way: LossTracker) -> dict[str, Any]:
    """What an update of the whole cart carries."""
    held = on_the_way.held
    fields = {"email": held.customer.email} if held.customer.email else {}
    if held.created is None:
        return fields
    if (found := day_and_hour(held.created)) is None:
        on_the_way.lose("created", held.created, "Tray's date and hour have no zone and no fraction")
        on_the_way.held = structs.replace(held, created=None)
        return fields
    return {**fields, "date": found[0], "hour": found[1]}


def _shipping(on_the_way: LossTracker, cart: Cart, currency: str | None) -> dict[str, Any]:
    """Tray's Shipping, from the shipping choice and the shipment address."""
    _drop_strange_days(on_the_way)
    choice = on_the_way.held.shipping
    money = {
        name: price(on_the_way, f"shipping.{name}", value, cart, currency)
        for name, value in (("price", choice.price), ("tax_value", choice.tax_value))
        if value is not None
    }
    choice = structs.replace(choice, **money)
    charge = choice.tax_value if choice.tax_value and Decimal(choice.tax_value) else None  # Tray writes none as "0"
    on_the_way.held = structs.replace(on_the_way.held, shipping=structs.replace(choice, tax_value=charge))
    to = on_the_way.held.shipment
    given = {
        "name": choice.name,
        "min_period": choice.min_days,
        "max_period": choice.max_days,
        "zip_code": to.postcode,
        "price": choice.price,
        "tax_name": choice.tax_name,
        "tax_value": choice.tax_value,
        "city": to.city,
        "state": to.state,
    }
    chosen = {name: value for name, value in given.items() if value}
    return {"Shipping": chosen} if chosen else {}


def _drop_strange_days(on_the_way: LossTracker) -> None:
    choice = on_the_way.held.shipping
    strange = [name for name in ("min_days", "max_days") if not _is_number(getattr(choice, name))]
    drop_fields(on_the_way, "shipping", {f"shipping.{name}": "Tray takes a number of days" for name in strange})


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())


def _with_prices(on_the_way: LossTracker, cart: Cart, currency: str | None) -> Iterable[tuple[int, Item]]:
    for index, item in drop_fractional(on_the_way, "Tray").items():
        if item.unit_price is None:
            yield index, item
        else:
            unit = price(on_the_way, f"items[{index}].unit_price", item.unit_price, cart, currency)
            yield index, structs.replace(item, unit_price=unit)


def _merge_lines(on_the_way: LossTracker, items: Iterable[tuple[int, Item]]) -> dict[int, Item]:
    """The items with those of one product and variant as one: a POST adds to the line (PLATFORMS §2.7)."""
    first: dict[tuple[str, str], int] = {}
    joined: dict[int, Item] = {}
    for index, item in items:
        at = first.setdefault((item.product, item.variant), index)
        if at == index:
            joined[index] = item
            continue
        kept = joined[at]
        joined[at] = structs.replace(kept, quantity=str(int(kept.quantity) + int(item.quantity)))
        why = f"{_ONE_LINE}; joined with items[{at}]"
        on_the_way.lose(f"items[{index}].line", item_name(item, index), why)
        for name in ("unit_price", "note"):
            if getattr(item, name) and getattr(item, name) != getattr(kept, name):
                on_the_way.lose(f"items[{index}].{name}", getattr(item, name), why)
    return joined
