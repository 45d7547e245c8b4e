"""Owns what a 3dcart shop's answers mean; it does not know routes.

a14 (S000, titles): "retrieve a Cart" above delete item, "carts (i.e. orders)" are slips of the pen.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from batchcart.model.http import Exchange, Response
from batchcart.model.json_text import UNDECODABLE
from batchcart.model.outcome import AccountError, Failed, Unauthorized
from batchcart.platforms.threedcart.schema import CartFields
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import classify_http, ok, reject
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import readable, text_of, value_of, whole_of


class _DocumentedRow(msgspec.Struct, forbid_unknown_fields=True):
    Key: str
    Value: str
    Status: str
    Message: str


_documented = msgspec.json.Decoder(tuple[_DocumentedRow]).decode
_DOCUMENTED = {"200", "201"}

Row = Mapping[str, str]
"""Key, Value, Status and Message of an answer to a write, names and Key in lower case."""

ERRORS = (
    "an empty body with HTTP 400, 401, 404 or 415, or with any HTTP status a row with `Key` and a `Status` of 400 and "
    "more (PLATFORMS §1.3)"
)
"""The forms of an error below 500 that are taken for the platform's, in words."""

_SAID_BY_STATUS = {400, 401, 404, 415}
_SUCCESS = {200, 201}
_SHOWN = {*CartFields.__struct_fields__, "OrderKey", "CheckoutURL", "CartItemList"}
"""Fields by which a cart is known. a7 (S000 §Retrieve a cart): none of them must be there; one of them must."""


def classify_error(exchange: Exchange) -> AccountError | None:
    """Whether the answer means that shop or credentials fail, or that it is not 3dcart's.

    a16 (S000, every "Responses and Errors"): 401 is wrong keys as well as a missing scope; neither mends itself.
    """
    said = _worst(exchange.response)
    if exchange.response.status == 401 or (ok(exchange.response) and said == 401):
        return Unauthorized(
            "3dcart refused the credentials (HTTP 401): the PrivateKey/Token/SecureURL combination is invalid, "
            "or the application lacks the right to read or write",
            permanent=True,
        )
    return classify_http(exchange, _is_documented, said)


def new_id(response: Response, key: str) -> str:
    """The id under ``key`` that the answer says was made or changed; "" if it does not say so.

    a4 (S000 §Retrieve a cart): success is 201 in one table and 200 in another; any 2xx is, in HTTP and in Status.
    a8 (S000 §Delete a cart item): CartItemId there, CartItemID elsewhere; compared without regard to case.
    """
    made, found = response.once(_parse_new_id)
    return found if made == key.lower() else ""


def refusal(response: Response) -> Failed | None:
    """Whether the shop said no.

    a5 (S000 §Delete a cart): "201" in the body, 200 in the table; the body's Status fails a call only from 400 on.
    """
    if ok(response) and _worst(response) < 400:
        return None
    rows = _rows(response)
    bad = next((found for found in rows if whole_of(found["status"]) >= 400), rows[0] if rows else None)
    if bad is not None and (bad["message"] or bad["status"]):
        return reject(response, f"3dcart said: {bad['message'] or bad['status']} (HTTP {response.status})")
    # a13 (S000, create and delete item list no 404): 404 means everywhere that cart or item is gone.
    return reject(response, "3dcart has no such cart or item (HTTP 404)" if missing(response) else "")


def missing(response: Response) -> bool:
    """Whether the shop says that there is no such cart or item: in HTTP, in a row, or by an empty array (a6)."""
    if ok(response):
        return _worst(response) == 404 or value_of(response) == []
    return response.status == 404 and _is_documented(response)


def no_cart(response: Response) -> Failed | None:
    """Whether an answer to a read is a refusal, or says that there is no such cart."""
    refused = refusal(response)
    return refused or (reject(response, "3dcart shows no such cart") if missing(response) else None)


