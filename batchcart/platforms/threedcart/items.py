"""Owns how 3dcart's operations on items end, and how a lost add is settled; it does not know whole carts' fields."""

from decimal import Decimal

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Facts, Refused, Step
from batchcart.platforms.threedcart import requests
from batchcart.platforms.threedcart.responses import items_of, made, refusal, trouble, unnamed
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Made, Pages, Seen, Untold
from batchcart.platforms.toolkit.http_status import last, not_there, ok
from batchcart.platforms.toolkit.idempotent import Deleting
from batchcart.platforms.toolkit.lenient_json import decoded


def updated(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to an update; the quantity is absolute."""
    exchange = last(past)
    if step := refusal(exchange.response) or unnamed(exchange):
        return step
    item_id = requests.item_id(operation, known)
    return _done(operation, known, lines.requantified(item_id, _quantity(operation), known.facts))


def deleted(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a delete."""
    exchange = last(past)
    if exchange.request.writes and refusal(exchange.response) is None and (failing := unnamed(exchange)):
        return failing
    return _deleting.interpret(operation, known, past)


def _gone(operation: Operation, known: Known, exchange: Exchange) -> bool | None:
    if not_there(exchange.response):
        return True
    items = None if exchange.request.writes else items_of(exchange.response)
    return None if items is None else requests.item_id(operation, known) not in items


def _deleted(operation: Operation, known: Known, past: Past) -> Done:
    return _done(operation, known, lines.forget(requests.item_id(operation, known)))


def _done(operation: Operation, known: Known, facts: Facts) -> Done:
    item_id = requests.item_id(operation, known)
    return Done(cart_id=known.cart_id, item_id=item_id, names=_names(known, item_id), facts=facts)


def _names(known: Known, item_id: str) -> dict[str, str]:
    return {"OrderKey": known.cart_id or "", "CartItemID": item_id}


_deleting = Deleting(
    refusal, _gone, lambda known, request: Request("GET", request.path.partition("/Item/")[0]), _deleted
)


def _quantity(operation: Operation) -> Decimal:
    return lines.amount(decoded(operation.data)["ItemQuantity"])


def _wanted(operation: Operation) -> lines.Line:
    return lines.Line(lines.number(decoded(operation.data)["CatalogID"]), _quantity(operation))


def _view(operation: Operation, known: Known, pages: Pages) -> Seen | Untold | Request | Refused:
    response = pages[-1].response
    if refused := refusal(response):
        return refused
    items = items_of(response) if ok(response) else None
    return Untold("the shop does not show the cart's items") if items is None else Seen(items)


def _made(operation: Operation, known: Known, item_id: str, response: Response) -> Made:
    return Made(known.cart_id or "", item_id, _names(known, item_id))


def _said(operation: Operation, known: Known, response: Response) -> Made | Refused | None:
    item_id = made(response, "CartItemID")
    return refusal(response) or (_made(operation, known, item_id, response) if item_id else None)


ADDING = Adding(
    trouble=trouble,
    look=requests.get_cart,
    view=_view,
    post=requests.add_item,
    said=_said,
    wanted=_wanted,
    line_key=lambda wanted, item: item.item_id or "",
    found=_made,
)
