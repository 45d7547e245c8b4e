"""Owns what a read of a Shoplo cart shows to those who compare it; it does not know what they compare it with."""

import msgspec

from batchcart.model.adapter import CartReader, CartSnapshot
from batchcart.model.http import Response
from batchcart.platforms.shoplo.responses import line_of, missing, rows
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import ok
from batchcart.platforms.toolkit.ids import id_of


def _read_snapshot(body: bytes) -> CartSnapshot:
    """The lines of one user_key, or the one line that was asked for."""
    response = Response(200, body)
    line = line_of(response)
    found = [line] if line else rows(response)
    if found is None or not all(id_of(row.get("id")) for row in found):
        return CartSnapshot()
    return CartSnapshot({id_of(row["id"]): lines.amount(row.get("quantity")) for row in found})


def _is_missing(response: Response) -> bool:
    return missing(response) or (ok(response) and rows(response) == [])


def _spreads(data: bytes) -> bool:
    """c10 (S004 §Add/update cart item discount): without properties all lines of the cart get it."""
    return "properties" not in msgspec.json.decode(data, type=dict[str, msgspec.Raw])


CART_READER = CartReader(_read_snapshot, _is_missing, _spreads)
