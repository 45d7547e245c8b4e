"""What follows from one reply is decided by a pure function: a table of replies, and what each leads to."""

from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from msgspec.structs import replace

from batchcart.engine.looks import SURE_AFTER, settling
from batchcart.engine.reaction import (
    Action,
    Execution,
    Finish,
    Healthy,
    LeavePending,
    Reaction,
    RefreshTokens,
    Retry,
    Send,
    Signal,
    Suspicious,
    Unhealthy,
)
from batchcart.engine.retry import MOST_TRIES
from batchcart.engine.transitions import MOST_FOREIGN, begin, follow, react
from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, LostWrite, NoResponse, NotSent, Reply, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import ErrorKind, Failed, InDoubt, Succeeded, Throttled, Unauthorized
from batchcart.platforms import load_adapters

KEY = "k" * 32
ADD, LOOK = Request("POST", "/carts"), Request("GET", f"/carts/{KEY}")
PAGE, NOTHING = b"<html>Blocked</html>", b"[]"
MADE = b'{"message":"Created","code":201,"id":"5","session_id":"%s"}' % KEY.encode()
MOVED = {"location": "https://new.example/x"}


def execution(kind: OperationKind = OperationKind.CART_CREATE, platform: str = "tray") -> Execution:
    data = {
        (OperationKind.CART_CREATE, "tray"): b'{"product_id":"7","quantity":1}',
        (OperationKind.CART_UPDATE, "tray"): b'{"email":"a@example.com"}',
        (OperationKind.CART_CREATE, "3dcart"): b"{}",
    }
    adapter = load_adapters()[platform]
    known = CartContext(None if kind is OperationKind.CART_CREATE else KEY, KEY)
    operation = Operation(1, kind, "loja", cart="c", data=data.get((kind, platform), b""))
    return Execution(operation, known, adapter.operations[kind], adapter.errors.classify)


def answered(op: Execution, request: Request, reply: Reply) -> tuple[Action, Signal | None, str]:
    reaction = react(op, request, reply, 1.0)
    return reaction.action, reaction.signal, reaction.note


def kinds(found: tuple[Action, Signal | None, str]) -> tuple[str, str, str]:
    action, signal, note = found
    what = type(action.outcome).__name__ if isinstance(action, Finish) else type(action).__name__
    if isinstance(action, Send | Retry | RefreshTokens):
        what += f" {action.request.method}"
    return what, type(signal).__name__, note


def met(op: Execution, replies: Sequence[Reply]) -> Iterator[Reaction]:
    """The reactions to these replies to a look, one after the other."""
    for reply in replies:
        reaction = react(op, LOOK, reply, 1.0)
        op = reaction.execution
        yield reaction


TABLE: list[tuple[str, OperationKind, Reply, tuple[str, str, str]]] = [
    ("tray", OperationKind.CART_CREATE, Response(201, MADE), ("Succeeded", "Healthy", "")),
    ("tray", OperationKind.CART_CREATE, Response(422, b'{"code":422,"causes":["no"]}'), ("Failed", "Healthy", "")),
    ("tray", OperationKind.CART_CREATE, Response(429, b""), ("Send POST", "Throttled", "void")),
    (
        "tray",
        OperationKind.CART_CREATE,
        Response(401, b'{"code":401,"error_code":1000}'),
        ("RefreshTokens POST", "NoneType", "void"),
    ),
    ("tray", OperationKind.CART_CREATE, Response(500, b""), ("Retry GET", "Unhealthy", "failing")),
    ("tray", OperationKind.CART_CREATE, Response(503, PAGE), ("Retry GET", "Unhealthy", "failing")),
    ("tray", OperationKind.CART_CREATE, Response(200, b""), ("Retry GET", "Unhealthy", "failing")),
    ("tray", OperationKind.CART_CREATE, Response(200, PAGE), ("Retry GET", "Suspicious", "failing")),
    ("tray", OperationKind.CART_CREATE, Response(403, PAGE), ("Retry GET", "Suspicious", "failing")),
    ("tray", OperationKind.CART_CREATE, Response(301, b"", MOVED), ("LeavePending", "Suspicious", "void")),
    ("tray", OperationKind.CART_CREATE, Response(302, b"", MOVED), ("Send GET", "Suspicious", "failing")),
    ("tray", OperationKind.CART_CREATE, NotSent("no way"), ("Send POST", "Unhealthy", "void")),
    ("tray", OperationKind.CART_CREATE, NoResponse("cut"), ("Retry GET", "Unhealthy", "lost")),
    ("tray", OperationKind.CART_UPDATE, Response(302, b"", MOVED), ("Send GET", "Suspicious", "failing")),
    ("tray", OperationKind.CART_UPDATE, Response(308, b"", MOVED), ("LeavePending", "Suspicious", "void")),
    ("tray", OperationKind.CART_UPDATE, NoResponse("cut"), ("Retry PUT", "Unhealthy", "lost")),
    ("tray", OperationKind.CART_GET, Response(200, NOTHING), ("Succeeded", "Healthy", "")),
    ("tray", OperationKind.CART_GET, Response(403, PAGE), ("Retry GET", "Suspicious", "void")),
    ("tray", OperationKind.CART_GET, Response(302, b"", MOVED), ("LeavePending", "Suspicious", "void")),
    ("tray", OperationKind.CART_GET, Response(502, PAGE), ("Retry GET", "Unhealthy", "void")),
    ("tray", OperationKind.CART_GET, NoResponse("cut"), ("Retry GET", "Unhealthy", "void")),
    ("3dcart", OperationKind.CART_CREATE, Response(301, b"", MOVED), ("LeavePending", "Suspicious", "void")),
    ("3dcart", OperationKind.CART_CREATE, Response(302, b"", MOVED), ("InDoubt", "Suspicious", "failing")),
    ("3dcart", OperationKind.CART_CREATE, Response(403, PAGE), ("InDoubt", "Suspicious", "failing")),
    ("3dcart", OperationKind.CART_CREATE, Response(500, PAGE), ("InDoubt", "Unhealthy", "answered")),
    ("3dcart", OperationKind.CART_CREATE, NoResponse("cut"), ("InDoubt", "Unhealthy", "lost")),
]


