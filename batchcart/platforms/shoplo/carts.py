"""Owns how Shoplo's operations on whole carts end, page by page and line by line; it does not know one line's fields.

c3 (S004 §Receive a list of all carts): "Returns all categories" are copied words, carts are meant.
"""

from decimal import Decimal
from itertools import takewhile

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Reason, Refused, Step
from batchcart.platforms.shoplo import requests
from batchcart.platforms.shoplo.responses import Row, line_of, missing, raw_rows, refusal, rows, says_err, trouble
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Adding, Made, Pages, Seen, Untold
from batchcart.platforms.toolkit.http_status import described, last, not_there, ok, rejected
from batchcart.platforms.toolkit.idempotent import Deleting
from batchcart.platforms.toolkit.ids import id_of
from batchcart.platforms.toolkit.lenient_json import decoded, json_text, object_of, text_of

_MOST_PAGES = 200
"""A list that goes on for longer has no end: no shopper's cart holds 10,000 lines."""


def read_all(operation: Operation, known: Known, past: Past) -> Step:
    """Read a list to its last page."""
    if refused := refusal(last(past).response):
        return refused
    pages = tuple(step for step in past if isinstance(step, Exchange))
    if raw_rows(pages[-1].response) is None:
        return rejected(pages[-1].response, "Shoplo's answer is not a list of carts")
    match _next_page(operation, known, pages):
        case Request() as more:
            return more
        case Untold(why):
            return rejected(pages[-1].response, why)
        case None:
            key = requests.user_key(known)
            return Done(cart_id=key, names={"user_key": key}, body=_joined(key, pages))


def read_once(operation: Operation, known: Known, past: Past) -> Step:
    """Read the one page, or the count, that the job asked for."""
    response = last(past).response
    return refusal(response) or Done(body=json_text(response.body))


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
    match _view(operation, known, _listed(past)):
        case Seen(held) if not held and not lines.looked_at(known.facts):
            return Refused(Reason.REJECTED, f"Shoplo has no line with user_key {requests.user_key(known)}")
        case Seen():
            return _next_delete(operation, known, past)
        case Untold(why):
            return rejected(last(past).response, f"the cart's lines cannot be told: {why}")
        case step:
            return step


def _next_delete(operation: Operation, known: Known, past: Past) -> Step:
    tried = {step.request for step in past if step.request.writes}
    for line in _own(known, _listed(past)) or {}:
        request = requests.delete_line_called(line)
        if request not in tried:
            return request
    key = requests.user_key(known)
    return Done(cart_id=key, names={"user_key": key}, facts=lines.remember_all({}, known.facts))


def line_gone(operation: Operation, known: Known, exchange: Exchange) -> bool | None:
    """Whether the answer means that there is no such line.

    What the shop says of a line that is gone is not documented (PLATFORMS §3.6). An error in answer to the delete may
    have other reasons; in answer to a read of the line it is taken to mean just that.
    """
    response = exchange.response
    if missing(response):
        return True
    if exchange.request.writes or not ok(response):
        return None
    return says_err(response) or not line_of(response)


def look_at_line(known: Known, request: Request) -> Request:
    """The read that shows whether the line which ``request`` deletes is still there."""
    return Request("GET", request.path)


_deleting = Deleting(refusal, line_gone, look_at_line, _next_delete, always_look=True)


def _listed(past: Past) -> Pages:
    reads = takewhile(lambda step: not step.request.writes, past)
    return tuple(step for step in reads if isinstance(step, Exchange))


def _view(operation: Operation, known: Known, pages: Pages) -> Seen | Untold | Request | Refused:
    """The cart's lines, once its last page is there.

    c2 (S004 §Receive a list): the filter user_key is called a product id there and a user key for the count; so each
    row's own user_key is looked at.
    """
    response = pages[-1].response
    if refused := refusal(response):
        return Untold(refused.message) if not_there(response) else refused
    own = _own(known, pages)
    if own is None:
        return Untold(
            f"the shop answered {described(response)}, which is no list of lines with id, user_key and variant_id"
        )
    if step := _next_page(operation, known, pages):
        return step
    return Seen({key: lines.Line(lines.number(row.get("variant_id")), _quantity(row)) for key, row in own.items()})


def _own(known: Known, pages: Pages) -> dict[str, Row] | None:
    own: dict[str, Row] = {}
    for page in pages:
        found = rows(page.response)
        if found is None:
            return None
        mine = (row for row in found if text_of(row["user_key"]) == requests.user_key(known))
        own.update((id_of(row["id"]), row) for row in mine)
    return None if "" in own else own


def _next_page(operation: Operation, known: Known, pages: Pages) -> Request | Untold | None:
    """The next page to ask for; None once a page came short, or brought nothing that was not there already."""
    found = [{bytes(raw) for raw in raw_rows(page.response) or []} for page in pages]
    if len(raw_rows(pages[-1].response) or []) < requests.PAGE or found[-1] <= set().union(*found[:-1]):
        return None
    if len(pages) >= _MOST_PAGES:
        return Untold(f"the list does not end: {len(pages)} full pages")
    return requests.page(operation, known, len(pages) + 1)


def _joined(key: str, pages: Pages) -> bytes:
    """All rows as one list, as the shop wrote them; rows that name another cart are left out (c2)."""
    kept: dict[str, bytes] = {}
    for page in pages:
        for raw in raw_rows(page.response) or []:
            row = object_of(bytes(raw))
            if text_of(row.get("user_key", key)) == key:
                kept.setdefault(text_of(row.get("id")) or f"row {len(kept)}", bytes(raw))
    return b'{"carts":[' + b",".join(kept.values()) + b"]}"


def _quantity(fields: Row) -> Decimal:
    return lines.amount(fields.get("quantity"))


def _wanted(operation: Operation) -> lines.Line:
    fields = decoded(operation.data)
    return lines.Line(lines.number(fields["variant_id"]), _quantity(fields))


def _said(operation: Operation, known: Known, response: Response) -> Made | Refused | None:
    line = id_of(line_of(response).get("id"))
    return refusal(response) or (_found(operation, known, line, response) if line else None)


def _found(operation: Operation, known: Known, line: str, response: Response) -> Made:
    key = requests.user_key(known)
    return Made(key, line, {"user_key": key})


ADDING = Adding(
    trouble=trouble,
    look=requests.first_page,
    view=_view,
    post=requests.add,
    said=_said,
    wanted=_wanted,
    line_key=lambda wanted, line: line.item_id or "",
    found=_found,
)
