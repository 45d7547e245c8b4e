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

from batchcart.model.errors import UsageError, quote
from batchcart.model.files import replacing
from batchcart.model.system import NO_LINK
from batchcart.sandbox.shop import Shop, Tokens

_LONGEST = 19  # digits of an item's number


def restore(path: Path, shop_named: Callable[[str, str], Shop]) -> None:
    """Bring the shops back to what the file says; raises UsageError if it cannot be read."""
    for record in _records(path):
        shop = shop_named(record.platform, record.shop)
        shop.last_id = record.last_id
        if record.tokens is not None:
            shop.tokens = record.tokens
        elif record.document is None:
            shop.carts.pop(record.cart, None)
        else:
            shop.carts[record.cart] = record.document


def index(shop: Shop) -> None:
    """Learn again which cart each item is in, in order of their ids."""
    pairs = ((number, key) for key, cart in shop.carts.items() for number in cart["items"])
    shop.owners = dict(sorted(pairs, key=lambda pair: int(pair[0])))


class _Record(msgspec.Struct, frozen=True):
    """A line of the file: a cart, or with ``tokens`` those of the shop."""

    platform: str
    shop: str
    last_id: int
    cart: str = ""
    document: dict[str, Any] | None = None
    tokens: Tokens | None = None

    def __post_init__(self) -> None:
        if self.document is not None:
            items = self.document.get("items")
            if not (isinstance(items, dict) and all(isinstance(one, dict) for one in items.values())):
                raise ValueError(f"cart {quote(self.cart)} has no items")
            if not all(number.isascii() and number.isdecimal() and len(number) < _LONGEST for number in items):
                raise ValueError(f"cart {quote(self.cart)} has an item without a number")


def _records(path: Path) -> Iterator[_Record]:
    if not path.exists():
        return
    decode = msgspec.json.Decoder(_Record).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                try:
                    yield decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise UsageError(
                        f"{path}: line {number} is not what a sandbox wrote ({error}); remove the file to begin with "
                        "empty shops"
                    ) from None


class StateFile:
    """The file while it is written; it begins with what the shops hold now, so it does not grow for ever."""

    def __init__(self, path: Path, shops: Iterable[Shop]) -> None:
        with replacing(path, durable=False) as snapshot:
            for shop in shops:
                snapshot.write(_tokens_line(shop))
                snapshot.writelines(_cart_line(shop, cart) for cart in shop.carts)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | NO_LINK)

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
