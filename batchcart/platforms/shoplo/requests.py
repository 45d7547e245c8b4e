"""Owns what is said to a Shoplo shop: routes and bodies of S004; it does not know what answers mean.

- c1 (S004, nearly every body): trailing commas and comments; answers are read leniently, clean JSON is sent.
- c6 (S004, titles): "Cart", "Cart Item" and "variant" name one thing: a line. A cart is the lines of one user_key.
- c8 (S004, request bodies): JSON in the document, PHP forms in every known client; `encoding` chooses, JSON is the
  default.
- c12 (S004 §Receive a list): whether created_at_min is inclusive is not said; the filters are passed on as given.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from batchcart.model.adapter import CartContext
from batchcart.model.http import Request
from batchcart.model.json_text import has_member
from batchcart.model.operation import Operation, OperationKind

# c4 (S004, paths): some with and some without the leading slash; always with it.
CARTS = "/services/carts"
_DISCOUNTS = "/services/carts_discount"
PAGE = 50
"""S004 §Receive a list of all carts: limit, default 50."""

_TEXTS = ("discount_type", "discount_value")


def add(operation: Operation, known: CartContext) -> Request:
    """S004 §Create a Cart/Add variant to cart, with the cart's user_key filled in."""
    if has_member(operation.data, "user_key"):
        return Request("POST", CARTS, body=b'{"cart":' + operation.data + b"}")
    key = msgspec.json.encode(user_key(known))
    return Request("POST", CARTS, body=b'{"cart":{"user_key":' + key + b"," + operation.data.lstrip()[1:] + b"}")


def user_key(known: CartContext) -> str:
    """The key of the cart that lines belong to."""
    return known.cart_id or known.generated_key


def page(operation: Operation, known: CartContext, number: int) -> Request:
    """One page of the cart's lines."""
    given = _query(operation) if operation.kind is OperationKind.CART_GET else ()
    own = (("user_key", user_key(known)), ("limit", str(PAGE)), ("page", str(number)))
    return Request("GET", CARTS, (*given, *own))


def first_page(operation: Operation, known: CartContext) -> Request:
    """The first page of the cart's lines."""
    return page(operation, known, 1)


def count_lines(known: CartContext) -> Request:
    """S004 §Receive a count of all carts: how many lines the cart has."""
    return Request("GET", f"{CARTS}/count", (("user_key", user_key(known)),))


def any_lines(*, of: str = "") -> Request:
    """The first lines of the shop, or of the cart with that user_key, whatever carts they belong to."""
    chosen = (("user_key", of),) if of else ()
    return Request("GET", CARTS, (*chosen, ("limit", str(PAGE))))


def is_narrowed(operation: Operation) -> bool:
    """Whether a read of the cart asks for some of its lines only."""
    return any(name != "fields" for name, _ in _query(operation))


def list_carts(operation: Operation, known: CartContext) -> Request:
    """S004 §Receive a list of all carts."""
    return Request("GET", CARTS, _query(operation))


def count_carts(operation: Operation, known: CartContext) -> Request:
    """S004 §Receive a count of all carts."""
    return Request("GET", f"{CARTS}/count", _query(operation))


def get_line(operation: Operation, known: CartContext) -> Request:
    """S004 §Receive a single Cart."""
    return Request("GET", _line(operation, known), _query(operation))


def show_line(operation: Operation, known: CartContext) -> Request:
    """The same, to see what became of an update."""
    return Request("GET", _line(operation, known))


def update_line(operation: Operation, known: CartContext) -> Request:
    """S004 §Update an existing Cart Item."""
    return Request("PUT", _line(operation, known), body=b'{"cart":' + operation.data + b"}")


def delete_line(operation: Operation, known: CartContext) -> Request:
    """S004 §Delete an existing Cart Item/Remove variant from cart."""
    return Request("DELETE", _line(operation, known))


def delete_line_by_id(line: str) -> Request:
    """The same, for a line that a list showed."""
    return Request("DELETE", f"{CARTS}/{quote(line, safe='')}")


def set_discount(operation: Operation, known: CartContext) -> Request:
    """S004 §Add/update cart item discount.

    c9: type and value stand there as texts, and go out so. c11: properties is a JSON text inside a string; an object
    is encoded once.
    """
    fields: dict[str, Any] = msgspec.json.decode(operation.data, type=dict[str, msgspec.Raw])
    plain = {name: text for name in _TEXTS if not (text := bytes(fields.get(name, b'""')).decode()).startswith('"')}
    if (properties := bytes(fields.get("properties", b"")).decode()).startswith("{"):
        plain["properties"] = properties
    data = msgspec.json.encode({**fields, **plain}) if plain else operation.data
    return Request("PUT", _discount(operation, known), body=b'{"cart_discount":' + data + b"}")


def delete_discount(operation: Operation, known: CartContext) -> Request:
    """S004 §Delete cart item discount."""
    return Request("DELETE", _discount(operation, known))


def line_id(operation: Operation, known: CartContext) -> str:
    """The id of the line that the operation is about."""
    return operation.item_id or known.items.get(operation.item or "", "")


def _line(operation: Operation, known: CartContext) -> str:
    return f"{CARTS}/{quote(line_id(operation, known), safe='')}"


def _discount(operation: Operation, known: CartContext) -> str:
    # c10 (S004 §Add/update cart item discount): {id} is the line's; without properties all lines of the cart get it.
    return f"{_DISCOUNTS}/{quote(line_id(operation, known), safe='')}"


def _query(operation: Operation) -> tuple[tuple[str, str], ...]:
    given: dict[str, Any] = msgspec.json.decode(operation.query or b"{}")
    return tuple((name, ",".join(value) if isinstance(value, list) else str(value)) for name, value in given.items())
