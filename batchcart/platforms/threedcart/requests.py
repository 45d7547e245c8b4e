"""Owns what is said to a 3dcart shop: routes and bodies of S000; it does not know what answers mean.

a17 (S000, C# samples): the machine's own charset there; bodies are UTF-8.
"""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from batchcart.model.adapter import CartContext
from batchcart.model.http import Request
from batchcart.model.operation import Operation

BASE = "/3dCartWebAPI/v1/Cart"

_NUMBERS = {"CustomerId", "CatalogID", "ItemQuantity", "OptionSetID", "OptionID"}
_LEADING_ZEROS = re.compile(r"^(-?)0+(?=[0-9])")


class _Numbers(msgspec.Struct, rename={"options": "ItemOptions"}):
    """The fields of a body that may hold numbers in quotes, and only their first bytes matter."""

    CustomerId: msgspec.Raw = msgspec.Raw()
    CatalogID: msgspec.Raw = msgspec.Raw()
    ItemQuantity: msgspec.Raw = msgspec.Raw()
    OptionSetID: msgspec.Raw = msgspec.Raw()
    OptionID: msgspec.Raw = msgspec.Raw()
    options: msgspec.Raw = msgspec.Raw()

    @property
    def any_in_quotes(self) -> bool:
        """Whether one of them stands in quotes."""
        given = (self.CustomerId, self.CatalogID, self.ItemQuantity, self.OptionSetID, self.OptionID)
        return b'"' in b"".join(given)


_numbers_of = msgspec.json.Decoder(_Numbers).decode
_raw_numbers = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode()))


def create_cart(operation: Operation, known: CartContext) -> Request:
    """S000 §Create a cart."""
    return Request("POST", BASE, body=_body(operation))


def get_cart(operation: Operation, known: CartContext) -> Request:
    """S000 §Retrieve a cart."""
    return Request("GET", _cart(known))


def update_cart(operation: Operation, known: CartContext) -> Request:
    """S000 §Update a cart. a3: the Ruby and Python samples leave the key out of the path; the others have it."""
    return Request("PUT", _cart(known), body=_body(operation))


def delete_cart(operation: Operation, known: CartContext) -> Request:
    """S000 §Delete a cart."""
    return Request("DELETE", _cart(known))


def add_item(operation: Operation, known: CartContext) -> Request:
    """S000 §Create a cart item."""
    return Request("POST", f"{_cart(known)}/Item", body=_body(operation))


def update_item(operation: Operation, known: CartContext) -> Request:
    """S000 §Update a cart item. a1: the request line misses the slash of "/Item/{cartitemid}"; all samples have it."""
    return Request("PUT", _item(operation, known), body=_body(operation))


def delete_item(operation: Operation, known: CartContext) -> Request:
    """S000 §Delete a cart item. a2: the request line leaves "/Item" out; all samples have it."""
    return Request("DELETE", _item(operation, known))


def item_id(operation: Operation, known: CartContext) -> str:
    """The CartItemID that the operation is about."""
    return operation.item_id or known.items.get(operation.item or "", "")


def _cart(known: CartContext) -> str:
    return f"{BASE}/{quote(known.cart_id or '', safe='')}"


def _item(operation: Operation, known: CartContext) -> str:
    return f"{_cart(known)}/Item/{quote(item_id(operation, known), safe='')}"


def _body(operation: Operation) -> bytes:
    """The author's own JSON text, with numbers taken out of quotes (S000 shows plain numbers everywhere)."""
    if not operation.data:
        return b"{}"
    numbers = _numbers_of(operation.data)
    if not (numbers.options or numbers.any_in_quotes):
        return operation.data
    return msgspec.json.encode(_unquote(_raw_numbers.decode(operation.data)))


def _unquote(value: Any) -> Any:
    if isinstance(value, list):
        return [_unquote(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: msgspec.Raw(_LEADING_ZEROS.sub(r"\1", entry).encode())
        if name in _NUMBERS and isinstance(entry, str)
        else _unquote(entry)
        for name, entry in value.items()
    }
