"""What a run learnt of a shop's true limit is there for the next run, and is forgotten once it no longer holds."""

import json
from pathlib import Path

import pytest
from cli_harness import Cli, create, open_cli, open_shop_server

from batchcart.accounts.send_history import SendHistory
from batchcart.accounts.state import AccountState
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.model.limits import Bucket, Limit, Window, parse_limit

_NOW = 1.8e9
_LEARNT = b'{"most":40,"seconds":1.0,"allowed":10.0,"at":1799999000.0}'


def limiter(limit: Limit, learnt: bytes, wall: float = _NOW) -> RateLimiter:
    clock = lambda: 1000.0  # noqa: E731  # time stands still
    sends = SendHistory(None, capacity([limit]), monotonic=clock, wall=lambda: wall)
    return RateLimiter([limit], sends, clock=clock, learnt=learnt)


def test_a_limiter_begins_with_what_was_learnt_of_its_very_limit() -> None:
    found = limiter(Window(40, 1.0), _LEARNT)
    assert found.adapted_rate == 10.0
    assert limiter(Window(40, 1.0), found.memory).adapted_rate == 10.0


@pytest.mark.parametrize(
    ("limit", "learnt"),
    [
        (Window(41, 1.0), _LEARNT),
        (Window(40, 2.0), _LEARNT),
        (Bucket(40, 2.0), _LEARNT),
        (Window(40, 1.0), b""),
        (Window(40, 1.0), b"{"),
        (Window(40, 1.0), b"\xff"),
        (Window(40, 1.0), _LEARNT.replace(b"10.0", b"-1")),
        (Window(40, 1.0), _LEARNT.replace(b"10.0", b"4000")),
    ],
)
def test_what_was_learnt_of_another_limit_or_is_damaged_is_not_taken(limit: Limit, learnt: bytes) -> None:
    found = limiter(limit, learnt)
    assert found.adapted_rate is None
    assert found.memory == b""


@pytest.mark.parametrize(
    ("wall", "left"), [(_NOW, 30.0), (_NOW + 20, 10.0), (_NOW + 40, 0.0), (_NOW - 45, 30.0), (_NOW - 11 * 86400, 30.0)]
)
def test_a_pause_lasts_no_longer_than_the_shop_asked_for_where_the_clock_was_set_back(wall: float, left: float) -> None:
    asked = limiter(Window(40, 1.0), b"")
    asked.pause(30.0)
    resumed = limiter(Window(40, 1.0), asked.memory, wall)
    assert resumed.paused_for == pytest.approx(left)
    assert limiter(Window(40, 1.0), resumed.memory, _NOW - 400 * 86400).paused_for <= 30.0


def test_the_state_folder_keeps_what_was_learnt_until_it_is_forgotten(tmp_path: Path) -> None:
    account_state = AccountState(tmp_path)
    assert account_state.learnt_limit() == b""
    account_state.keep_learnt_limit(_LEARNT)
    assert AccountState(tmp_path).learnt_limit() == _LEARNT
    account_state.keep_learnt_limit(b"")
    assert AccountState(tmp_path).learnt_limit() == b""


def _events(place: Cli, name: str) -> list[str]:
    place.job([create("loja", f"{name}-{number}") for number in range(90)], f"{name}.jsonl")
    place.run("--log", f"{name}.log", job=f"{name}.jsonl", code=0)
    return [json.loads(text)["event"] for text in (place.folder / f"{name}.log").read_text().splitlines()]


def test_the_next_run_begins_at_the_rate_that_the_last_one_learnt(tmp_path: Path) -> None:
    with open_shop_server() as shop_server:
        shop_server.sandbox.limits = {**shop_server.sandbox.limits, "tray": (parse_limit("20/s"),)}
        place = open_cli(shop_server, tmp_path)
        place.configure(loja={"limits": ["80/s"]})
        first, second = _events(place, "first"), _events(place, "second")
    assert "limit_learnt" in first
    assert second[:2] == ["run_began", "limit_learnt"]
