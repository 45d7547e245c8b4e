"""Owns how Shoplo's operations on whole carts end, and how a lost add is settled; it does not know one line's fields.

c3 (S004 §Receive a list of all carts): "Returns all categories" are copied words, carts are meant.
"""

from itertools import takewhile

from batchcart.model.adapter import CartContext, Evidence
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.model.json_text import exact
from batchcart.model.operation import Operation
from batchcart.model.outcome import ErrorKind, Failed, Step, Succeeded
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.line_lookup import look_at_line, see_line
from batchcart.platforms.shoplo.own_lines import OwnLines, list_lines
from batchcart.platforms.shoplo.responses import (
    Row,
    classify_error,
    line_of,
    missing,
    raw_rows,
    read_printed_line,
    refusal,
    says_ok,
)
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Added, AddStrategy, CartSeen, CartUnreadable, Look, Pages
from batchcart.platforms.toolkit.http_status import last
from batchcart.platforms.toolkit.idempotent import Shows, ShowsNot, Sight, WriteStrategy
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import object_of, text_of

_LIST = "`carts`, a list or null, on every page; one without a row is confirmed by the count"


def _says_lines(operation: Operation, known: CartContext, response: Response) -> bool:
    return refusal(response) is None and raw_rows(response) is not None


READ = Evidence(_LIST, _says_lines)


def interpret_pages(operation: Operation, known: CartContext, past: History) -> Step:
    """Read a list to its last page."""
    exchange = last(past)
    if not READ.says(operation, known, exchange.response) and (step := classify_error(exchange)):
        return step
    pages = tuple(step for step in past if isinstance(step, Exchange))
    match list_lines(operation, known, pages, named=False):
        case Request() as more:
            return more
        case CartUnreadable(why):
            refused = refusal(exchange.response)
            return refused or Failed(
                ErrorKind.PLATFORM, f"the cart cannot be read: {why}", excerpt(exchange.response.body)
            )
        case OwnLines(found):
            key = requests.user_key(known)
            return Succeeded(
                cart_id=key, names={"user_key": key}, body=b'{"carts":[' + b",".join(found.values()) + b"]}"
            )


def interpret_delete(operation: Operation, known: CartContext, past: History) -> Step:
    """List the cart to its last page, then delete its lines one by one, with those that this run knows to be in it.

    A list may not show yet what was added a moment ago.
    """
    if any(step.request.writes for step in past):
        match _deleting.interpret(operation, known, past):
            case Failed(reason, message, body) if (
                done := len({step.request for step in past if step.request.writes}) - 1
            ):
                return Failed(reason, f"{done} of the cart's lines were deleted, then {message}", body)
            case step:
                return step
    exchange = last(past)
    if not READ.says(operation, known, exchange.response) and (error := classify_error(exchange)):
        return error
    match list_lines(operation, known, _before_writes(past)):
        case OwnLines(found) if not found and not lines.was_read(known.facts):
            return Failed(ErrorKind.REJECTED, f"Shoplo has no line with user_key {requests.user_key(known)}")
        case OwnLines():
            return _next_delete(operation, known, past)
        case CartUnreadable(why):
            body = excerpt(exchange.response.body)
            return Failed(ErrorKind.PLATFORM, f"nothing was deleted: the cart's lines cannot be told: {why}", body)
        case step:
            return step


def delete_lost(operation: Operation, known: CartContext, past: History) -> Step:
    """What follows once the delete of a line got no answer."""
    return _deleting.recover(operation, known, past)


def _next_delete(operation: Operation, known: CartContext, past: History) -> Step:
    tried = {step.request for step in past if step.request.writes}
    found = list_lines(operation, known, _before_writes(past))
    listed = found.rows if isinstance(found, OwnLines) else {}
    remembered = [key for key, line in lines.parse_facts(known.facts).items() if line is not None]
    for line in dict.fromkeys([*listed, *remembered]):
        request = requests.delete_line_by_id(line)
        if request not in tried:
            return request
    key = requests.user_key(known)
    return Succeeded(cart_id=key, names={"user_key": key}, facts=lines.remember_all({}, known.facts))


def _before_writes(past: History) -> Pages:
    reads = takewhile(lambda step: not step.request.writes, past)
    return tuple(step for step in reads if isinstance(step, Exchange))


def sees_gone(operation: Operation, known: CartContext, past: History) -> Sight:
    """Whether the line that was deleted is not there any more."""
    match see_line(operation, known, past):
        case dict() as row:
            return ShowsNot("the line is still there") if row else Shows()
        case step:
            return step


_OK = "`status` ok"
DELETED = Evidence(
    f"{_OK}, for each line",
    lambda operation, known, response: says_ok(response),
    "the cart's list, all pages, without the line",
)
_deleting = WriteStrategy(
    classify_error,
    DELETED,
    refusal,
    _next_delete,
    look_at_line,
    sees_gone,
    missing=missing,
    deletes=True,
    always_looks=True,
)


def _view(operation: Operation, known: CartContext, look: Look) -> CartSeen | CartUnreadable | Request:
    """The cart's lines, once all is read that it takes to know them."""
    match list_lines(operation, known, look.pages, surely=look.decides):
        case OwnLines(found):
            return CartSeen({key: _line(object_of(text)) for key, text in found.items()})
        case step:
            return step


def _line(fields: Row) -> lines.Line:
    return lines.Line(lines.number(fields["variant_id"]), lines.amount(fields.get("quantity")))


def _expected_line(operation: Operation) -> lines.Line:
    return _line(exact(operation.data))


def _says_made(operation: Operation, known: CartContext, response: Response) -> Added | None:
    """The line of this cart and variant that the answer names."""
    wanted = _expected_line(operation).product
    if printed := read_printed_line(response):
        number, key, product = printed
        same = key == requests.user_key(known) and product == wanted
        return _locate(operation, known, number, response) if same else None
    line = {} if refusal(response) else line_of(response)
    number = id_of(line.get("id"))
    ours = text_of(line.get("user_key", requests.user_key(known))) == requests.user_key(known)
    same = lines.number(line.get("variant_id", wanted)) == wanted
    return _locate(operation, known, number, response) if number and ours and same else None


def _locate(operation: Operation, known: CartContext, line: str, response: Response) -> Added:
    key = requests.user_key(known)
    return Added(key, line, {"user_key": key})


ADDING = AddStrategy(
    classify_error=classify_error,
    evidence=Evidence(
        "`cart` with an `id`; its `user_key` and `variant_id` are those that were sent",
        _says_made,
        "GET list, all pages: one more line of that variant and quantity than before, or one that grew by it",
    ),
    refusal=refusal,
    look=requests.first_page,
    view=_view,
    post=requests.add,
    expected_line=_expected_line,
    line_key=lambda wanted, line: line.item_id or "",
    located=_locate,
)
