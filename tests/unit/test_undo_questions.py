"""The reads that an undo asks for."""

import orjson
import pytest

from batchcart.jobs.checks import validate
from batchcart.jobs.job_file import InvalidLine, RawLine, parse_line
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters
from batchcart.undo.current_state import question
from batchcart.undo.model import CartEffects


def test_a_cart_whose_key_is_known_is_read_whole() -> None:
    text = question("acme", CartEffects("K1", made=(1, OperationKind.CART_CREATE)))
    assert orjson.loads(text) == {"op": "cart.get", "account": "acme", "cart_id": "K1"}


def test_a_cart_of_which_no_key_and_no_item_is_known_makes_a_line_that_no_check_lets_through() -> None:
    text = question("acme", CartEffects(None, made=(1, OperationKind.CART_CREATE)))
    with pytest.raises(InvalidLine, match="item_id"):
        validate(parse_line(RawLine(1, 0, text), None), load_adapters()["3dcart"])
