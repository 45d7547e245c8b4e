"""Owns how Shoplo's operations on whole carts end, and how a lost add is settled; it does not know one line's fields.

c3 (S004 §Receive a list of all carts): "Returns all categories" are copied words, carts are meant.
"""

from itertools import takewhile

from batchcart.model.adapter import Evidence, Known
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Reason, Refused, Step
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.looking import look_at_line, see_line
from batchcart.platforms.shoplo.own_lines import Listed, listed
from batchcart.platforms.shoplo.responses import Row, line_of, missing, raw_rows, refusal, says_ok, trouble
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Look, Made, Pages, Seen, Untold
from batchcart.platforms.toolkit.http_status import last
from batchcart.platforms.toolkit.idempotent import Shows, ShowsNot, Sight, Writing
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decoded, object_of, text_of

_LIST = "`carts`, a list or null, on every page; one without a row is confirmed by the count"


def _says_lines(operation: Operation, known: Known, response: Response) -> bool:
    return refusal(response) is None and raw_rows(response) is not None


READ = Evidence(_LIST, _says_lines)


def read_all(operation: Operation, known: Known, past: Past) -> Step:
    """Read a list to its last page."""
    exchange = last(past)
    if not READ.says(operation, known, exchange.response) and (step := trouble(exchange)):
        return step
    pages = tuple(step for step in past if isinstance(step, Exchange))
    match listed(operation, known, pages, named=False):
        case Request() as more:
            return more
        case Untold(why):
            refused = refusal(exchange.response)
            return refused or Refused(
                Reason.PLATFORM, f"the cart cannot be read: {why}", excerpt(exchange.response.body)
            )
        case Listed(found):
            key = requests.user_key(known)
            return Done(cart_id=key, names={"user_key": key}, body=b'{"carts":[' + b",".join(found.values()) + b"]}")


def deleted(operation: Operation, known: Known, past: Past) -> Step:
    """List the cart to its last page, then delete its lines one by one."""
    if any(step.request.writes for step in past):
        match _deleting.interpret(operation, known, past):
            case Refused(reason, message, body) if (
                done := len({step.request for step in past if step.request.writes}) - 1
            ):
                return Refused(reason, f"{done} of the cart's lines were deleted, then {message}", body)
            case step:
                return step
    exchange = last(past)
    if not READ.says(operation, known, exchange.response) and (trouble_ := trouble(exchange)):
        return trouble_
    match listed(operation, known, _before_writes(past)):
        case Listed(found) if not found and not lines.looked_at(known.facts):
            return Refused(Reason.REJECTED, f"Shoplo has no line with user_key {requests.user_key(known)}")
        case Listed():
            return _next_delete(operation, known, past)
        case Untold(why):
            body = excerpt(exchange.response.body)
            return Refused(Reason.PLATFORM, f"nothing was deleted: the cart's lines cannot be told: {why}", body)
        case step:
            return step


def delete_lost(operation: Operation, known: Known, past: Past) -> Step:
    """What follows once the delete of a line got no answer."""
    return _deleting.recover(operation, known, past)


def _next_delete(operation: Operation, known: Known, past: Past) -> Step:
    tried = {step.request for step in past if step.request.writes}
    found = listed(operation, known, _before_writes(past))
    for line in found.rows if isinstance(found, Listed) else ():
        request = requests.delete_line_called(line)
        if request not in tried:
            return request
    key = requests.user_key(known)
    return Done(cart_id=key, names={"user_key": key}, facts=lines.remember_all({}, known.facts))


def _before_writes(past: Past) -> Pages:
    reads = takewhile(lambda step: not step.request.writes, past)
    return tuple(step for step in reads if isinstance(step, Exchange))


def sees_gone(operation: Operation, known: Known, past: Past) -> Sight:
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
_deleting = Writing(
    trouble, DELETED, refusal, _next_delete, look_at_line, sees_gone, missing=missing, deletes=True, always_looks=True
)


def _view(operation: Operation, known: Known, look: Look) -> Seen | Untold | Request:
    """The cart's lines, once all is read that it takes to know them."""
    match listed(operation, known, look.pages, surely=look.decides):
        case Listed(found):
            return Seen({key: _line(object_of(text)) for key, text in found.items()})
        case step:
            return step


def _line(fields: Row) -> lines.Line:
    return lines.Line(lines.number(fields["variant_id"]), lines.amount(fields.get("quantity")))


def _wanted(operation: Operation) -> lines.Line:
    return _line(decoded(operation.data))


def _says_made(operation: Operation, known: Known, response: Response) -> Made | None:
    """The line of this cart and variant that the answer names."""
    line = {} if refusal(response) else line_of(response)
    number = id_of(line.get("id"))
    wanted = _wanted(operation).product
    ours = text_of(line.get("user_key", requests.user_key(known))) == requests.user_key(known)
    same = lines.number(line.get("variant_id", wanted)) == wanted
    return _found(operation, known, number, response) if number and ours and same else None


def _found(operation: Operation, known: Known, line: str, response: Response) -> Made:
    key = requests.user_key(known)
    return Made(key, line, {"user_key": key})


ADDING = Adding(
    trouble=trouble,
    evidence=Evidence(
        "`cart` with an `id`; its `user_key` and `variant_id` are those that were sent",
        _says_made,
        "GET list, all pages: one more line of that variant and quantity than before, or one that grew by it",
    ),
    refusal=refusal,
    look=requests.first_page,
    view=_view,
    post=requests.add,
    wanted=_wanted,
    line_key=lambda wanted, line: line.item_id or "",
    found=_found,
)
