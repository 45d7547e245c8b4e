"""Owns how Tray's operations end, and how a lost add is settled; it does not know routes or the forms of answers."""

from typing import Any

from batchcart.model.adapter import Evidence, Known
from batchcart.model.http import Past, Request, Response
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import Done, Facts
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Look, Made, Seen, Untold
from batchcart.platforms.toolkit.http_status import described, last
from batchcart.platforms.toolkit.idempotent import Hides, Reading, Shows, ShowsNot, Sight, Writing, see_fields
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decoded, json_text, object_of
from batchcart.platforms.tray import requests
from batchcart.platforms.tray.responses import (
    first_row,
    line_id,
    lines_of,
    missing,
    names,
    product_of,
    refusal,
    says_made,
    says_written,
    shows_cart,
    trouble,
    written,
)

_SESSION = "`session_id` of the cart, with `code` 200 or 201 where it has one, and no `causes`"


def _read(operation: Operation, known: Known, past: Past) -> Done:
    key = requests.session(known)
    return Done(cart_id=key, names={"session_id": key}, body=json_text(last(past).response))


def _says_written(operation: Operation, known: Known, response: Response) -> dict[str, Any]:
    return written(response, requests.session(known))


def _says_updated(operation: Operation, known: Known, response: Response) -> bool:
    """What no read shows is taken from an answer without a session_id as well."""
    return bool(_says_written(operation, known, response)) or (_is_hidden(operation) and says_written(response))


def _is_hidden(operation: Operation) -> bool:
    """Whether a part of the update is in neither view of a cart: Shipping."""
    return "Shipping" in decoded(operation.data)


def _look(operation: Operation, known: Known, write: Request) -> Request:
    return requests.look(operation, known)


def _look_unless_hidden(operation: Operation, known: Known, write: Request) -> Request | None:
    return None if _is_hidden(operation) else requests.look(operation, known)


def _sees_fields(operation: Operation, known: Known, past: Past) -> Sight:
    """Whether the plain view shows each field as it was sent: every line of it repeats the cart's own."""
    response, key = last(past).response, requests.session(known)
    if refused := refusal(response):
        return refused if missing(response) else Hides(refused.message)
    shown = first_row(response) if shows_cart(response, key) else None
    return see_fields(decoded(operation.data), shown)


def _updated(operation: Operation, known: Known, past: Past) -> Done:
    """An update may take the cart's lines away (PLATFORMS §2.5), so they are read before the next add."""
    return _done(known, last(past).response, lines.distrust())


def _sees_gone(operation: Operation, known: Known, past: Past) -> Sight:
    held = lines_of(last(past).response, requests.session(known))
    if held is None:
        return Hides("a read does not tell whether the cart is there")
    return ShowsNot("the cart still has lines") if held else Shows()


def _deleted(operation: Operation, known: Known, past: Past) -> Done:
    return _done(known, last(past).response, lines.remember_all({}, known.facts))


def _done(known: Known, response: Response, facts: Facts) -> Done:
    key = requests.session(known)
    return Done(cart_id=key, names=names(key, written(response, key)), facts=facts)


def _wanted(operation: Operation) -> lines.Line:
    fields = decoded(operation.data)
    return lines.Line(product_of(fields), lines.amount(fields["quantity"]))


def _view(operation: Operation, known: Known, look: Look) -> Seen | Untold:
    response = look.pages[-1].response
    held = lines_of(response, requests.session(known))
    if held is not None:
        return Seen(held)
    refused = refusal(response)
    return Untold(refused.message if refused else f"the shop answered {described(response)}, which shows no lines")


def _says_made(operation: Operation, known: Known, response: Response) -> Made | None:
    """b15 (S003 §Criar): `id` is called the cart's code, but the cart's key is session_id; `id` may be the line's."""
    key = requests.session(known)
    if operation.kind is Kind.CART_CREATE and known.cart_id is None:  # a shop may give a new cart a key of its own
        key = id_of(object_of(response).get("session_id")) or key
    answer = written(response, key) or (object_of(response) if says_made(response) else {})
    return Made(key, id_of(answer.get("id")) or None, names(key, answer)) if answer else None


def _found(operation: Operation, known: Known, key: str, response: Response) -> Made:
    found = requests.session(known)
    return Made(found, line_id(key, response), {"session_id": found})


READING = Reading(
    trouble,
    Evidence(
        "`Cart`, one or several, each with `session_id`, `product_id` or `Products`, and of no other session; or an "
        "empty array",
        lambda operation, known, response: shows_cart(response, requests.session(known)),
    ),
    refusal,
    _read,
)
UPDATING = Writing(
    trouble,
    Evidence(
        f"{_SESSION}; with Shipping, which no read shows, also `code` 200 or 201 and `message` without a `session_id`",
        _says_updated,
        "GET cart: every field that was sent, as it was sent; nothing shows Shipping",
    ),
    refusal,
    _updated,
    _look_unless_hidden,
    _sees_fields,
    missing,
)
DELETING = Writing(
    trouble,
    Evidence(_SESSION, _says_written, "GET cart: 404, or no lines"),
    refusal,
    _deleted,
    _look,
    _sees_gone,
    missing=missing,
    deletes=True,
)
ADDING = Adding(
    trouble=trouble,
    evidence=Evidence(
        f"{_SESSION}; or `code` 200 or 201 with `message` and `id`, without a `session_id`",
        _says_made,
        "GET cart: the product holds more by just that quantity than before",
    ),
    refusal=refusal,
    look=requests.look,
    view=_view,
    post=requests.add,
    wanted=_wanted,
    line_key=lambda wanted, item: wanted.product,
    found=_found,
    detail=requests.look_closely,
)
