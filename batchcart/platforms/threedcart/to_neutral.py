"""Owns what 3dcart's answer means as a neutral cart; it does not know how a cart is made.

The answer as S000 §Retrieve a cart prints it has no items; shops send CartItemList (a7; PLATFORMS §1.5).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from batchcart.model.cart import Address, Cart, CartSource, Customer, Item, NotACart, Option
from batchcart.model.http import Response
from batchcart.platforms.threedcart.responses import cart_of
from batchcart.platforms.toolkit import money as amounts
from batchcart.platforms.toolkit.items import distinguish, rest
from batchcart.platforms.toolkit.lenient_json import text_of
from batchcart.platforms.toolkit.timestamps import moment

_IN_BOTH = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "company": "Company",
    "street": "Address",
    "street2": "Address2",
    "city": "City",
    "state": "State",
    "postcode": "ZipCode",
    "country": "Country",
}
BILLING = {name: f"Billing{field}" for name, field in _IN_BOTH.items()} | {"phone": "BillingPhoneNumber"}
"""Neutral name to 3dcart's; BillingEmail is the customer's."""
SHIPMENT = {name: f"Shipment{field}" for name, field in _IN_BOTH.items()} | {
    "phone": "ShipmentPhone",
    "email": "ShipmentEmail",
}
EMAIL = "BillingEmail"

READABLE_FIELDS = (
    "customer.id",
    "customer.email",
    *(f"billing.{name}" for name in BILLING),
    *(f"shipment.{name}" for name in SHIPMENT),
    "items.product",
    "items.quantity",
    "items.unit_price",
    "items.options",
    "created",
)

HIDDEN_FIELDS: Mapping[str, str] = {
    "items": "3dcart's documented answer shows no items, and the shop's answer had no CartItemList",
    "items.options": "the shop's CartItemList does not show ItemOptions",
}

_KEYS = ("CartItemID", "CartItemId")  # a8 (S000 §Delete a cart item): both spellings
_ITEM = (*_KEYS, "CatalogID", "ItemID", "ItemDescription", "ItemQuantity", "ItemUnitPrice", "ItemOptions")
_DATES = {"OrderDate": "created", "LastUpdate": "updated"}
_HEAD = ("OrderKey", "CustomerId", EMAIL, *BILLING.values(), *SHIPMENT.values(), "CartItemList", *_DATES)


def to_neutral(origin: CartSource, bodies: Sequence[bytes]) -> tuple[Cart, ...]:
    """The cart in the last body."""
    found = cart_of(Response(200, bodies[-1])) if bodies else None
    if not found:
        raise NotACart("the answer shows no cart")
    rows = found.get("CartItemList")
    dates = {name: moment(text_of(found.get(name))) for name in _DATES}
    listed = _rows(rows) if isinstance(rows, list) else []
    unread = [] if isinstance(rows, list) else ["items"]
    if not any("ItemOptions" in row for row in listed):
        unread.append("items.options")
    cart = Cart(
        version=1,
        account=origin.account,
        platform="3dcart",
        id=origin.cart_id or text_of(found.get("OrderKey")),
        currency=origin.currency,
        customer=Customer(id=_customer(found), email=text_of(found.get(EMAIL))),
        billing=Address(**{name: text_of(found.get(field)) for name, field in BILLING.items()}),
        shipment=Address(**{name: text_of(found.get(field)) for name, field in SHIPMENT.items()}),
        items=distinguish(_item(row, origin.currency) for row in listed),
        created=dates["OrderDate"],
        updated=dates["LastUpdate"],
        unread=tuple(unread),
        source=rest(found, [name for name in _HEAD if dates.get(name, "") is not None]),
    )
    return (cart,)


def _rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    named = [row for row in rows if isinstance(row, dict) and text_of(row.get("CatalogID"))]
    if len(named) < len(rows):
        raise NotACart("an entry of its CartItemList names no CatalogID")
    return named


def _customer(found: Mapping[str, Any]) -> str:
    key = text_of(found.get("CustomerId"))
    return "" if key == "0" else key


def _item(row: Mapping[str, Any], currency: str | None) -> Item:
    quantity, unit = amounts.amount(row.get("ItemQuantity")), amounts.amount(row.get("ItemUnitPrice"), currency)
    line = next((text for key in _KEYS if (text := text_of(row.get(key)))), "")
    if quantity is None:
        raise NotACart(f"its item {line} has no ItemQuantity that is a number")
    options = row.get("ItemOptions")
    return Item(
        quantity=quantity,
        line=line,
        product=text_of(row.get("CatalogID")),
        sku=text_of(row.get("ItemID")),
        name=text_of(row.get("ItemDescription")),
        unit_price=unit,
        options=tuple(_option(option) for option in options) if isinstance(options, list) else (),
        source=rest(row, [name for name in _ITEM if name != "ItemUnitPrice" or unit is not None]),
    )


def _option(option: Any) -> Option:
    if not isinstance(option, dict):
        raise NotACart("an entry of its ItemOptions is no object")
    return Option(
        set=text_of(option.get("OptionSetID")),
        id=text_of(option.get("OptionID")),
        value=text_of(option.get("OptionValue")),
    )
