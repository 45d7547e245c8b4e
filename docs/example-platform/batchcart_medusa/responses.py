"""Owns what a Medusa backend's answers mean; it does not know routes."""

from typing import Any

import msgspec

from batchcart.model.adapter import CartReader, CartSnapshot
from batchcart.model.http import Exchange, Response
from batchcart.model.outcome import AccountError, Failed, Unauthorized
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import classify_http, ok, reject
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import object_of, text_of
from batchcart_medusa.schema import CartFields

ERRORS = "with HTTP 400 to 499 an object with a `type` and a `message`"
"""The forms of an error below 500 that are taken for the platform's, in words."""


def classify_error(exchange: Exchange) -> AccountError | None:
    """Whether the answer means that shop or key fail, or that it is not Medusa's.

    A missing or unknown publishable key is answered by 400 and type not_allowed, with the key's name in the message.
    """
    response = exchange.response
    answer = object_of(response)
    no_key = answer.get("type") == "not_allowed" and "publishable" in text_of(answer.get("message")).lower()
    if response.status == 401 or (response.status == 400 and no_key):
        return Unauthorized(f"medusa refused the publishable key (HTTP {response.status})", permanent=True)
    return classify_http(exchange, _is_documented)


def cart_of(response: Response, key: str | None = None) -> dict[str, Any] | None:
    """The cart in the answer; None where it shows none, or another than ``key``."""
    cart = object_of(response).get("cart") if ok(response) else None
    if not isinstance(cart, dict) or not id_of(cart.get("id")):
        return None
    return cart if key in {None, id_of(cart["id"])} else None


def lines_of(response: Response, key: str | None = None) -> lines.Lines | None:
    """The cart's lines by their ids; None where the answer does not show them."""
    rows = (cart_of(response, key) or {}).get("items")
    if not isinstance(rows, list):
        return None
    found = {}
    for row in rows:
        line_id = id_of(row.get("id")) if isinstance(row, dict) else ""
        variant = id_of(row.get("variant_id")) if isinstance(row, dict) else ""
        if not line_id or not variant or line_id in found:
            return None
        found[line_id] = lines.Line(variant, lines.amount(row.get("quantity")))
    return found


def is_deleted(response: Response, line_id: str) -> bool:
    """Whether the answer says that the line was taken out."""
    answer = object_of(response)
    return ok(response) and id_of(answer.get("id")) == line_id and answer.get("deleted") is True


def missing(response: Response) -> bool:
    """Whether there is no such cart or line."""
    return response.status == 404 and object_of(response).get("type") == "not_found"


def refusal(response: Response) -> Failed | None:
    """Whether the shop said no, and why."""
    if ok(response):
        return None
    return reject(response, f"medusa said: {text_of(object_of(response).get('message'))} (HTTP {response.status})")


def _is_documented(response: Response) -> bool:
    answer = object_of(response)
    if ok(response):
        return cart_of(response) is not None or "deleted" in answer
    return isinstance(answer.get("type"), str) and isinstance(answer.get("message"), str)


def _read_snapshot(body: bytes) -> CartSnapshot:
    response = Response(200, body)
    held, cart = lines_of(response), cart_of(response) or {}
    fields = {name: msgspec.json.encode(cart[name]) for name in CartFields.__struct_fields__ if name in cart}
    return CartSnapshot(None if held is None else {key: line.quantity for key, line in held.items()}, fields)


CART_READER = CartReader(_read_snapshot, missing)
