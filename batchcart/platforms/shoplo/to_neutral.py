"""Owns what Shoplo's rows mean as neutral carts; it does not know how a cart is made.

A cart of S004 is one row; the rows of one user_key are a neutral cart.
"""

from collections.abc import Iterator, Mapping, Sequence

from batchcart.model.cart import Cart, CartSource, Item, NotACart
from batchcart.platforms.shoplo.responses import Row
from batchcart.platforms.toolkit import money as amounts
from batchcart.platforms.toolkit.items import rest
from batchcart.platforms.toolkit.lenient_json import object_of, text_of
from batchcart.platforms.toolkit.timestamps import moment

CURRENCY = "PLN"  # PLATFORMS §3.5: prices are in grosze; an account of another currency says so

READABLE_FIELDS = ("items.product", "items.variant", "items.quantity", "items.unit_price", "created", "expires")

HIDDEN_FIELDS: Mapping[str, str] = {"discounts": "no answer of Shoplo's cart service shows a line's discount"}

_USED = ("id", "user_key", "product_id", "variant_id", "price", "tax", "quantity", "sku", "created_at")


def to_neutral(origin: CartSource, bodies: Sequence[bytes]) -> tuple[Cart, ...]:
    """The carts whose rows the bodies list, in the order of their first rows; a row that comes twice counts once."""
    carts: dict[str, dict[str, Row]] = {}
    for row in _rows(bodies):
        line, key = text_of(row.get("id")), text_of(row.get("user_key")) or origin.cart_id
        if not line or not key:
            raise NotACart("a row names no id or no user_key")
        carts.setdefault(key, {})[line] = row
    if not carts:
        raise NotACart("the answer lists no rows")
    return tuple(_cart(origin, key, list(rows.values())) for key, rows in carts.items())


def _rows(bodies: Sequence[bytes]) -> Iterator[Row]:
    for body in bodies:
        found = object_of(body).get("carts")
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise NotACart("the answer is not a list of rows")
        yield from found


def _cart(origin: CartSource, key: str, rows: Sequence[Row]) -> Cart:
    currency = origin.currency or CURRENCY
    items = tuple(_item(row, currency) for row in rows)
    return Cart(
        version=1,
        account=origin.account,
        platform="shoplo",
        id=key,
        currency=currency,
        items=items,
        created=min((item.added for item in items if item.added), default=None),
        expires=min((end for row in rows if (end := moment(text_of(row.get("expire_at"))))), default=None),
        unread=tuple(HIDDEN_FIELDS),
    )


def _item(row: Row, currency: str) -> Item:
    quantity = amounts.amount(row.get("quantity"))
    if quantity is None:
        raise NotACart(f"its row {text_of(row.get('id'))} has no quantity that is a number")
    unit, tax = amounts.from_minor(row.get("price"), currency), amounts.amount(row.get("tax"))
    added = moment(text_of(row.get("created_at")))
    strange = {"price": unit, "tax": tax, "created_at": added}
    used = [name for name in _USED if strange.get(name, "") is not None]
    return Item(
        quantity=quantity,
        line=text_of(row.get("id")),
        product=text_of(row.get("product_id")),
        variant=text_of(row.get("variant_id")),
        sku=text_of(row.get("sku")),
        unit_price=unit,
        tax_rate=tax,
        added=added,
        source=rest(row, used),
    )
