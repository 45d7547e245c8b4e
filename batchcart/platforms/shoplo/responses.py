"""Owns what a Shoplo shop's answers mean; it does not know routes.

- c7 (S004 §Create a Cart): a create is answered 200; any 2xx will do.
- c15 (S004 §Receive a list): the unit of price is not said; it is passed on as given.
"""

from typing import Any

import msgspec

from batchcart.model.http import Exchange, Response
from batchcart.model.json_text import Unreadable
from batchcart.model.outcome import AccountTrouble, Denied, Refused
from batchcart.platforms.toolkit.cart_lines import number
from batchcart.platforms.toolkit.http_status import http_trouble, not_there, ok, rejected
from batchcart.platforms.toolkit.lenient_json import json_text, object_of, text_of, value_of

_REFUSED_CREDENTIALS = {"202": "is not authorised", "251": "has expired"}  # PLATFORMS §3.3

Row = dict[str, Any]


def trouble(exchange: Exchange) -> AccountTrouble | None:
    """Whether the answer means that shop or credentials fail."""
    response = exchange.response
    code = text_of(object_of(response.body).get("error"))
    if code in _REFUSED_CREDENTIALS:
        return Denied(f"Shoplo says that the token {_REFUSED_CREDENTIALS[code]} (error {code})", final=True)
    if response.status == 401:
        return Denied("Shoplo refused the token (HTTP 401)", final=True)
    return http_trouble(exchange)


def refusal(response: Response) -> Refused | None:
    """Whether the shop said no, which it does with HTTP 200 and `status: err` (PLATFORMS §3.3)."""
    if not ok(response) or says_err(response):
        answer = object_of(response.body)
        said = text_of(answer.get("error_msg")) or "no reason given"
        code = text_of(answer.get("error")) or "not given"
        return rejected(
            response, f"Shoplo said: {said} (error {code}, HTTP {response.status})" if says_err(response) else ""
        )
    return None


def says_err(response: Response) -> bool:
    """Whether the body is Shoplo's form of an error; its code is a number or a text."""
    answer = object_of(response.body)
    return text_of(answer.get("status")).lower() == "err" or bool(answer.get("error"))


def missing(response: Response) -> bool:
    """Whether the answer can only mean that there is no such line."""
    return not_there(response) or text_of(object_of(response.body).get("error")) == "404"


def line_of(response: Response) -> Row:
    """The line in the answer; an empty one where there is none."""
    line = object_of(response.body).get("cart")
    return line if isinstance(line, dict) else {}


def rows(response: Response) -> list[Row] | None:
    """The lines of a list answer; None where it is no list of lines, each with its id, its cart and its variant."""
    found = object_of(response.body).get("carts")
    if not isinstance(found, list):
        return None
    named = [row for row in found if isinstance(row, dict) and _names_itself(row)]
    return named if len(named) == len(found) else None


def _names_itself(row: Row) -> bool:
    return all((text_of(row.get("id")), text_of(row.get("user_key")), number(row.get("variant_id"))))


def raw_rows(response: Response) -> list[msgspec.Raw] | None:
    """The lines of a list answer as the shop wrote them; null means none (PLATFORMS §3.3), None that it is no list."""
    answer = value_of(response.body)
    if answer is None or answer == []:
        return []
    try:
        fields = msgspec.json.decode(json_text(response.body), type=dict[str, msgspec.Raw])
        return msgspec.json.decode(fields.get("carts", b"0"), type=list[msgspec.Raw] | None) or []
    except (Unreadable, msgspec.ValidationError, RecursionError):
        return None
