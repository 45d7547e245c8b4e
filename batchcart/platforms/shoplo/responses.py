"""Owns what a Shoplo shop's answers mean; it does not know routes.

- c7 (S004 §Create a Cart): a create is answered 200; any 2xx will do.
- c15 (S004 §Receive a list): the unit of price is not said; it is passed on as given.
"""

from typing import Annotated, Any

import msgspec

from batchcart.model.http import Exchange, Response
from batchcart.model.json_text import UNDECODABLE, Unreadable
from batchcart.model.outcome import AccountError, Failed, Unauthorized
from batchcart.platforms.toolkit.cart_lines import number
from batchcart.platforms.toolkit.http_status import classify_http, ok, reject
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import (
    json_text,
    object_of,
    readable,
    text_of,
    value_of,
    whole_of,
)

ERRORS = "`status` err, or `error` as a number, or `error` beside `error_msg`, with any HTTP status (PLATFORMS §3.3)"
"""The forms of an error below 500 that are taken for the platform's, in words."""

_REFUSED_CREDENTIALS = {"202": "is not authorised", "251": "has expired"}  # PLATFORMS §3.3
_MISSING, _TOO_MANY = 404, 429
_LONGEST_COUNT = 18  # digits

Row = dict[str, Any]

_Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class _PrintedLine(msgspec.Struct, forbid_unknown_fields=True):
    """S004 §Create a Cart, Response."""

    id: _Number
    user_key: _Text
    variant_id: _Number
    product_id: _Number = 0
    price: _Number = 0
    tax: _Number = 0
    quantity: _Number = 0
    weight: _Number = 0
    sku: _Text = ""
    require_shipping: _Number = 0
    created_at: _Text = ""
    expire_at: _Text = ""


class _PrintedCart(msgspec.Struct, forbid_unknown_fields=True):
    cart: _PrintedLine


_printed_cart = msgspec.json.Decoder(_PrintedCart).decode


def classify_error(exchange: Exchange) -> AccountError | None:
    """Whether the answer means that shop or credentials fail, or that it is not Shoplo's."""
    response = exchange.response
    code = text_of(object_of(response).get("error"))
    if code in _REFUSED_CREDENTIALS:
        return Unauthorized(f"Shoplo says that the token {_REFUSED_CREDENTIALS[code]} (error {code})", permanent=True)
    if response.status == 401:
        return Unauthorized("Shoplo refused the token (HTTP 401)", permanent=True)
    # Its codes are not HTTP's; that one of 429 is meant as HTTP means it is a guess.
    return classify_http(exchange, _is_documented, _TOO_MANY if _error(response) == _TOO_MANY else 0)


def refusal(response: Response) -> Failed | None:
    """Whether the shop said no, which it does with HTTP 200 and `status: err` (PLATFORMS §3.3)."""
    if ok(response) and not says_err(response):
        return None
    answer = object_of(response)
    said = text_of(answer.get("error_msg")) or "no reason given"
    code = text_of(answer.get("error")) or "not given"
    return reject(response, f"Shoplo said: {said} (error {code}, HTTP {response.status})" if says_err(response) else "")


def says_err(response: Response) -> bool:
    """Whether the body is Shoplo's form of an error; its code is a number or a text."""
    answer = object_of(response)
    error = text_of(answer.get("error"))
    return text_of(answer.get("status")).lower() == "err" or bool(
        error and (whole_of(answer["error"]) or "error_msg" in answer)
    )


def says_ok(response: Response) -> bool:
    """Whether the shop says that it did what it answers no object to: deletes and discounts."""
    return ok(response) and text_of(object_of(response).get("status")).lower() == "ok" and _is_clean(response)


def missing(response: Response) -> bool:
    """Whether the answer can only mean that there is no such line: 404 in HTTP or as the code, or `cart` null."""
    if says_err(response):
        return response.status == _MISSING or _error(response) == _MISSING
    answer = object_of(response)
    return ok(response) and "cart" in answer and answer["cart"] in (None, []) and _is_clean(response)


def read_printed_line(response: Response) -> tuple[str, str, str] | None:
    """Id, user_key and variant of the line in an answer that is just as S004 prints it, but for its comma too many.

    None: it is another, and is to be looked at closely. For this one that says the same in a fraction of the time.
    """
    if not ok(response):
        return None
    try:
        line = _printed_cart(response.body).cart
    except UNDECODABLE:
        return None
    return str(line.id), line.user_key, str(line.variant_id)


def line_of(response: Response) -> Row:
    """The line in the answer; an empty one where there is none."""
    line = object_of(response).get("cart")
    return line if isinstance(line, dict) and ok(response) and _is_clean(response) else {}


def rows(response: Response) -> list[Row] | None:
    """The lines of a list answer; None if it is no list of lines, each with its id, its cart and its variant."""
    found = object_of(response).get("carts")
    if not isinstance(found, list):
        return None
    named = [row for row in found if isinstance(row, dict) and names_itself(row)]
    return named if len(named) == len(found) else None


def raw_rows(response: Response) -> list[msgspec.Raw] | None:
    """The lines of a list answer as the shop wrote them; null means none (PLATFORMS §3.3), None that it is no list."""
    if not ok(response):
        return None
    answer = value_of(response)
    if (answer is None and readable(response)) or answer == []:
        return []
    if not isinstance(answer, dict) or "carts" not in answer or not _is_clean(response):
        return None
    try:
        fields = msgspec.json.decode(json_text(response), type=dict[str, msgspec.Raw])
        return msgspec.json.decode(fields["carts"], type=list[msgspec.Raw] | None) or []
    except (Unreadable, msgspec.ValidationError, RecursionError):
        return None


def count_of(response: Response) -> int | None:
    """The number that a count answers, written as a number or a text; None if it is no count."""
    text = text_of(object_of(response).get("count")) if ok(response) and _is_clean(response) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT else None


def names_itself(row: Row) -> bool:
    """Whether a row of a list says which line it is, whose, and of what."""
    return all((id_of(row.get("id")), text_of(row.get("user_key")), number(row.get("variant_id"))))


def _error(response: Response) -> int:
    return whole_of(object_of(response).get("error"))


def _is_clean(response: Response) -> bool:
    """Whether nothing in the answer says that something went wrong."""
    answer = object_of(response)
    return text_of(answer.get("status", "ok")).lower() == "ok" and not (answer.get("error") or answer.get("errors"))


def _is_documented(response: Response) -> bool:
    """Whether Shoplo says such a thing. Null says nothing, but an unknown server would say more."""
    if says_err(response):
        return True
    if not ok(response) or not readable(response):
        return False
    answer = value_of(response)
    if not isinstance(answer, dict):
        return answer is None or answer == []
    return _is_clean(response) and not {"status", "cart", "carts", "count"}.isdisjoint(answer)
