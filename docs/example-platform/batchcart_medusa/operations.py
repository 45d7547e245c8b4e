"""Owns how operations on Medusa carts end, and how a lost one is settled; it does not know the forms of answers."""

from decimal import Decimal

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.http import History, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import CartFacts, Succeeded
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Added, AddStrategy, CartGone, CartSeen, CartUnreadable, Look
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
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decode, json_text
from batchcart_medusa import requests
from batchcart_medusa.responses import cart_of, classify_error, is_deleted, lines_of, missing, refusal


def _finish_create(operation: Operation, known: CartContext, past: History) -> Succeeded:
    cart = cart_of(last(past).response) or {}
    return Succeeded(cart_id=id_of(cart["id"]), facts=lines.remember_all({}, {}))


def _read(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return Succeeded(cart_id=known.cart_id, body=json_text(last(past).response))


def _finish_update(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return Succeeded(cart_id=known.cart_id)


def _look(operation: Operation, known: CartContext, write: Request) -> Request:
    return requests.get_cart(operation, known)


def _says_fields(operation: Operation, known: CartContext, response: Response) -> bool:
    return see_fields(decode(operation.data), cart_of(response, known.cart_id)) == Shows()


def _sees_fields(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if refused := refusal(response):
        return see_refusal(refused, missing=missing(response))
    return see_fields(decode(operation.data), cart_of(response, known.cart_id))


def _quantity(operation: Operation) -> Decimal:
    return lines.amount(decode(operation.data)["quantity"])


def _says_quantity(operation: Operation, known: CartContext, response: Response) -> bool:
    line = (lines_of(response, known.cart_id) or {}).get(requests.item_id(operation, known))
    return line is not None and line.quantity == _quantity(operation)


def _sees_quantity(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if refused := refusal(response):
        return see_refusal(refused, missing=missing(response))
    held = lines_of(response, known.cart_id)
    if held is None:
        return Hides("a read of the cart does not show its lines")
    line = held.get(requests.item_id(operation, known))
    if line is None:
        return ShowsNot("the cart has no such line")
    wanted = _quantity(operation)
    return Shows() if line.quantity == wanted else ShowsNot(f"the line still holds {line.quantity} and not {wanted}")


def _sees_deleted(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if missing(response):
        return Shows()
    held = lines_of(response, known.cart_id)
    if held is None:
        return Hides("a read of the cart does not show its lines")
    return ShowsNot("the line is still there") if requests.item_id(operation, known) in held else Shows()


def _after_update(operation: Operation, known: CartContext, past: History) -> Succeeded:
    item_id = requests.item_id(operation, known)
    return _succeed(known, item_id, lines.set_quantity(item_id, _quantity(operation), known.facts))


def _after_delete(operation: Operation, known: CartContext, past: History) -> Succeeded:
    item_id = requests.item_id(operation, known)
    return _succeed(known, item_id, lines.remove(item_id))


def _succeed(known: CartContext, item_id: str, facts: CartFacts) -> Succeeded:
    return Succeeded(cart_id=known.cart_id, item_id=item_id, facts=facts)


def _expected_line(operation: Operation) -> lines.Line:
    return lines.Line(decode(operation.data)["variant_id"], _quantity(operation))


def _view(operation: Operation, known: CartContext, look: Look) -> CartSeen | CartUnreadable | CartGone:
    response = look.pages[-1].response
    if refused := refusal(response):
        return CartGone(refused) if missing(response) else CartUnreadable(refused.message)
    held = lines_of(response, known.cart_id)
    return CartUnreadable("the answer does not show the cart's lines") if held is None else CartSeen(held)


def _to_added(operation: Operation, known: CartContext, item_id: str, response: Response) -> Added:
    return Added(known.cart_id or "", item_id)


def _says_added(operation: Operation, known: CartContext, response: Response) -> Added | None:
    """The answer shows the whole cart. An equal variant goes into the line that is there, so one line tells it all."""
    wanted = _expected_line(operation)
    held = lines_of(response, known.cart_id) or {}
    same = [key for key, line in held.items() if line.product == wanted.product and line.quantity >= wanted.quantity]
    return _to_added(operation, known, same[0], response) if len(same) == 1 else None


CREATING = CreateStrategy(
    classify_error,
    Evidence("a `cart` with an `id`", lambda operation, known, response: cart_of(response)),
    refusal,
    _finish_create,
    "Medusa makes the id, and no route lists carts",
)
READING = ReadStrategy(
    classify_error,
    Evidence("a `cart` with the `id` asked for", lambda operation, known, response: cart_of(response, known.cart_id)),
    refusal,
    _read,
)
UPDATING = WriteStrategy(
    classify_error,
    Evidence("a `cart` with every field as it was sent", _says_fields, "GET cart: every field as it was sent"),
    refusal,
    _finish_update,
    _look,
    _sees_fields,
    missing,
)
QUANTIFYING = WriteStrategy(
    classify_error,
    Evidence("a `cart` whose line has the quantity that was sent", _says_quantity, "GET cart: the same"),
    refusal,
    _after_update,
    _look,
    _sees_quantity,
    missing,
)
DELETING = WriteStrategy(
    classify_error,
    Evidence(
        "the line's `id` and `deleted` true",
        lambda operation, known, response: is_deleted(response, requests.item_id(operation, known)),
        "GET cart: `items` without the line, or 404",
    ),
    refusal,
    _after_delete,
    _look,
    _sees_deleted,
    missing=missing,
    deletes=True,
)
ADDING = AddStrategy(
    classify_error=classify_error,
    evidence=Evidence(
        "a `cart` with one line of the variant, of at least that quantity",
        _says_added,
        "GET cart: one more line of that variant and quantity than before, or one that grew by it",
    ),
    refusal=refusal,
    look=requests.get_cart,
    view=_view,
    post=requests.add_item,
    expected_line=_expected_line,
    line_key=lambda wanted, item: item.item_id or "",
    located=_to_added,
)
