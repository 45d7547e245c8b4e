"""Owns how all carts of a Shoplo shop are listed, line by line (S004 §Receive a list); it does not know the walk."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from batchcart.model.adapter import Filters, ListedLine, Listing
from batchcart.model.cart import NotACart
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Response
from batchcart.platforms.shoplo.requests import PAGE
from batchcart.platforms.shoplo.responses import raw_rows
from batchcart.platforms.toolkit.lenient_json import object_of, text_of
from batchcart.platforms.toolkit.timestamps import moment

_STAMP = "%Y-%m-%d %H:%M:%S"
_MOST_DIGITS, _LARGEST = 19, (1 << 63) - 1


def query(filters: Filters, page: int) -> bytes:
    """The query of one page. c2: user_key is sent as the filter; each row's own is looked at besides.

    Whether a bound is part of what it bounds is not said, so a second more is asked for on each side.
    """
    given = {
        "user_key": filters.cart_key,
        "created_at_min": _shift(filters.created_after, -1),
        "created_at_max": _shift(filters.created_before, 1),
        "since_id": filters.since_id.lstrip("0"),
        "limit": str(PAGE),
        "page": str(page) if page > 1 else "",
    }
    return msgspec.json.encode({name: value for name, value in given.items() if value})


def _shift(stamp: str, seconds: int) -> str:
    try:
        found = datetime.strptime(stamp, _STAMP) + timedelta(seconds=seconds)  # noqa: DTZ007  # the shop's own clock
    except (ValueError, OverflowError):
        return stamp  # the check of the query says what is wrong with it
    return found.strftime(_STAMP)


def lines(body: bytes) -> list[ListedLine]:
    """The rows of a page; raises NotACart if one of them names no cart or has no number."""
    rows = raw_rows(Response(200, body))
    if rows is None:
        raise NotACart("it is not a list of carts")
    return [_line(bytes(row)) for row in rows]


def _line(text: bytes) -> ListedLine:
    row = object_of(text)
    number, key = text_of(row.get("id")), text_of(row.get("user_key"))
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
    if not (is_number and int(number) <= _LARGEST and key):
        raise NotACart(f"a row in it has no number as its id, or no user_key: {excerpt(text[:200])}")
    created = moment(text_of(row.get("created_at"))) or ""
    return ListedLine(int(number), key, text, created[: len("2011-06-19T13:18:50")].replace("T", " "))


def merge_rows(rows: Sequence[bytes]) -> bytes:
    """The rows of one cart as one list."""
    return b'{"carts":[' + b",".join(rows) + b"]}"


LISTING = Listing(PAGE, query, lines, merge_rows)
