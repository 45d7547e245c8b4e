"""Owns the file that carries a sandbox's shops over its own death; it does not know what a cart holds.

One JSON line for each change: the whole cart as it is now (null where it was deleted) or the shop's tokens,
and its last id. A line goes to the system before the answer goes out, so it outlives a kill -9 (not a power
cut). A last line without its end was never answered, and is ignored.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson

from batchcart.model.files import replacing
from batchcart.sandbox.shop import Shop, Tokens


def restore(path: Path, shop_named: Callable[[str, str], Shop]) -> None:
    """Bring the shops back to what the file says."""
    for record in _records(path):
        shop = shop_named(record["platform"], record["shop"])
        shop.last_id = record["last_id"]
        if "tokens" in record:
            shop.tokens = msgspec.convert(record["tokens"], Tokens)
        elif record["document"] is None:
            shop.carts.pop(record["cart"], None)
        else:
            shop.carts[record["cart"]] = record["document"]


def index(shop: Shop) -> None:
    """Learn again which cart each item is in, in order of their ids."""
    pairs = ((number, key) for key, cart in shop.carts.items() for number in cart["items"])
    shop.owners = dict(sorted(pairs, key=lambda pair: int(pair[0])))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield orjson.loads(line)


class StateFile:
    """The file while it is written; it begins with what the shops hold now, so it does not grow for ever."""

    def __init__(self, path: Path, shops: Iterable[Shop]) -> None:
        with replacing(path, durable=False) as snapshot:
            for shop in shops:
                snapshot.write(_tokens_line(shop))
                snapshot.writelines(_cart_line(shop, cart) for cart in shop.carts)
            self._descriptor = os.open(snapshot.name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)

    def note_cart(self, shop: Shop, cart: str) -> None:
        """The cart has changed."""
        os.write(self._descriptor, _cart_line(shop, cart))

    def note_tokens(self, shop: Shop) -> None:
        """The shop's tokens have changed."""
        os.write(self._descriptor, _tokens_line(shop))

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)


def _cart_line(shop: Shop, cart: str) -> bytes:
    record = {
        "platform": shop.platform,
        "shop": shop.name,
        "last_id": shop.last_id,
        "cart": cart,
        "document": shop.carts.get(cart),
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _tokens_line(shop: Shop) -> bytes:
    record = {
        "platform": shop.platform,
        "shop": shop.name,
        "last_id": shop.last_id,
        "tokens": msgspec.to_builtins(shop.tokens),
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
