"""Counts at the end of a run, and the exit code they mean."""

from typing import Any

import pytest

from batchcart.cli.summary_text import summary_text
from batchcart.journal.summary import STATUSES, AccountSummary, Summary, aggregate

ROWS = [
    ("a", "cart.get", "ok", 3),
    ("a", "cart.create", "failed", 1),
    ("a", "cart.get", None, 2),
    ("b", "cart.get", "ok", 1),
    ("b", "cart.get", "in_doubt", 1),
]


def summary(stopped: str = "", **counts: int) -> Summary:
    whole = {status: counts.get(status, 0) for status in STATUSES}
    return Summary({"a": AccountSummary(whole, {})}, "r.jsonl", stopped=stopped)


def test_rows_are_folded_by_account_status_and_operation() -> None:
    folded = aggregate(ROWS, {"a": ("closed", "HTTP 401")})

    assert folded["a"].counts == {"ok": 3, "failed": 1, "skipped": 0, "in_doubt": 0, "not_attempted": 2}
    assert folded["a"].kinds["cart.get", "not_attempted"] == 2
    assert (folded["a"].state, folded["a"].reason) == ("closed", "HTTP 401")
    assert folded["b"].state == "done"


@pytest.mark.parametrize(("state", "told"), [("running", "running"), ("", "open"), ("closed", "closed")])
def test_an_account_with_open_lines_is_not_done(state: str, told: str) -> None:
    assert aggregate(ROWS, {"a": (state, "")})["a"].state == told


def test_an_account_that_ended_while_running_is_done() -> None:
    assert aggregate(ROWS, {"b": ("running", "")})["b"].state == "done"


def test_the_five_counts_add_up_to_the_lines() -> None:
    whole = Summary(aggregate(ROWS, {}), "r.jsonl")
    found: Any = whole.as_dict()

    assert whole.lines == sum(whole.totals.values()) == 8
    for counts in (found, *found["accounts"].values()):
        assert counts["lines"] == sum(counts[status] for status in STATUSES)


@pytest.mark.parametrize(
    ("counts", "stopped", "code"),
    [
        ({"ok": 2}, "", 0),
        ({"ok": 2, "failed": 1}, "", 1),
        ({"skipped": 1}, "", 1),
        ({"ok": 1, "in_doubt": 1}, "", 1),
        ({"ok": 1, "not_attempted": 1}, "", 3),
        ({"ok": 1, "failed": 1, "not_attempted": 1}, "stopped by a signal", 3),
        ({"ok": 1}, "the disk is full", 3),
    ],
)
def test_the_exit_code_says_how_the_lines_ended(counts: dict[str, int], stopped: str, code: int) -> None:
    assert summary(stopped, **counts).exit_code == code


@pytest.mark.parametrize(("refusals", "said"), [(0, "2 retries\n"), (1, "2 retries, asked to wait 1 time\n")])
def test_a_shop_that_asked_to_wait_is_told_beside_the_retries(refusals: int, said: str) -> None:
    accounts = {"a": AccountSummary({"ok": 9}, {("cart.get", "ok"): 9})}
    assert said in summary_text(Summary(accounts, "r", seconds=2, sent=12, retries=2, refusals=refusals), "j")


def test_json_holds_what_status_promises() -> None:
    found = summary(ok=1).as_dict()

    assert list(found) == ["lines", *STATUSES, "accounts"]
    counts = {"ok": 1, "failed": 0, "skipped": 0, "in_doubt": 0, "not_attempted": 0}
    assert found["accounts"] == {"a": {"lines": 1, **counts, "state": "done", "reason": ""}}
