"""Owns how Tray's operations end, and how a lost add is settled; it does not know routes or the forms of answers."""

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Refused, Step
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Made, Pages, Seen, Untold
from batchcart.platforms.toolkit.http_status import described, last
from batchcart.platforms.toolkit.idempotent import Deleting
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decoded, json_text, object_of
from batchcart.platforms.tray import requests
from batchcart.platforms.tray.responses import line_id, lines_of, missing, names, product_of, refusal, trouble
from batchcart.platforms.tray.schema import KEY_LENGTH


def read(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a get."""
    response = last(past).response
    key = requests.session(known)
    return refusal(response) or Done(cart_id=key, names={"session_id": key}, body=json_text(response.body))


def updated(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to an update.

    b4 (S003 §Atualizar): an update is answered "Created" with code 201, and the sample lacks a comma; neither matters.
    """
    response = last(past).response
    key = requests.session(known)
    return refusal(response) or Done(cart_id=key, names=names(key, object_of(response.body)))


def _deleted(operation: Operation, known: Known, past: Past) -> Done:
    response = last(past).response
    key = requests.session(known)
    answer = {} if refusal(response) else object_of(response.body)
    return Done(cart_id=key, names=names(key, answer), facts=lines.remember_all({}, known.facts))


def _gone(operation: Operation, known: Known, exchange: Exchange) -> bool | None:
    if exchange.request.writes:
        return missing(exchange.response)
    held = lines_of(exchange.response)
    return None if held is None else not held


DELETING = Deleting(refusal, _gone, lambda known, request: Request("GET", request.path), _deleted)


def _wanted(operation: Operation) -> lines.Line:
    fields = decoded(operation.data)
    return lines.Line(product_of(fields), lines.amount(fields["quantity"]))


def _view(operation: Operation, known: Known, pages: Pages) -> Seen | Untold | Request | Refused:
    response = pages[-1].response
    held = lines_of(response)
    if held is not None:
        return Seen(held)
    return refusal(response) or Untold(f"the shop answered {described(response)}, which does not show its lines")


def _said(operation: Operation, known: Known, response: Response) -> Made | Refused | None:
    """b15 (S003 §Criar): `id` is called the cart's code, but the cart's key is session_id; `id` is the line's."""
    if refused := refusal(response):
        return refused
    answer = object_of(response.body)
    item_id = id_of(answer.get("id")) or None
    if item_id is None and not id_of(answer.get("session_id"), KEY_LENGTH):
        return None
    found = names(requests.session(known), answer)
    return Made(found["session_id"], item_id, found)


def _found(operation: Operation, known: Known, key: str, response: Response) -> Made:
    found = requests.session(known)
    return Made(found, line_id(key, response), {"session_id": found})


ADDING = Adding(
    trouble=trouble,
    look=requests.look,
    view=_view,
    post=requests.add,
    said=_said,
    wanted=_wanted,
    line_key=lambda wanted, item: wanted.product,
    found=_found,
    detail=requests.look_closely,
)
