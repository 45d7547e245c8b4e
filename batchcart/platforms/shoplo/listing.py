"""Owns how all carts of a Shoplo shop are listed, line by line (S004 §Receive a list); it does not know the walk."""

from collections.abc import Sequence

import msgspec

from batchcart.model.adapter import Filters, ListedLine, Listing
from batchcart.model.cart import NoCart
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Response
from batchcart.platforms.shoplo.requests import PAGE
from batchcart.platforms.shoplo.responses import raw_rows
from batchcart.platforms.toolkit.lenient_json import object_of, text_of

_LARGEST = (1 << 63) - 1


def query(filters: Filters, since: int, page: int) -> bytes:
    """The query of one page. c2: user_key is sent as the filter; each row's own is looked at besides."""
    given = {
        "user_key": filters.cart_key,
        "created_at_min": filters.created_after,
        "created_at_max": filters.created_before,
        "since_id": str(since) if since else "",
        "limit": str(PAGE),
        "page": str(page) if page > 1 else "",
    }
    return msgspec.json.encode({name: value for name, value in given.items() if value})


def lines(body: bytes) -> list[ListedLine]:
    """The rows of a page; raises NoCart where one of them names no cart or has no number."""
    rows = raw_rows(Response(200, body))
    if rows is None:
        raise NoCart("it is not a list of carts")
    return [_line(bytes(row)) for row in rows]


def _line(text: bytes) -> ListedLine:
    row = object_of(text)
    number, key = text_of(row.get("id")), text_of(row.get("user_key"))
    if not (number.isascii() and number.isdecimal() and int(number[:20]) <= _LARGEST and key):
        raise NoCart(f"a row in it has no number as its id, or no user_key: {excerpt(text[:200])}")
    return ListedLine(int(number), key, text)


def joined(rows: Sequence[bytes]) -> bytes:
    """The rows of one cart as one list."""
    return b'{"carts":[' + b",".join(rows) + b"]}"


LISTING = Listing(query, lines, joined)
