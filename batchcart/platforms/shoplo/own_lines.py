"""Owns reading all lines of one cart from the shop's list; it does not know what they are read for.

A list is the only read of a cart, and nearly nothing of it is certain, so that it is not believed at once:

- c2 (S004 §Receive a list): the filter user_key is called a product id there and a user key for the count. Each row's
  own user_key is looked at. A list without a row is confirmed by the count, and where that counts some, by whether the
  filter shows a line that the shop surely has: only then it means that the cart is empty.
- The most rows of a page are not documented (PLATFORMS §3.5), only that 50 is the default. A page is taken for the last
  one if it is short of that, has no round number of rows, and no line is missing that the cart is known to have.
- What a page behind the last one answers is not documented either: an error there is the end if the count agrees.
- Where the filter does nothing, all lines of the shop pass by, and may move from page to page meanwhile: pages are read
  twice, and a row that is not there the second time has moved the others. Then the count says whether one was missed.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, Request, Response
from batchcart.model.operation import Operation
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.responses import count_of, names_itself, raw_rows, refusal, rows
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import CartUnreadable, Pages
from batchcart.platforms.toolkit.http_status import describe
from batchcart.platforms.toolkit.lenient_json import object_of, text_of

_MOST_PAGES = 200
"""A list that goes on for longer has no end: no shopper's cart holds 10,000 lines."""

_ROUND = 5
"""A page of a multiple of this many rows may be as many as the shop gives."""

_LISTS_ALL = "the shop lists all carts whatever it is asked for"


class OwnLines(msgspec.Struct, frozen=True):
    """All lines of the cart, as the shop wrote them, by their ids; a row without an id has its number.

    ``others`` says that the list showed lines of other carts as well.
    """

    rows: dict[str, bytes]
    others: bool = False


class _Page(msgspec.Struct, frozen=True):
    """A page of the list: the id and the user_key of each row, "" if it has none, and its text.

    ``named`` says that each row names its id, its cart and its variant.
    """

    rows: Sequence[tuple[str, str, bytes]]
    named: bool

    @property
    def ids(self) -> set[str]:
        return {number or text.decode() for number, _, text in self.rows}


def list_lines(
    operation: Operation, known: CartContext, pages: Pages, *, surely: bool = True, named: bool = True
) -> OwnLines | CartUnreadable | Request:
    """The cart's lines once all is read that it takes to know them.

    ``surely``: an empty list is confirmed. ``named``: a list is none whose rows do not say what and whose they are.
    """
    own = tuple(page for page in pages if _is_own(known, page.request))
    last = pages[-1]
    if last.request != own[-1].request:
        return _after_more(known, _own_rows(known, [page for page in map(_page, own) if page is not None]), last)
    passed = [_page(page) for page in own]
    if passed[-1] is None:
        return _after_no_page(known, own)
    whole = [page for page in passed if page is not None]
    if named and not whole[-1].named:
        words = "which is no list of lines with id, user_key and variant_id"
        return CartUnreadable(f"the shop answered {describe(last.response)}, {words}")
    first, *again = _passes(own, whole)
    if step := _next_page(operation, known, again[0] if again else first):
        return step
    found = _own_rows(known, whole)
    if not found.rows and not found.others and surely and not requests.is_narrowed(operation):
        return requests.count_lines(known)
    if not found.others or len([page for page in first if page.rows]) < 2:
        return found
    if not again:
        return requests.first_page(operation, known)
    if _ids(first) <= _ids(again[0]):
        return found
    if not requests.is_narrowed(operation):
        return requests.count_lines(known)
    return CartUnreadable(f"{_LISTS_ALL}, and the list moved while it was read")


def _after_no_page(known: CartContext, own: Pages) -> CartUnreadable | Request:
    """What follows from an answer that is no page of a list."""
    last = own[-1]
    if refused := refusal(last.response):
        past_the_end = dict(last.request.query)["page"] != "1"
        return requests.count_lines(known) if past_the_end else CartUnreadable(refused.message)
    return CartUnreadable(f"the shop answered {describe(last.response)}, which is no list of lines")


