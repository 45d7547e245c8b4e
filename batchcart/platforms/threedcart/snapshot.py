"""Owns what a read of a 3dcart cart shows to those who compare it; it does not know what they compare it with."""

import msgspec

from batchcart.model.adapter import CartReader, CartSnapshot
from batchcart.model.http import Response
from batchcart.platforms.threedcart.responses import cart_of, items_of, missing
from batchcart.platforms.threedcart.schema import CartFields
from batchcart.platforms.toolkit.lenient_json import value_of


def _read_snapshot(body: bytes) -> CartSnapshot:
    response = Response(200, body)
    items = items_of(response)
    return CartSnapshot(None if items is None else {key: line.quantity for key, line in items.items()}, _fields(body))


def _fields(body: bytes) -> dict[str, bytes]:
    """The cart's own fields as the shop wrote them. a6 (S000 §Retrieve a cart): an object, or an array of one."""
    if cart_of(Response(200, body)) is None:
        return {}
    cart = msgspec.json.decode(body, type=list[msgspec.Raw])[0] if isinstance(value_of(body), list) else body
    found = msgspec.json.decode(cart, type=dict[str, msgspec.Raw])
    return {name: bytes(found[name]) for name in CartFields.__struct_fields__ if name in found}


CART_READER = CartReader(_read_snapshot, missing)
