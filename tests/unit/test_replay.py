"""What a journal says was sent is taken up where the job line leads to it, also where a look was begun anew."""

import json

import pytest
from msgspec.structs import replace

from batchcart.engine.replay import RequestMismatch, replay
from batchcart.journal.codec import SentRequest
from batchcart.model.adapter import CartContext
from batchcart.model.http import History, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Step
from batchcart.platforms import load_adapters

KEY = "k" * 32
ADD = Operation(1, OperationKind.CART_CREATE, "sklep", cart="c", data=b'{"variant_id":54,"quantity":2}')
LOST = SentRequest("POST", "/services/carts", (), None, 1.0, "lost", None, "the connection was cut")


def page(number: int, rows: int) -> SentRequest:
    """A page of a list that shows other carts too, whatever it is asked for."""
    ids = range(100 * number, 100 * number + rows)
    carts = [{"id": each, "user_key": "other", "variant_id": 7, "quantity": 1} for each in ids]
    query = (("user_key", KEY), ("limit", "50"), ("page", str(number)))
    answer = Response(200, json.dumps({"carts": carts}).encode(), {})
    return SentRequest("GET", "/services/carts", query, None, 1.0 + number, "answered", answer, "")


def replayed(*sent: SentRequest) -> int:
    spec = load_adapters()["shoplo"].operations[OperationKind.CART_CREATE]
    return len(replay(sent, spec, ADD, CartContext(None, KEY)).steps)


def test_a_look_that_was_broken_off_may_find_more_pages_when_it_is_taken_again() -> None:
    first, again = [page(1, 5), page(2, 5), page(3, 0)], [page(1, 5), page(2, 5), page(3, 5), page(4, 0)]
    assert replayed(LOST, *first, page(1, 5), *again, page(1, 5)) == 10


def test_a_page_that_no_look_leads_to_is_refused() -> None:
    with pytest.raises(RequestMismatch, match="does not lead to that"):
        replayed(LOST, page(1, 5), page(3, 5))


def test_what_is_asked_of_a_past_grows_with_its_length_however_often_its_write_was_sent() -> None:
    spec = load_adapters()["shoplo"].operations[OperationKind.CART_CREATE]
    asked: list[int] = []

    def interpret(operation: Operation, known: CartContext, past: History) -> Step:
        asked.append(len(past))
        return spec.interpret(operation, known, past)

    sent = [LOST, page(1, 0), page(1, 0)] * 8
    replay(sent, replace(spec, interpret=interpret), ADD, CartContext(None, KEY))
    assert len(asked) <= 4 * len(sent)
