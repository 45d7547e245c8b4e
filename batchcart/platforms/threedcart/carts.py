"""Owns how 3dcart's operations on whole carts end, a lost create among them; it does not know items."""

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.http import History, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Succeeded
from batchcart.platforms.threedcart.responses import (
    cart_of,
    classify_error,
    missing,
    new_id,
    no_cart,
    refusal,
    same_key,
)
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.create_once import CreateStrategy
from batchcart.platforms.toolkit.http_status import last
from batchcart.platforms.toolkit.idempotent import (
    Hides,
    ReadStrategy,
    Shows,
    ShowsNot,
    Sight,
    WriteStrategy,
    see_fields,
    see_refusal,
)
from batchcart.platforms.toolkit.lenient_json import decode, json_text

_NO_LINES = lines.remember_all({}, {})


def _finish_create(operation: Operation, known: CartContext, past: History) -> Succeeded:
    key = new_id(last(past).response, "OrderKey")
    return Succeeded(cart_id=key, names={"OrderKey": key}, facts=_NO_LINES)


def _read(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return Succeeded(cart_id=known.cart_id, names=_names(known), body=json_text(last(past).response))


def _succeed(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return Succeeded(cart_id=known.cart_id, names=_names(known))


def _names(known: CartContext) -> dict[str, str]:
    return {"OrderKey": known.cart_id or ""}


def _says_done(operation: Operation, known: CartContext, response: Response) -> bool:
    key = new_id(response, "OrderKey")
    return bool(key) and same_key(key, known.cart_id or "")


def _look(operation: Operation, known: CartContext, write: Request) -> Request:
    return Request("GET", write.path)


def _sees_fields(operation: Operation, known: CartContext, past: History) -> Sight:
    """Whether the cart shows every field as it was sent."""
    response = last(past).response
    if refused := no_cart(response):
        return see_refusal(refused, missing=missing(response))
    return see_fields(decode(operation.data), cart_of(response, known.cart_id))


def _sees_gone(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if missing(response):
        return Shows()
    if cart_of(response, known.cart_id) is None:
        return Hides("a read does not tell whether the cart is there")
    return ShowsNot("the cart is still there")


_ROW = "a row with `Key` OrderKey, the cart's own key as its `Value`, and `Status` 200 or 201"

CREATING = CreateStrategy(
    classify_error,
    Evidence(
        "a row with `Key` OrderKey, a `Value`, and `Status` 200 or 201",
        lambda operation, known, response: new_id(response, "OrderKey"),
    ),
    refusal,
    _finish_create,
    # PLATFORMS §1.6: the key exists only in the answer, and no route finds a cart without it.
    "3dcart creates the OrderKey and has no route that finds a cart without it, so nobody can read back whether the "
    "cart exists",
)
READING = ReadStrategy(
    classify_error,
    Evidence(
        "an object with a field of a cart, or an array of one; `OrderKey`, where it is shown, is the one asked for",
        lambda operation, known, response: cart_of(response, known.cart_id),
    ),
    no_cart,
    _read,
)
UPDATING = WriteStrategy(
    classify_error,
    Evidence(_ROW, _says_done, "GET cart: every field that was sent, as it was sent"),
    refusal,
    _succeed,
    _look,
    _sees_fields,
    missing,
)
DELETING = WriteStrategy(
    classify_error,
    Evidence(_ROW, _says_done, "GET cart: 404 or an empty array"),
    refusal,
    _succeed,
    _look,
    _sees_gone,
    missing=missing,
    deletes=True,
)
