"""Owns how 3dcart's operations on items end, and how a lost add is settled; it does not know whole carts' fields."""

from decimal import Decimal

from batchcart.model.adapter import Evidence, Known
from batchcart.model.http import Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Facts
from batchcart.platforms.threedcart import requests
from batchcart.platforms.threedcart.responses import items_of, made, missing, no_cart, refusal, trouble
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Gone, Look, Made, Seen, Untold
from batchcart.platforms.toolkit.http_status import last
from batchcart.platforms.toolkit.idempotent import Hides, Shows, ShowsNot, Sight, Writing
from batchcart.platforms.toolkit.lenient_json import decoded

_HIDDEN = "a read of the cart does not show its items"


def _says_done(operation: Operation, known: Known, response: Response) -> bool:
    item_id = made(response, "CartItemID")
    return bool(item_id) and lines.same_id(item_id, requests.item_id(operation, known))


def _look(operation: Operation, known: Known, write: Request) -> Request:
    return Request("GET", write.path.partition("/Item/")[0])


def _sees_quantity(operation: Operation, known: Known, past: Past) -> Sight:
    response = last(past).response
    if refused := no_cart(response):
        return refused if missing(response) else Hides(refused.message)
    items = items_of(response, known.cart_id)
    if items is None:
        return Hides(_HIDDEN)
    held = [item.quantity for key, item in items.items() if lines.same_id(key, requests.item_id(operation, known))]
    if not held:
        return ShowsNot("the cart has no such item")
    wanted = _quantity(operation)
    return Shows() if held == [wanted] else ShowsNot(f"the item still holds {held[0]} and not {wanted}")


def _sees_gone(operation: Operation, known: Known, past: Past) -> Sight:
    response = last(past).response
    if missing(response):
        return Shows()
    items = items_of(response, known.cart_id)
    if items is None:
        return Hides(_HIDDEN)
    there = any(lines.same_id(key, requests.item_id(operation, known)) for key in items)
    return ShowsNot("the item is still there") if there else Shows()


def _updated(operation: Operation, known: Known, past: Past) -> Done:
    item_id = requests.item_id(operation, known)
    return _done(known, item_id, lines.requantified(item_id, _quantity(operation), known.facts))


def _deleted(operation: Operation, known: Known, past: Past) -> Done:
    item_id = requests.item_id(operation, known)
    return _done(known, item_id, lines.forget(item_id))


def _done(known: Known, item_id: str, facts: Facts) -> Done:
    return Done(cart_id=known.cart_id, item_id=item_id, names=_names(known, item_id), facts=facts)


def _names(known: Known, item_id: str) -> dict[str, str]:
    return {"OrderKey": known.cart_id or "", "CartItemID": item_id}


def _quantity(operation: Operation) -> Decimal:
    return lines.amount(decoded(operation.data)["ItemQuantity"])


def _wanted(operation: Operation) -> lines.Line:
    return lines.Line(lines.number(decoded(operation.data)["CatalogID"]), _quantity(operation))


def _view(operation: Operation, known: Known, look: Look) -> Seen | Untold | Gone:
    response = look.pages[-1].response
    if refused := no_cart(response):
        return Gone(refused) if missing(response) else Untold(refused.message)
    items = items_of(response, known.cart_id)
    return Untold("the shop does not show the cart's items") if items is None else Seen(items)


def _made(operation: Operation, known: Known, item_id: str, response: Response) -> Made:
    return Made(known.cart_id or "", item_id, _names(known, item_id))


def _says_made(operation: Operation, known: Known, response: Response) -> Made | None:
    item_id = made(response, "CartItemID")
    return _made(operation, known, item_id, response) if item_id else None


_ROW = "a row with `Key` CartItemID, the item's own id as its `Value`, and `Status` 200 or 201"

UPDATING = Writing(
    trouble,
    Evidence(_ROW, _says_done, "GET cart: the item in `CartItemList`, with the quantity that was sent"),
    refusal,
    _updated,
    _look,
    _sees_quantity,
    missing,
)
DELETING = Writing(
    trouble,
    Evidence(_ROW, _says_done, "GET cart: a `CartItemList` without the item, or 404"),
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
        "a row with `Key` CartItemID, a `Value`, and `Status` 200 or 201",
        _says_made,
        "GET cart: `CartItemList` has one more line of that product and quantity than before, or one that grew by it",
    ),
    refusal=refusal,
    look=requests.get_cart,
    view=_view,
    post=requests.add_item,
    wanted=_wanted,
    line_key=lambda wanted, item: item.item_id or "",
    found=_made,
)
