"""Owns how Shoplo's operations on one line and its discount end; it does not know whole carts."""

from collections.abc import Mapping
from typing import Any

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Facts, Reason, Refused, Step
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.carts import line_gone, look_at_line
from batchcart.platforms.shoplo.responses import line_of, missing, refusal
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import last, rejected
from batchcart.platforms.toolkit.idempotent import Deleting
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decoded, json_text, text_of


def read(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a get of one line."""
    response = last(past).response
    if refused := refusal(response):
        return refused
    line = line_of(response)
    if not line:
        return Refused(Reason.REJECTED, f"Shoplo has no line {requests.line_id(operation, known)}")
    return _done(operation, known, line, body=json_text(response.body))


def updated(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to an update.

    c5 (S004 §Update an existing Cart Item): asked for 3, answered 2. The quantity is absolute; where the answer differs
    the line is read once, and if it differs still the update was not applied.
    """
    exchange = last(past)
    if refused := refusal(exchange.response):
        return refused
    line = line_of(exchange.response)
    wanted = lines.amount(decoded(operation.data)["quantity"])
    if "quantity" not in line or lines.amount(line["quantity"]) == wanted:
        facts = lines.requantified(requests.line_id(operation, known), wanted, known.facts)
        return _done(operation, known, line, facts=facts)
    if exchange.request.writes:
        return requests.show_line(operation, known)
    held = text_of(line["quantity"]) or "something else"
    return rejected(exchange.response, f"not applied: the line still holds {held} and not {wanted}")


def discounted(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a set of a discount."""
    return refusal(last(past).response) or _done(operation, known, {})


def _deleted(operation: Operation, known: Known, past: Past) -> Done:
    return _done(operation, known, {}, facts=lines.forget(requests.line_id(operation, known)))


def _undiscounted(operation: Operation, known: Known, past: Past) -> Done:
    return _done(operation, known, {})


def _discount_gone(operation: Operation, known: Known, exchange: Exchange) -> bool:
    return missing(exchange.response)


def _done(
    operation: Operation, known: Known, line: Mapping[str, Any], *, body: bytes = b"", facts: Facts | None = None
) -> Done:
    # c14 (S004, delete and discount answers): they carry no id; the result names the line that was asked for.
    key = id_of(line.get("user_key")) or known.cart_id
    names = {"user_key": key} if key else {}
    return Done(cart_id=key, item_id=requests.line_id(operation, known), names=names, body=body, facts=facts or {})


DELETING = Deleting(refusal, line_gone, look_at_line, _deleted)
# No read of S004 shows a line's discount.
DISCOUNT_DELETING = Deleting(refusal, _discount_gone, lambda known, request: None, _undiscounted)
