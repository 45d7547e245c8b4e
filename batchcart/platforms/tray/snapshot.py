"""Owns what a read of a Tray cart shows to those who compare it; it does not know what they compare it with."""

import msgspec

from batchcart.model.adapter import CartReader, CartSnapshot
from batchcart.model.http import Response
from batchcart.platforms.tray.responses import first_row, lines_of
from batchcart.platforms.tray.schema import UpdateFields


def _read_snapshot(body: bytes) -> CartSnapshot:
    """S003 §Consultar Dados do Carrinho: each line repeats the cart's own fields; Shipping is not among them."""
    response = Response(200, body)
    held, row = lines_of(response), first_row(response)
    fields = {name: msgspec.json.encode(row[name]) for name in UpdateFields.__struct_fields__ if name in row}
    return CartSnapshot(None if held is None else {key: line.quantity for key, line in held.items()}, fields)


def _is_missing(response: Response) -> bool:
    """404 and an empty array both mean an empty cart (PLATFORMS §2.3)."""
    return lines_of(response) == {}


CART_READER = CartReader(_read_snapshot, _is_missing)