@pytest.mark.parametrize(("platform", "kind", "reply", "expected"), TABLE)
def test_a_first_reply_leads_to_an_action_a_signal_and_a_note(
    platform: str, kind: OperationKind, reply: Reply, expected: tuple[str, str, str]
) -> None:
    op = execution(kind, platform)
    first = begin(op)
    assert isinstance(first, Send)
    assert kinds(answered(op, first.request, reply)) == expected


def test_the_figures_of_a_result_are_counted_reply_by_reply() -> None:
    op = execution()
    replies: list[tuple[Request, Reply]] = [
        (ADD, NotSent("x")),
        (ADD, NoResponse("cut")),
        (LOOK, Response(502, PAGE)),
    ]
    for at, (request, reply) in enumerate(replies):
        op = react(op, request, reply, 10.0 + at).execution
    assert (op.sends, op.wasted, op.tries, op.first_at, op.status) == (3, 3, 2, 10.0, 502)
    assert [type(step) for step in op.past] == [LostWrite]


def test_a_slow_shop_is_left_one_more_timeout_before_it_is_asked() -> None:
    op = replace(execution(), timeout=17.0)
    assert answered(op, ADD, NoResponse("slow", timed_out=True))[0] == Retry(LOOK, 1, 17.0)
    assert answered(op, ADD, NoResponse("cut"))[0] == Retry(LOOK, 1, 0.5)


def test_an_operation_that_fails_too_often_ends_and_says_how_often() -> None:
    op = replace(execution(OperationKind.CART_GET), tries=MOST_TRIES - 1)
    action, _, _ = answered(op, LOOK, Response(500, b""))
    assert isinstance(action, Finish)
    assert action.outcome == Failed(
        ErrorKind.PLATFORM, "the shop answered HTTP 500 with an empty body, in each of 10 tries"
    )


def test_a_write_whose_looks_keep_failing_is_in_doubt() -> None:
    op = replace(execution(), tries=MOST_TRIES - 1, past=(LostWrite(ADD, "cut", 1.0),))
    action, _, _ = answered(op, LOOK, Response(500, b""))
    assert isinstance(action, Finish)
    assert isinstance(action.outcome, InDoubt)
    assert "reading the shop kept failing" in action.outcome.evidence


def test_the_doubt_of_a_write_that_was_answered_says_so() -> None:
    failed = Exchange(ADD, Response(500, b""))
    op = replace(execution(), tries=MOST_TRIES - 1, past=(failed,))
    action, _, _ = answered(op, LOOK, Response(503, b""))
    assert isinstance(action, Finish)
    assert isinstance(action.outcome, InDoubt)
    assert action.outcome.evidence.startswith(
        f"{ADD} was sent and answered HTTP 500, and then reading the shop kept failing"
    )


def test_a_read_that_meets_web_pages_only_is_given_up_and_its_write_is_in_doubt() -> None:
    read, look = execution(OperationKind.CART_GET), replace(execution(), past=(LostWrite(ADD, "cut", 1.0),))
    for op, ending in ((read, Failed), (look, InDoubt)):
        actions = [reaction.action for reaction in met(op, [Response(403, PAGE)] * MOST_FOREIGN)]
        assert [type(action) for action in actions] == [*[Retry] * (MOST_FOREIGN - 1), Finish]
        assert isinstance(actions[-1], Finish)
        assert isinstance(actions[-1].outcome, ending)


def test_credentials_that_were_refused_before_are_said_to_be_refused_again() -> None:
    denied = Response(401, b'{"code":401,"error_code":1000}')
    first = react(execution(), ADD, denied, 1.0)
    second = react(first.execution, ADD, denied, 1.0)
    assert isinstance(first.action, RefreshTokens)
    assert isinstance(second.action, RefreshTokens)
    assert (first.action.again, second.action.again) == (False, True)


