"""Owns how Shoplo's operations on one line and its discount end, and its lists of the shop; it knows no whole carts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.http import History, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import CartFacts, ErrorKind, Failed, Succeeded
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.carts import sees_gone
from batchcart.platforms.shoplo.line_lookup import look_at_line, see_line
from batchcart.platforms.shoplo.responses import classify_error, count_of, line_of, missing, raw_rows, refusal, says_ok
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import last, reject
from batchcart.platforms.toolkit.idempotent import ReadStrategy, Shows, ShowsNot, Sight, WriteStrategy
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decode, json_text, text_of


def _is_asked_for(operation: Operation, known: CartContext, line: Mapping[str, Any]) -> bool:
    """Whether the answer is about the line that was asked about, which it need not name."""
    number, key = requests.line_id(operation, known), known.cart_id
    same = lines.same_id(text_of(line.get("id", number)), number)
    return bool(line) and same and (key is None or text_of(line.get("user_key", key)) == key)


def _says_line(operation: Operation, known: CartContext, response: Response) -> bool:
    return refusal(response) is None and _is_asked_for(operation, known, line_of(response))


def _says_updated(operation: Operation, known: CartContext, response: Response) -> bool:
    line = line_of(response)
    return "id" in line and _says_line(operation, known, response) and _quantity(line) == _expected_quantity(operation)


def _read(operation: Operation, known: CartContext, past: History) -> Succeeded:
    response = last(past).response
    return _succeed(operation, known, line_of(response), body=json_text(response))


def _no_line(response: Response) -> Failed | None:
    refused = refusal(response)
    return refused or (reject(response, "Shoplo answered no line: there is none") if missing(response) else None)


def _sees_quantity(operation: Operation, known: CartContext, past: History) -> Sight:
    """Whether the line holds what it was set to.

    c5 (S004 §Update an existing Cart Item): asked for 3, answered 2. The quantity is absolute; an answer that names
    another is no evidence, and the line is read.
    """
    match see_line(operation, known, past):
        case dict() as row if not row:
            return Failed(ErrorKind.REJECTED, f"Shoplo has no line {requests.line_id(operation, known)}")
        case dict() as row:
            held, wanted = _quantity(row), _expected_quantity(operation)
            words = text_of(row.get("quantity")) or "something else"
            return Shows() if held == wanted else ShowsNot(f"the line still holds {words} and not {wanted}")
        case step:
            return step


def _after_update(operation: Operation, known: CartContext, past: History) -> Succeeded:
    facts = lines.set_quantity(requests.line_id(operation, known), _expected_quantity(operation), known.facts)
    return _succeed(operation, known, line_of(last(past).response), facts=facts)


def _finish_delete(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return _succeed(operation, known, {}, facts=lines.remove(requests.line_id(operation, known)))


def _after_discount(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return _succeed(operation, known, {})


def _succeed(
    operation: Operation,
    known: CartContext,
    line: Mapping[str, Any],
    *,
    body: bytes = b"",
    facts: CartFacts | None = None,
) -> Succeeded:
    # c14 (S004, delete and discount answers): they carry no id; the result names the line that was asked for.
    key = id_of(line.get("user_key")) or known.cart_id
    names = {"user_key": key} if key else {}
    return Succeeded(cart_id=key, item_id=requests.line_id(operation, known), names=names, body=body, facts=facts or {})


def _after_list(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return Succeeded(body=json_text(last(past).response))


def _quantity(line: Mapping[str, Any]) -> Decimal:
    return lines.amount(line.get("quantity"))


def _expected_quantity(operation: Operation) -> Decimal:
    return _quantity(decode(operation.data))


_SAYS_OK = "`status` ok"
_GONE = "the cart's list, all pages, without the line; or for an `item_id` GET of the line: 404, or `cart` null"

READING = ReadStrategy(
    classify_error, Evidence("`cart`, an object; its `id` is the one asked for", _says_line), _no_line, _read
)
LISTING = ReadStrategy(
    classify_error,
    Evidence("`carts`, a list or null", lambda operation, known, response: raw_rows(response) is not None),
    refusal,
    _after_list,
)
COUNTING = ReadStrategy(
    classify_error,
    Evidence("`count`, a whole number", lambda operation, known, response: count_of(response) is not None),
    refusal,
    _after_list,
)
UPDATING = WriteStrategy(
    classify_error,
    Evidence(
        "`cart` with the line's own `id` and the `quantity` that was sent",
        _says_updated,
        "the cart's list, or for an `item_id` GET of the line: the quantity that was sent",
    ),
    refusal,
    _after_update,
    look_at_line,
    _sees_quantity,
    missing,
)
DELETING = WriteStrategy(
    classify_error,
    Evidence(
        _SAYS_OK,
        lambda operation, known, response: says_ok(response),
        _GONE,
    ),
    refusal,
    _finish_delete,
    look_at_line,
    sees_gone,
    missing=missing,
    deletes=True,
)
# No read of S004 shows a line's discount.
DISCOUNTING = WriteStrategy(
    classify_error, Evidence(_SAYS_OK, lambda operation, known, response: says_ok(response)), refusal, _after_discount
)
DISCOUNT_DELETING = WriteStrategy(
    classify_error,
    Evidence(_SAYS_OK, lambda operation, known, response: says_ok(response)),
    refusal,
    _after_discount,
    missing=missing,
    deletes=True,
)