def _after_more(known: CartContext, found: OwnLines, last: Exchange) -> OwnLines | CartUnreadable | Request:
    """What follows from an answer to what was asked besides the list."""
    if refused := refusal(last.response):
        return CartUnreadable(refused.message)
    if last.request == requests.count_lines(known):
        return _after_count(found, last.response)
    return _after_control(known, found, last)


def _after_count(found: OwnLines, response: Response) -> OwnLines | CartUnreadable | Request:
    count = count_of(response)
    if count is None:
        return CartUnreadable(f"the shop answered {describe(response)}, which is no count")
    if count == len(found.rows):
        return found
    if found.others:
        shown = f"{len(found.rows)} lines of this one in a list that may have moved meanwhile"
        return CartUnreadable(f"{_LISTS_ALL}, {shown}, and counts {count}")
    if found.rows:
        return CartUnreadable(f"the shop lists {len(found.rows)} lines of the cart and counts {count}")
    return requests.any_lines()


def _after_control(known: CartContext, found: OwnLines, exchange: Exchange) -> OwnLines | CartUnreadable | Request:
    """Whether the filter shows a line that the shop surely has; then the list without a line was right."""
    keys = [text_of(row["user_key"]) for row in rows(exchange.response) or []]
    if requests.user_key(known) in keys:
        return CartUnreadable("the shop's list by user_key leaves out lines of that user_key")
    asked = dict(exchange.request.query).get("user_key")
    if asked is not None:
        return (
            found
            if asked in keys
            else CartUnreadable("the shop's list by user_key does not show the lines of a user_key")
        )
    return requests.any_lines(of=keys[0]) if keys else CartUnreadable("the shop counts lines and lists none")


def _next_page(operation: Operation, known: CartContext, passed: Sequence[_Page]) -> Request | CartUnreadable | None:
    """The next page to ask for; None once a page came short, or brought nothing that was not there already."""
    last = passed[-1]
    if last.ids <= _ids(passed[:-1]):
        return None
    count = len(last.rows)
    if count < requests.PAGE and count % _ROUND and not _misses_some(operation, known, passed):
        return None
    if len(passed) >= _MOST_PAGES:
        return CartUnreadable(f"the list does not end: {len(passed)} full pages")
    return requests.page(operation, known, len(passed) + 1)


def _misses_some(operation: Operation, known: CartContext, passed: Sequence[_Page]) -> bool:
    """Whether a line that the cart is known to have was not shown so far."""
    if requests.is_narrowed(operation):
        return False
    return any(line is not None and key not in _ids(passed) for key, line in lines.parse_facts(known.facts).items())


def _own_rows(known: CartContext, pages: Sequence[_Page]) -> OwnLines:
    """The rows of the cart, each once; rows that name another cart are left out."""
    kept: dict[str, bytes] = {}
    others = False
    for page in pages:
        for number, key, text in page.rows:
            if key and key != requests.user_key(known):
                others = True
            else:
                kept.setdefault(number or f"row {len(kept)}", text)
    return OwnLines(kept, others=others)


def _page(exchange: Exchange) -> _Page | None:
    """The answer as a page; None if it is a refusal, or no list."""
    raws = None if refusal(exchange.response) else raw_rows(exchange.response)
    if raws is None:
        return None
    values: list[Any] = object_of(exchange.response).get("carts") or []
    named = [value if isinstance(value, dict) else {} for value in values]
    return _Page(
        [
            (text_of(row.get("id")), text_of(row.get("user_key")), bytes(raw))
            for row, raw in zip(named, raws, strict=True)
        ],
        named=all(names_itself(row) for row in named),
    )


def _ids(pages: Sequence[_Page]) -> set[str]:
    return set().union(*(page.ids for page in pages))


def _passes(own: Pages, pages: Sequence[_Page]) -> list[Sequence[_Page]]:
    """The pages, begun anew with each first one."""
    starts = [index for index, page in enumerate(own) if dict(page.request.query)["page"] == "1"]
    return [pages[start:end] for start, end in zip(starts, [*starts[1:], len(own)], strict=True)]


def _is_own(known: CartContext, request: Request) -> bool:
    query = dict(request.query)
    return request.path == requests.CARTS and query.get("user_key") == requests.user_key(known) and "page" in query
