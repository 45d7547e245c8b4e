"""Owns what Tray's answers mean as a neutral cart; it does not know how a cart is made.

A cart is shown in two views (S003 §Consultar Dados do Carrinho, §Consultar Carrinho Completo). The complete one has
lines with ids, taxes and discounts; the plain one has e-mail, date and hour. Neither shows the shipping choice.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import structs

from batchcart.model.cart import Cart, CartSource, Customer, Discount, Item, NotACart, Shipping
from batchcart.platforms.toolkit import money as amounts
from batchcart.platforms.toolkit.items import rest, without_shared_ids
from batchcart.platforms.toolkit.lenient_json import text_of, value_of
from batchcart.platforms.toolkit.timestamps import moment

CURRENCY = "BRL"  # PLATFORMS §2.4

READABLE_FIELDS = (
    "customer.id",
    "customer.email",
    "shipping.tax_name",
    "shipping.tax_value",
    "items.product",
    "items.variant",
    "items.quantity",
    "items.unit_price",
    "items.note",
    "discounts",
    "created",
)

_NEITHER = "neither view of a Tray cart shows the shipping choice"
_PLAIN = "only the plain view of a Tray cart shows it"
_COMPLETE = "only the complete view of a Tray cart shows it"
_SHOWN_PLAIN = {"customer.email": _PLAIN, "created": _PLAIN}
_SHOWN_COMPLETE = {"shipping.tax_name": _COMPLETE, "shipping.tax_value": _COMPLETE, "discounts": _COMPLETE}
_CHOICE = ("shipping.id", "shipping.name", "shipping.price", "shipping.min_days", "shipping.max_days", "shipment")
HIDDEN_FIELDS: Mapping[str, str] = {**dict.fromkeys(_CHOICE, _NEITHER), **_SHOWN_PLAIN, **_SHOWN_COMPLETE}

_NONE = ("", "0", '""')  # b14 (S003): no variant and no customer are written in these ways
_DISCOUNTS = ("progressive_discount", "coupon_discount", "order_discount")
_OF_CART = (
    "session_id",
    "customer_id",
    "email",
    "date",
    "hour",
    "user_id",
    "user_cod",
    "variants_kit",
    "additional_info_kit",
)
_PRODUCT = ("id", "quantity", "price", "variant_id", "additional_information", "name", "cart_id")
_LINE = ("product_id", "product_name", "quantity", "price", "variant_id", "additional_information")
_HEAD = ("session_id", "customer_id", "email", "date", "hour", "tax_name", "Products", "Tax", *_DISCOUNTS)


def to_neutral(origin: CartSource, bodies: Sequence[bytes]) -> tuple[Cart, ...]:
    """The cart in the bodies: the complete view, the plain one, or both."""
    found = [_carts(body) for body in bodies]
    complete = next((one[0] for one in found if "Products" in one[0]), {})
    lines = next((one for one in found if "Products" not in one[0]), [])
    head = {name: lines[0][name] for name in _OF_CART if lines and name in lines[0]} | complete
    more = [{name: value for name, value in line.items() if head.get(name) != value} for line in lines]
    if complete:
        # b15 (S003): cart_id is "the id of the cart" and stands at each product; where it repeats it is not the line's.
        products = _objects(complete.get("Products"))
        items = without_shared_ids(_item(origin, product, _PRODUCT, product) for product in products)
        head |= {"lines": more} if more else {}  # weight and the like are in the plain view only
    else:
        items = tuple(
            structs.replace(_item(origin, line, _LINE, own), added=_stamp(line))
            for line, own in zip(lines, more, strict=True)
        )
    shown = {_PLAIN if lines else "", _COMPLETE if complete else ""}
    unread = [name for name, why in HIDDEN_FIELDS.items() if why not in shown]
    return (_cart(origin, head, items, tuple(unread)),)


def _carts(body: bytes) -> list[dict[str, Any]]:
    """The ``Cart`` objects of an answer: one in the complete view, one a line in the plain one.

    b1 (S003 §Consultar Dados do Carrinho): the lines stand side by side there, and ``Cart`` is called an array.
    """
    answer = value_of(body)
    wrapped = [one.get("Cart") for one in _objects(answer if isinstance(answer, list) else [answer])]
    carts = _objects([cart for one in wrapped for cart in (one if isinstance(one, list) else [one])])
    if not carts:
        raise NotACart("the answer shows no Cart")
    return carts


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _cart(origin: CartSource, head: Mapping[str, Any], items: tuple[Item, ...], unread: tuple[str, ...]) -> Cart:
    currency = origin.currency or CURRENCY
    tax = head.get("Tax")
    value = amounts.amount(tax.get("value"), currency) if isinstance(tax, dict) else None
    charge = None if value is None or Decimal(value) == 0 else value
    created = _stamp(head)
    strange = {"date": created, "hour": created, "Tax": value}
    used = [name for name in _HEAD if strange.get(name, "") is not None]
    return Cart(
        version=1,
        account=origin.account,
        platform="tray",
        id=origin.cart_id or text_of(head.get("session_id")),
        currency=currency,
        customer=Customer(id=_none(head.get("customer_id")), email=text_of(head.get("email"))),
        shipping=Shipping(tax_name=text_of(head.get("tax_name")), tax_value=charge),
        items=items,
        discounts=_discounts(head, currency),
        created=created,
        unread=unread,
        source=rest(head, used),
    )


def _item(origin: CartSource, found: Mapping[str, Any], names: Sequence[str], own: Mapping[str, Any]) -> Item:
    """A line of either view; ``own`` is what it does not share with the cart.

    b16 (S003): the product is ``id`` in the complete view, ``product_id`` in the other.
    """
    product = text_of(found.get("id" if names is _PRODUCT else "product_id"))
    quantity = amounts.amount(found.get("quantity"))
    if quantity is None or not product:
        raise NotACart(f"its line of product {product or '(none)'} has no quantity that is a number")
    unit = amounts.amount(found.get("price"), origin.currency or CURRENCY)
    complete = names is _PRODUCT
    used = [name for name in names if name != "price" or unit is not None]
    return Item(
        quantity=quantity,
        line=text_of(found.get("cart_id")) if complete else "",
        product=product,
        variant=_none(found.get("variant_id")),
        name=text_of(found.get("name" if complete else "product_name")),
        unit_price=unit,
        note=text_of(found.get("additional_information")),
        source=rest(own, used),
    )


def _stamp(found: Mapping[str, Any]) -> str | None:
    return moment(f"{text_of(found.get('date'))} {text_of(found.get('hour'))}")


def _none(value: Any) -> str:
    text = text_of(value)
    return "" if text in _NONE else text


def _discounts(head: Mapping[str, Any], currency: str) -> tuple[Discount, ...]:
    coupon = head.get("Coupon")
    code = text_of(coupon.get("code")) if isinstance(coupon, dict) else ""
    found = {name: amounts.amount(head.get(name), currency) for name in _DISCOUNTS}
    return tuple(
        Discount(kind="amount", value=value, title=name, code=code if name == "coupon_discount" else "")
        for name, value in found.items()
        if value is not None and Decimal(value) != 0
    )