def cart_of(response: Response, key: str | None = None) -> dict[str, Any] | None:
    """The cart in the answer; None if it shows none, or names another than ``key``.

    a6 (S000 §Retrieve a cart): an object there, an array of one in practice.
    """
    answer = value_of(response) if ok(response) else None
    if isinstance(answer, list):
        answer = answer[0] if len(answer) == 1 else None
    if not isinstance(answer, dict) or _SHOWN.isdisjoint(answer):
        return None
    return answer if key is None or same_key(text_of(answer.get("OrderKey", key)), key) else None


def same_key(one: str, other: str) -> bool:
    """Whether two texts are one OrderKey: a shop may find a cart by a key written in other letters."""
    return one.casefold() == other.casefold()


def items_of(response: Response, key: str | None = None) -> lines.Lines | None:
    """The items of the cart, of that ``key`` where it is given, by CartItemID; None if the answer shows none.

    a7 (S000 §Retrieve a cart): the sample shows no items, no OrderKey and no CheckoutURL; shops send CartItemList
    (PLATFORMS §1.5).
    """
    cart = cart_of(response, key)
    rows = cart.get("CartItemList") if cart is not None else None
    if not isinstance(rows, list):
        return None
    items = {}
    for item in rows:
        item_id = item_key(item) if isinstance(item, dict) else ""
        if not item_id or item_id in items or not lines.number(item.get("CatalogID")):
            return None
        items[item_id] = lines.Line(lines.number(item["CatalogID"]), lines.amount(item.get("ItemQuantity")))
    return items


def item_key(item: Mapping[str, Any]) -> str:
    """The id of an item of CartItemList; "" if it has none. a8: CartItemID or CartItemId."""
    return id_of(item.get("CartItemID", item.get("CartItemId")))


def _is_documented(response: Response) -> bool:
    """Whether 3dcart says such a thing. Null says nothing, but an unknown server would say more."""
    if not response.body.strip():
        return response.status in _SAID_BY_STATUS
    answer = value_of(response)
    if not ok(response):  # an error whose row does not say so is nobody's
        return (response.status == 404 and answer == []) or _worst(response) > 0
    if answer is None:
        return readable(response)
    return answer == [] or bool(_rows(response)) or cart_of(response) is not None


def _parse_new_id(response: Response) -> tuple[str, str]:
    """The key of the only row, if all went well, and the id in it; "" where there is none."""
    rows = _rows(response) if ok(response) else ()
    if len(rows) != 1 or whole_of(rows[0]["status"]) not in _SUCCESS:
        return "", ""
    return rows[0]["key"], id_of(rows[0]["value"])


def _rows(response: Response) -> tuple[Row, ...]:
    return response.once(_parse_rows)[0]


def _parse_rows(response: Response) -> tuple[tuple[Row, ...], int]:
    """The answer's rows, and the worst status that one of them names; 0 where none names one from 400 on.

    A good answer that is just as documented is read by its type: that says the same in a fraction of the time.
    """
    try:
        (row,) = _documented(response.body)
    except UNDECODABLE:
        return _parse_leniently(response)
    if row.Status not in _DOCUMENTED:
        return _parse_leniently(response)
    return ({"key": row.Key.lower(), "value": row.Value, "status": row.Status, "message": row.Message},), 0


def _parse_leniently(response: Response) -> tuple[tuple[Row, ...], int]:
    """An array of one in S000, an object now and then (PLATFORMS §1.3). a10 (S000): ids and statuses are strings."""
    answer = value_of(response)
    given = answer if isinstance(answer, list) else [answer]
    rows = tuple([row for found in given if isinstance(found, dict) and (row := _row(found)) is not None])
    worst = max([whole_of(found["status"]) for found in rows], default=0)
    return rows, worst if worst >= 400 else 0


def _row(found: Mapping[str, object]) -> Row | None:
    """The object as a row; None if it is none."""
    row = {name.lower(): text_of(value) for name, value in found.items()}
    if "key" not in row or ("status" not in row and "message" not in row):
        return None
    return {name: row.get(name, "") for name in ("value", "status", "message")} | {"key": row["key"].lower()}


def _worst(response: Response) -> int:
    """The worst status that a row names; 0 where none names one from 400 on."""
    return response.once(_parse_rows)[1]
