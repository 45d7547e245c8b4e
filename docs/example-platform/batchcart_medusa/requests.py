"""Owns what is said to a Medusa backend; it does not know what answers mean."""

from urllib.parse import quote

from batchcart.model.adapter import CartContext
from batchcart.model.http import Request
from batchcart.model.operation import Operation

CARTS = "/store/carts"


def create_cart(operation: Operation, known: CartContext) -> Request:
    """A new cart; the shop makes its id."""
    return Request("POST", CARTS, body=operation.data or b"{}")


def get_cart(operation: Operation, known: CartContext) -> Request:
    """The cart with its lines."""
    return Request("GET", _cart(known))


def update_cart(operation: Operation, known: CartContext) -> Request:
    """The cart's own fields."""
    return Request("POST", _cart(known), body=operation.data)


def add_item(operation: Operation, known: CartContext) -> Request:
    """A variant more."""
    return Request("POST", f"{_cart(known)}/line-items", body=operation.data)


def update_item(operation: Operation, known: CartContext) -> Request:
    """How many the line holds."""
    return Request("POST", _line(operation, known), body=operation.data)


def delete_item(operation: Operation, known: CartContext) -> Request:
    """The line is taken out."""
    return Request("DELETE", _line(operation, known))


def item_id(operation: Operation, known: CartContext) -> str:
    """The id of the line that the operation is about."""
    return operation.item_id or known.items.get(operation.item or "", "")


def _cart(known: CartContext) -> str:
    return f"{CARTS}/{quote(known.cart_id or '', safe='')}"


def _line(operation: Operation, known: CartContext) -> str:
    return f"{_cart(known)}/line-items/{quote(item_id(operation, known), safe='')}"
