"""Owns what a 3dcart shop's answers mean; it does not know routes.

a14 (S000, titles): "retrieve a Cart" above delete item, "carts (i.e. orders)" are slips of the pen.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from batchcart.model.http import Exchange, Response
from batchcart.model.outcome import AccountTrouble, Denied, Failing, Refused
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import described, http_trouble, not_there, ok, rejected
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import text_of, value_of, whole_of

Row = Mapping[str, str]
"""Key, Value, Status and Message of an answer to a write, names and Key in lower case."""


def trouble(exchange: Exchange) -> AccountTrouble | None:
    """Whether the answer means that shop or credentials fail.

    a16 (S000, every "Responses and Errors"): 401 is wrong keys as well as a missing scope; neither mends itself.
    """
    said = _worst(exchange.response)
    if exchange.response.status == 401 or (ok(exchange.response) and said == 401):
        return Denied(
            "3dcart refused the credentials (HTTP 401): the PrivateKey/Token/SecureURL combination is invalid, "
            "or the application lacks the right to read or write",
            final=True,
        )
    return http_trouble(exchange, said)


def row(response: Response) -> Row | None:
    """The answer's first row; None where it has none."""
    rows = _rows(response)
    return rows[0] if rows else None


def made(response: Response, key: str) -> str:
    """The id that the answer gives under ``key``; "" where it does not.

    a8 (S000 §Delete a cart item): CartItemId there, CartItemID elsewhere; compared without regard to case.
    """
    found = row(response)
    return id_of(found["value"]) if found is not None and found["key"] == key.lower() else ""


def refusal(response: Response) -> Refused | None:
    """Whether the shop said no.

    a4 (S000 §Retrieve a cart): success is 201 in one table and 200 in another; any 2xx is.
    a5 (S000 §Delete a cart): "201" in the body, 200 in the table; the body's Status fails a call only from 400 on.
    """
    if ok(response) and _worst(response) < 400:
        return None
    bad = next((found for found in _rows(response) if whole_of(found["status"]) >= 400), row(response))
    if bad is not None and (bad["message"] or bad["status"]):
        return rejected(response, f"3dcart said: {bad['message'] or bad['status']} (HTTP {response.status})")
    # a13 (S000, create and delete item list no 404): 404 means everywhere that cart or item is gone.
    return rejected(response, "3dcart has no such cart or item (HTTP 404)" if not_there(response) else "")


def unnamed(exchange: Exchange) -> Failing | None:
    """A 2xx to a write without a row to read (S000 shows one for every write) is an answer that got lost."""
    if exchange.response.body.strip() and row(exchange.response) is None:
        return Failing(f"the shop answered {described(exchange.response)} and no row in it", exchange.request)
    return None


def cart_of(response: Response) -> dict[str, Any] | None:
    """The cart in the answer. a6 (S000 §Retrieve a cart): an object there, an array of one in practice."""
    answer = value_of(response.body)
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    return answer if isinstance(answer, dict) else None


def items_of(response: Response) -> lines.Lines | None:
    """The cart's items by CartItemID; None where the answer does not show them.

    a7 (S000 §Retrieve a cart): the sample shows no items, no OrderKey and no CheckoutURL; shops send CartItemList
    (PLATFORMS §1.5).
    """
    cart = cart_of(response)
    rows = cart.get("CartItemList") if cart is not None else None
    if not isinstance(rows, list):
        return None
    items = {}
    for item in rows:
        key = id_of(item.get("CartItemID")) if isinstance(item, dict) else ""
        if not key or not lines.number(item.get("CatalogID")):
            return None
        items[key] = lines.Line(lines.number(item["CatalogID"]), lines.amount(item.get("ItemQuantity")))
    return items


def _rows(response: Response) -> tuple[Row, ...]:
    return _said(response.body)[0]


@lru_cache(maxsize=2)  # one answer is asked about several times in a row
def _said(body: bytes) -> tuple[tuple[Row, ...], int]:
    """The answer's rows, and the worst status that one of them names; 0 where none names one from 400 on.

    An array of one in S000, an object now and then (PLATFORMS §1.3). a10 (S000): ids and statuses are strings.
    """
    answer = value_of(body)
    given = answer if isinstance(answer, list) else [answer]
    rows = tuple([_row(found) for found in given if isinstance(found, dict)])
    worst = max([whole_of(found["status"]) for found in rows], default=0)
    return rows, worst if worst >= 400 else 0


def _row(found: Mapping[str, object]) -> Row:
    row = {"key": "", "value": "", "status": "", "message": ""}
    for name, value in found.items():
        if (lower := name.lower()) in row:
            row[lower] = text_of(value)
    row["key"] = row["key"].lower()
    return row


def _worst(response: Response) -> int:
    """The worst status that a row names; 0 where none names one from 400 on."""
    return _said(response.body)[1]