def test_a_look_at_what_was_redirected_goes_on_although_its_account_is_closing() -> None:
    redirected = react(execution(), ADD, Response(302, b"", MOVED), 1.0)
    assert redirected.execution.settles
    assert redirected.signal == Suspicious(
        "the shop answered HTTP 302, a redirect to https://new.example", redirected=True
    )
    again = react(redirected.execution, LOOK, Response(302, b"", MOVED), 1.0)
    assert isinstance(again.action, LeavePending)
    assert again.execution.past == redirected.execution.past


def test_with_looks_only_a_write_that_would_follow_did_not_happen() -> None:
    op = replace(execution(), read_only=True, past=(LostWrite(ADD, "cut", 1.0),))
    assert begin(op) == Send(LOOK)
    *_, last = met(op, [Response(200, NOTHING)] * 2)
    assert isinstance(last.action, Finish)
    assert isinstance(last.action.outcome, Failed)
    assert "did not happen" in last.action.outcome.message


def test_a_look_that_does_not_show_an_add_is_taken_again_before_it_is_believed() -> None:
    op = react(execution(), ADD, NoResponse("cut"), 1.0).execution
    early, sure = met(op, [Response(200, NOTHING)] * 2)
    assert early.action == Retry(LOOK, 0, SURE_AFTER)
    assert early.execution.past == op.past
    assert isinstance(sure.action, Send)
    assert sure.action.request.writes


@pytest.mark.parametrize("left", ["a time-out", "since an earlier start"])
def test_a_look_at_a_shop_that_was_left_long_enough_is_believed_at_once(left: str) -> None:
    lost = react(execution(), ADD, NoResponse("slow", timed_out=left == "a time-out"), 1.0).execution
    reaction = react(lost, LOOK, Response(200, NOTHING), 1.0 if left == "a time-out" else 1.0 + 30.0 + SURE_AFTER)
    assert isinstance(reaction.action, Send)


def test_a_write_that_may_be_repeated_is_said_again_after_its_first_look() -> None:
    put = begin(execution(OperationKind.CART_UPDATE))
    assert isinstance(put, Send)
    op = react(execution(OperationKind.CART_UPDATE), put.request, Response(200, b"{}"), 1.0).execution
    shown = Response(200, b'[{"Cart":{"session_id":"%s","product_id":"7","email":"b@example.com"}}]' % KEY.encode())
    assert react(op, LOOK, shown, 2.0).action == put


def test_an_update_that_will_not_be_sent_again_did_not_happen_only_if_a_second_look_says_so() -> None:
    put = begin(execution(OperationKind.CART_UPDATE))
    assert isinstance(put, Send)
    before = tuple(LostWrite(put.request, "cut", 1.0) for _ in range(2))
    op = replace(execution(OperationKind.CART_UPDATE), read_only=True, past=before)
    shown = Response(200, b'[{"Cart":{"session_id":"%s","product_id":"7","email":"b@example.com"}}]' % KEY.encode())
    early, sure = met(op, [shown] * 2)
    assert early.action == Retry(LOOK, 0, SURE_AFTER)
    assert isinstance(sure.action, Finish)


def test_a_past_is_gone_on_with_where_it_ends() -> None:
    answered_before = replace(execution(), past=(Exchange(ADD, Response(201, MADE), 1.0),))
    refused = replace(execution(), past=(Exchange(ADD, Response(403, PAGE), 1.0),))
    assert isinstance(begin(answered_before), Finish)
    assert begin(refused) == Send(LOOK)


def test_a_request_that_was_under_way_at_death_is_left_two_seconds() -> None:
    past = (LostWrite(ADD, "stopped", 100.0),)
    assert settling(past, 100.5) == 1.5
    assert settling(past, 200.0) == 0.0
    assert settling(past, 0.0) == 2.0
    assert settling((Exchange(ADD, Response(201, MADE), 100.0),), 100.0) == 0.0


def test_an_answer_that_ends_it_well_says_that_the_account_is_well() -> None:
    assert react(execution(), ADD, Response(201, MADE), 1.0).signal == Healthy()
    assert isinstance(follow(execution(), Succeeded()), Finish)


@pytest.mark.parametrize("again", [partial(Throttled, "wait"), partial(Unauthorized, "no")])
def test_what_is_never_in_a_past_is_a_fault_of_ours(again: partial[Throttled | Unauthorized]) -> None:
    with pytest.raises(AssertionError):
        follow(execution(), again())


def test_a_cut_line_that_may_leave_doubts_is_alarming_and_one_that_is_asked_about_is_not() -> None:
    assert answered(execution(), ADD, NoResponse("cut"))[1] == Unhealthy("cut")
    assert answered(execution(platform="3dcart"), ADD, NoResponse("cut"))[1] == Unhealthy("cut", alarming=True)
