"""Owns how 3dcart's operations on items end, and how a lost add is settled; it does not know whole carts' fields."""

from decimal import Decimal

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.http import History, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import CartFacts, Succeeded
from batchcart.platforms.threedcart import requests
from batchcart.platforms.threedcart.responses import classify_error, items_of, missing, new_id, no_cart, refusal
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Added, AddStrategy, CartGone, CartSeen, CartUnreadable, Look
from batchcart.platforms.toolkit.http_status import last
from batchcart.platforms.toolkit.idempotent import Hides, Shows, ShowsNot, Sight, WriteStrategy, see_refusal
from batchcart.platforms.toolkit.lenient_json import decode

_HIDDEN = "a read of the cart does not show its items"


def _says_done(operation: Operation, known: CartContext, response: Response) -> bool:
    item_id = new_id(response, "CartItemID")
    return bool(item_id) and lines.same_id(item_id, requests.item_id(operation, known))


def _look(operation: Operation, known: CartContext, write: Request) -> Request:
    return Request("GET", write.path.partition("/Item/")[0])


def _sees_quantity(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if refused := no_cart(response):
        return see_refusal(refused, missing=missing(response))
    items = items_of(response, known.cart_id)
    if items is None:
        return Hides(_HIDDEN)
    held = [item.quantity for key, item in items.items() if lines.same_id(key, requests.item_id(operation, known))]
    if not held:
        return ShowsNot("the cart has no such item")
    wanted = _quantity(operation)
    return Shows() if held == [wanted] else ShowsNot(f"the item still holds {held[0]} and not {wanted}")


def _sees_gone(operation: Operation, known: CartContext, past: History) -> Sight:
    response = last(past).response
    if missing(response):
        return Shows()
    items = items_of(response, known.cart_id)
    if items is None:
        return Hides(_HIDDEN)
    there = any(lines.same_id(key, requests.item_id(operation, known)) for key in items)
    return ShowsNot("the item is still there") if there else Shows()


def _after_update(operation: Operation, known: CartContext, past: History) -> Succeeded:
    item_id = requests.item_id(operation, known)
    return _succeed(known, item_id, lines.set_quantity(item_id, _quantity(operation), known.facts))


def _finish_delete(operation: Operation, known: CartContext, past: History) -> Succeeded:
    item_id = requests.item_id(operation, known)
    return _succeed(known, item_id, lines.remove(item_id))


def _succeed(known: CartContext, item_id: str, facts: CartFacts) -> Succeeded:
    return Succeeded(cart_id=known.cart_id, item_id=item_id, names=_names(known, item_id), facts=facts)


def _names(known: CartContext, item_id: str) -> dict[str, str]:
    return {"OrderKey": known.cart_id or "", "CartItemID": item_id}


def _quantity(operation: Operation) -> Decimal:
    return lines.amount(decode(operation.data)["ItemQuantity"])


def _expected_line(operation: Operation) -> lines.Line:
    return lines.Line(lines.number(decode(operation.data)["CatalogID"]), _quantity(operation))


def _view(operation: Operation, known: CartContext, look: Look) -> CartSeen | CartUnreadable | CartGone:
    response = look.pages[-1].response
    if refused := no_cart(response):
        return CartGone(refused) if missing(response) else CartUnreadable(refused.message)
    items = items_of(response, known.cart_id)
    return CartUnreadable("the shop does not show the cart's items") if items is None else CartSeen(items)


def _to_added(operation: Operation, known: CartContext, item_id: str, response: Response) -> Added:
    return Added(known.cart_id or "", item_id, _names(known, item_id))


def _says_made(operation: Operation, known: CartContext, response: Response) -> Added | None:
    item_id = new_id(response, "CartItemID")
    return _to_added(operation, known, item_id, response) if item_id else None


_ROW = "a row with `Key` CartItemID, the item's own id as its `Value`, and `Status` 200 or 201"

UPDATING = WriteStrategy(
    classify_error,
    Evidence(_ROW, _says_done, "GET cart: the item in `CartItemList`, with the quantity that was sent"),
    refusal,
    _after_update,
    _look,
    _sees_quantity,
    missing,
)
DELETING = WriteStrategy(
    classify_error,
    Evidence(_ROW, _says_done, "GET cart: a `CartItemList` without the item, or 404"),
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
        "a row with `Key` CartItemID, a `Value`, and `Status` 200 or 201",
        _says_made,
        "GET cart: `CartItemList` has one more line of that product and quantity than before, or one that grew by it",
    ),
    refusal=refusal,
    look=requests.get_cart,
    view=_view,
    post=requests.add_item,
    expected_line=_expected_line,
    line_key=lambda wanted, item: item.item_id or "",
    located=_to_added,
)
