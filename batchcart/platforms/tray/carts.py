"""Owns how Tray's operations end, and how a lost add is settled; it does not know routes or the forms of answers."""

from typing import Any

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.http import History, Request, Response
from batchcart.model.json_text import exact
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import CartFacts, Succeeded
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Added, AddStrategy, CartSeen, CartUnreadable, Look
from batchcart.platforms.toolkit.http_status import describe, last
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
from batchcart.platforms.toolkit.lenient_json import decode, json_text, object_of
from batchcart.platforms.tray import requests
from batchcart.platforms.tray.responses import (
    classify_error,
    confirm_write,
    first_row,
    line_id,
    lines_of,
    missing,
    names,
    product_of,
    read_printed_add,
    refusal,
    says_made,
    says_written,
    shows_cart,
)
from batchcart.platforms.tray.schema import KEY_LENGTH

_SESSION = "`session_id` of the cart, with `code` 200 or 201 where it has one, and no `causes`"


def _read(operation: Operation, known: CartContext, past: History) -> Succeeded:
    key = requests.session(known)
    return Succeeded(cart_id=key, names={"session_id": key}, body=json_text(last(past).response))


def _says_written(operation: Operation, known: CartContext, response: Response) -> dict[str, Any]:
    return confirm_write(response, requests.session(known))


def _says_updated(operation: Operation, known: CartContext, response: Response) -> bool:
    """What no read shows is taken from an answer without a session_id as well."""
    return bool(_says_written(operation, known, response)) or (_is_hidden(operation) and says_written(response))


def _is_hidden(operation: Operation) -> bool:
    """Whether a part of the update is in neither view of a cart: Shipping."""
    return "Shipping" in decode(operation.data)


def _look(operation: Operation, known: CartContext, write: Request) -> Request:
    return requests.look(operation, known)


def _look_unless_hidden(operation: Operation, known: CartContext, write: Request) -> Request | None:
    return None if _is_hidden(operation) else requests.look(operation, known)


def _sees_fields(operation: Operation, known: CartContext, past: History) -> Sight:
    """Whether the plain view shows each field as it was sent: every line of it repeats the cart's own."""
    response, key = last(past).response, requests.session(known)
    if refused := refusal(response):
        return see_refusal(refused, missing=missing(response))
    shown = first_row(response) if shows_cart(response, key) else None
    return see_fields(decode(operation.data), shown)


def _after_update(operation: Operation, known: CartContext, past: History) -> Succeeded:
    """An update may take the cart's lines away (PLATFORMS §2.5), so they are read before the next add."""
    return _succeed(known, last(past).response, lines.invalidate())


def _sees_gone(operation: Operation, known: CartContext, past: History) -> Sight:
    held = lines_of(last(past).response, requests.session(known))
    if held is None:
        return Hides("a read does not tell whether the cart is there")
    return ShowsNot("the cart still has lines") if held else Shows()


def _finish_delete(operation: Operation, known: CartContext, past: History) -> Succeeded:
    return _succeed(known, last(past).response, lines.remember_all({}, known.facts))


def _succeed(known: CartContext, response: Response, facts: CartFacts) -> Succeeded:
    key = requests.session(known)
    return Succeeded(cart_id=key, names=names(key, confirm_write(response, key)), facts=facts)


def _expected_line(operation: Operation) -> lines.Line:
    fields = exact(operation.data)
    return lines.Line(product_of(fields), lines.amount(fields["quantity"]))


def _view(operation: Operation, known: CartContext, look: Look) -> CartSeen | CartUnreadable:
    response = look.pages[-1].response
    held = lines_of(response, requests.session(known))
    if held is not None:
        return CartSeen(held)
    refused = refusal(response)
    return CartUnreadable(
        refused.message if refused else f"the shop answered {describe(response)}, which shows no lines"
    )


def _says_made(operation: Operation, known: CartContext, response: Response) -> Added | None:
    """b15 (S003 §Criar): `id` is called the cart's code, but the cart's key is session_id; `id` may be the line's."""
    key = requests.session(known)
    if printed := read_printed_add(response, key):
        return Added(key, *printed)
    answer = object_of(response)
    if "session_id" not in answer:
        answer = answer if says_made(response) else {}
    else:
        if operation.kind is OperationKind.CART_CREATE and known.cart_id is None:
            key = id_of(answer["session_id"], KEY_LENGTH) or key  # a shop may give a new cart a key of its own
        answer = confirm_write(response, key)
    return Added(key, id_of(answer.get("id")) or None, names(key, answer)) if answer else None


def _locate(operation: Operation, known: CartContext, key: str, response: Response) -> Added:
    found = requests.session(known)
    return Added(found, line_id(key, response), {"session_id": found})


READING = ReadStrategy(
    classify_error,
    Evidence(
        "`Cart`, one or several, each with `session_id`, `product_id` or `Products`, and of no other session; or an "
        "empty array",
        lambda operation, known, response: shows_cart(response, requests.session(known)),
    ),
    refusal,
    _read,
)
UPDATING = WriteStrategy(
    classify_error,
    Evidence(
        f"{_SESSION}; with Shipping, which no read shows, also `code` 200 or 201 and `message` without a `session_id`",
        _says_updated,
        "GET cart: every field that was sent, as it was sent; nothing shows Shipping",
    ),
    refusal,
    _after_update,
    _look_unless_hidden,
    _sees_fields,
    missing,
)
DELETING = WriteStrategy(
    classify_error,
    Evidence(_SESSION, _says_written, "GET cart: 404, or no lines"),
    refusal,
    _finish_delete,
    _look,
    _sees_gone,
    missing=missing,
    deletes=True,
)
ADDING = AddStrategy(
    classify_error=classify_error,
    evidence=Evidence(
        f"{_SESSION}, for a new cart also one that the shop chose itself, of at most {KEY_LENGTH} characters; or "
        "`code` 200 or 201 with `message` and `id`, without a `session_id`",
        _says_made,
        "GET cart: the product holds more by just that quantity than before",
    ),
    refusal=refusal,
    look=requests.look,
    view=_view,
    post=requests.add,
    expected_line=_expected_line,
    line_key=lambda wanted, item: wanted.product,
    located=_locate,
    detail=requests.look_closely,
)
