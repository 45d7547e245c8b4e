"""Owns how it is seen what became of one Shoplo line: by the list of its cart, else by a read of the line.

What a read of a line answers that is not there is not documented (PLATFORMS §3.6), so the list is asked where the line
is surely one of that cart. Where the job gave the line's id, which may be in any cart, the line is read, and only 404
is taken for "not there", in HTTP or as the code: other errors have other reasons.
"""

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, Request
from batchcart.model.operation import Operation
from batchcart.platforms.shoplo import own_lines, requests
from batchcart.platforms.shoplo.responses import Row, line_of, missing
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import CartUnreadable
from batchcart.platforms.toolkit.http_status import describe, last_write
from batchcart.platforms.toolkit.idempotent import Hides
from batchcart.platforms.toolkit.lenient_json import object_of, text_of


def look_at_line(operation: Operation, known: CartContext, write: Request) -> Request:
    """The read that shows what became of the line which ``write`` is about."""
    return requests.first_page(operation, known) if _is_of_cart(operation, known) else Request("GET", write.path)


def see_line(operation: Operation, known: CartContext, past: History) -> Row | Request | Hides:
    """The line as it is now, an empty one where it is not there, or what else to read."""
    number, looks = last_write(past).request.path.rpartition("/")[2], _looks(past)
    if not _is_of_cart(operation, known):
        return _see_alone(number, looks[-1])
    match own_lines.list_lines(operation, known, looks):
        case CartUnreadable(why):
            return Hides(why)
        case Request() as more:
            return more
        case found:
            rows = [text for key, text in found.rows.items() if lines.same_id(key, number)]
            return object_of(rows[0]) if rows else {}


def _is_of_cart(operation: Operation, known: CartContext) -> bool:
    """Whether the line came from the cart itself: listed there, or added there by this job."""
    return known.cart_id is not None and operation.item_id is None


def _see_alone(number: str, look: Exchange) -> Row | Hides:
    """The line that a read of it shows."""
    line = line_of(look.response)
    if missing(look.response):
        return {}
    if lines.same_id(text_of(line.get("id")), number):
        return line
    return Hides(f"a read of the line does not show it: the shop answered {describe(look.response)}")


def _looks(past: History) -> tuple[Exchange, ...]:
    """The answers since the last write."""
    writes = [index for index, step in enumerate(past) if step.request.writes]
    return tuple(step for step in past[writes[-1] + 1 :] if isinstance(step, Exchange))
