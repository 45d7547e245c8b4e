"""Owns putting items into a 3dcart cart that shows none, from the job that added them; it does not know that job.

S000 §Retrieve a cart prints a cart without its items (PLATFORMS §1.5).
"""

from collections.abc import Sequence

import msgspec

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def merge_items(body: bytes, items: Sequence[tuple[str, bytes]]) -> bytes:
    """The body with a CartItemList, its rows as shops that have one show them; fields keep the job's own digits."""
    rows = [{"CartItemID": msgspec.Raw(msgspec.json.encode(number)), **_object(data)} for number, data in items]
    carts = _list(body) if body.startswith(b"[") else [_object(body)]
    return msgspec.json.encode([{**cart, "CartItemList": msgspec.Raw(msgspec.json.encode(rows))} for cart in carts])
