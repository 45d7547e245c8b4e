"""A result line says how its operation ended, and can be read back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from batchcart.journal.result_line import Completion, encode_result, read_result, status_of
from batchcart.model.cart import NotACart
from batchcart.model.excerpt import MOST_SHOWN
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import (
    ErrorKind,
    Failed,
    InDoubt,
    Outcome,
    Skipped,
    Status,
    Succeeded,
    Throttled,
    Unauthorized,
)
from batchcart.model.text import format_timestamp

ADD = Operation(2, OperationKind.ITEM_ADD, "acme", cart="c1", item="i1", id="x-17")


def written(operation: Operation, ending: Completion, platform: str = "3dcart") -> dict[str, Any]:
    line: dict[str, Any] = orjson.loads(encode_result(operation, platform, ending))
    return line


def test_a_result_reads_as_the_contract_shows_it() -> None:
    outcome = Succeeded("6F027F81ggx48to", "123", {"OrderKey": "6F027F81ggx48to", "CartItemID": "123"})
    text = encode_result(ADD, "3dcart", Completion(outcome, 1, 201, 1795284000.123, 0.13124))

    assert text == (
        b'{"line":2,"id":"x-17","account":"acme","platform":"3dcart","op":"item.add","cart":"c1","item":"i1",'
        b'"status":"ok","cart_id":"6F027F81ggx48to","item_id":"123","OrderKey":"6F027F81ggx48to","CartItemID":"123",'
        b'"http_status":201,"attempts":1,"sent_at":"2026-11-21T18:00:00.123Z","elapsed_ms":131.2}'
    )


def test_a_read_carries_its_body_with_numbers_untouched() -> None:
    text = encode_result(ADD, "tray", Completion(Succeeded(body=b'{"price":1.10,"big":123456789012345678901}'), 1, 200))

    assert text.endswith(b'"body":{"price":1.10,"big":123456789012345678901}}')


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (
            Failed(ErrorKind.REJECTED, "no", "<p>"),
            "failed",
            {"kind": "rejected", "message": "no", "http_status": 400, "body": "<p>"},
        ),
        (Failed(ErrorKind.NETWORK, "no"), "failed", {"kind": "network", "message": "no", "http_status": 400}),
        (InDoubt("who knows"), "in_doubt", {"kind": "unknown", "message": "who knows", "http_status": 400}),
    ],
)
def test_whatever_is_not_ok_carries_an_error(outcome: Outcome, status: str, error: dict[str, Any]) -> None:
    line = written(ADD, Completion(outcome, 1, 400))

    assert (line["status"], line["error"]) == (status, error)


def test_a_skipped_line_names_the_line_it_needed() -> None:
    line = written(ADD, Completion(Skipped(1, "line 1 did not create the cart")))

    assert line["error"] == {"kind": "dependency", "message": "line 1 did not create the cart", "line": 1}
    assert (line["attempts"], "sent_at" in line, "http_status" in line) == (0, False, False)


def test_an_errors_body_is_two_kibibytes_at_the_most() -> None:
    line = written(ADD, Completion(Failed(ErrorKind.REJECTED, "no", "é" * 3000)))

    assert line["error"]["body"] == "é" * 1024


@pytest.mark.parametrize("unit", ["a", "é", "😀", "\x00", "\ud83d"])
def test_a_sentence_that_quotes_a_shop_is_two_kibibytes_at_the_most_and_keeps_its_end(unit: str) -> None:
    long = "the shop said: " + unit * 9000
    said = (Failed(ErrorKind.REJECTED, long), Throttled(long), Unauthorized(long))
    for sentence in (*(one.message for one in said), str(NotACart(long))):
        assert len(sentence.encode(errors="replace")) <= MOST_SHOWN
        assert sentence.startswith("the shop said: ")
    doubt = replace(InDoubt(long), evidence=f"{InDoubt(long).evidence} (first sent then)")
    assert len(doubt.evidence.encode()) <= MOST_SHOWN
    assert doubt.evidence.endswith(" (first sent then)")
    assert Failed(ErrorKind.REJECTED, "é" * 1000).message == "é" * 1000


def test_a_line_in_doubt_shows_the_last_answer_too() -> None:
    line = written(ADD, Completion(InDoubt("who knows", body="<b>Warning</b>: it broke"), 1, 200))

    assert line["error"]["body"] == "<b>Warning</b>: it broke"


def test_ids_that_the_author_gave_are_echoed_whatever_happens() -> None:
    operation = Operation(1, OperationKind.ITEM_GET, "a", cart_id="K", item_id="5")

    assert {"cart_id": "K", "item_id": "5"}.items() <= written(operation, Completion(Skipped(1, "x"))).items()
    assert {"cart_id": "L", "item_id": "5"}.items() <= written(operation, Completion(Succeeded(cart_id="L"))).items()


NAMES = st.none() | st.text(min_size=1, max_size=5)
OUTCOMES = (
    st.builds(Succeeded, NAMES, NAMES, st.dictionaries(st.sampled_from(["OrderKey", "user_key"]), st.text(min_size=1)))
    | st.builds(Failed, st.sampled_from(ErrorKind), st.text(), st.text())
    | st.builds(InDoubt, st.text())
    | st.builds(Skipped, st.integers(1, 9), st.text())
)
ENDINGS = st.builds(
    Completion, OUTCOMES, st.integers(0, 9), st.none() | st.integers(100, 599), st.none() | st.floats(0, 4e9)
)
OPERATIONS = st.builds(
    Operation,
    st.integers(1, 1 << 53),
    st.sampled_from(OperationKind),
    st.text(min_size=1),
    NAMES, NAMES, NAMES, NAMES, id=st.none() | st.text() | st.integers(-(1 << 63), (1 << 63) - 1),
)  # fmt: skip


@given(OPERATIONS, ENDINGS)
def test_a_result_reads_back_as_it_was_written(operation: Operation, ending: Completion) -> None:
    text = encode_result(operation, "tray", ending)
    result = read_result(text)
    done = ending.outcome if isinstance(ending.outcome, Succeeded) else Succeeded()

    assert b"\n" not in text
    assert (result.line, result.account, result.op) == (operation.line, operation.account, operation.kind)
    assert (result.id, result.cart, result.item) == (operation.id, operation.cart, operation.item)
    assert result.status is status_of(ending.outcome)
    assert result.cart_id == (done.cart_id or operation.cart_id)
    assert result.names == done.names
    assert (result.error is None) is (result.status is Status.OK)


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    assert format_timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert format_timestamp(1795284000.9999) == "2026-11-21T18:00:00.999Z"
