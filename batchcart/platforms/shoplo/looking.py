"""Owns how it is seen what became of one Shoplo line: by a read of it, else by the list of its cart.

What a read of a line answers that is not there is not documented (PLATFORMS §3.6): only 404 is taken for that, in HTTP
or as the code. Any other error may have other reasons, so the cart's list is asked, where the cart is known.
"""

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past, Request
from batchcart.model.operation import Operation
from batchcart.platforms.shoplo import own_lines, requests
from batchcart.platforms.shoplo.responses import Row, line_of, missing
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.add_once import Untold
from batchcart.platforms.toolkit.http_status import described
from batchcart.platforms.toolkit.idempotent import Hides
from batchcart.platforms.toolkit.lenient_json import object_of, text_of


def look_at_line(operation: Operation, known: Known, write: Request) -> Request:
    """The read that shows what became of the line which ``write`` is about."""
    return Request("GET", write.path)


def see_line(operation: Operation, known: Known, past: Past) -> Row | Request | Hides:
    """The line as it is now, an empty one where it is not there, or what else to read."""
    looks = _looks(past)
    number = looks[0].request.path.rpartition("/")[2]
    if missing(looks[0].response):
        return {}
    line = line_of(looks[0].response)
    if lines.same_id(text_of(line.get("id")), number):
        return line
    if not known.cart_id:
        return Hides(f"a read of the line does not show it: the shop answered {described(looks[0].response)}")
    if len(looks) == 1:
        return requests.first_page(operation, known)
    match own_lines.listed(operation, known, looks[1:]):
        case Untold(why):
            return Hides(why)
        case Request() as more:
            return more
        case found:
            rows = [text for key, text in found.rows.items() if lines.same_id(key, number)]
            return object_of(rows[0]) if rows else {}


def _looks(past: Past) -> tuple[Exchange, ...]:
    """The answers since the last write."""
    writes = [index for index, step in enumerate(past) if step.request.writes]
    return tuple(step for step in past[writes[-1] + 1 :] if isinstance(step, Exchange))
