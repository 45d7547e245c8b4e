"""What a shop asks for is kept, in each form that it may be written in, and never less than our own pause."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engine_harness import CONFIG, Harness
from in_memory_shops import Shops

from batchcart.accounts.state import AccountState
from batchcart.engine.rate_limiter import LimitMemory
from batchcart.engine.retry import hinted_pause
from batchcart.model.events import ShopDown
from batchcart.model.http import Response
from batchcart.model.outcome import AskedPause
from batchcart.model.throttle import read_throttle

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "retry_after", "hint"),
    [
        ({"retry-after": "7"}, "7", ""),
        ({"retry-after-ms": "1500"}, "1.500", ""),
        ({"retry-after-ms": "1500", "retry-after": "2"}, "1.500", ""),
        ({"retry-after-ms": "soon", "retry-after": "2"}, "2", ""),
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, "", "50"),
        ({"ratelimit": '"default";r=0;t=30'}, "", "30"),
        ({"ratelimit": '"hour";r=900;t=2000, "second";r=0;t=1'}, "", "1"),
        ({"ratelimit": '"minute";r=0;t=20, "day";r=0;t=4000, "second";r=1;t=1'}, "", "4000"),
        ({"ratelimit": "limit=100, remaining=99, reset=50"}, "", ""),
        ({"ratelimit": '"default";r=99;t=30'}, "", ""),
        ({"x-ratelimit-reset": "1800000030"}, "", "1800000030"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, "", "30"),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "30"}, "", "30"),
        ({"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "30"}, "", "30"),
        ({"x-ratelimit-remaining": "0, 12", "x-ratelimit-reset": "30"}, "", "30"),
        ({"ratelimit": "limit=10;w=60, remaining=5, reset=30"}, "", ""),
        ({"x-ratelimit-remaining": "4321", "x-ratelimit-reset": "3000"}, "", ""),
        ({"x-rate-limit-remaining": "7", "x-rate-limit-reset": "3000", "x-ratelimit-reset": "9"}, "", "9"),
        ({"ratelimit-reset": "9", "x-ratelimit-reset": "20"}, "", "9"),
        ({}, "", ""),
    ],
)
def test_a_refusal_says_in_several_headers_how_long_to_wait(
    headers: dict[str, str], retry_after: str, hint: str
) -> None:
    found = read_throttle("busy", Response(429, b"", headers))
    assert (found.retry_after.written, found.hint.written) == (retry_after, hint)


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [
        ("30", 30),
        ("0", 0),
        ("1800000030", 30),
        ("1800000030000", 30),
        ("1800000030500", 30.5),
        ("1700000000", 0),
        ("86400", 300),
        ("soon", 0),
        ("", 0),
        ("-4", 0),
    ],
)
def test_a_hint_is_seconds_or_a_moment_and_is_bounded(hint: str, seconds: float) -> None:
    assert hinted_pause(AskedPause(hint), NOW) == pytest.approx(seconds)


def busy_for(seconds: float, answer: str) -> Shops:
    """A Tray shop that answers everything so in its first seconds."""
    return Shops(lambda _account, _request: answer if asyncio.get_running_loop().time() < 1000 + seconds else "")


def creates(count: int) -> list[dict[str, Any]]:
    data = {"product_id": "12", "quantity": "1"}
    return [
        {"op": "cart.create", "account": "local-tray", "cart": f"c{n}", "item": "i0", "data": data}
        for n in range(count)
    ]


def test_a_retry_after_of_0_is_no_invitation(tmp_path: Path) -> None:
    shops = busy_for(20, "pause-429-0")
    ended = Harness(tmp_path, creates(30), shops).run()
    assert ended.summary.accounts["local-tray"].counts["ok"] == 30
    refused = sum(seen.fault == "pause-429-0" for seen in shops.seen)
    assert refused <= 16


def test_a_503_that_says_how_long_to_wait_is_no_outage(tmp_path: Path) -> None:
    shops = busy_for(60, "pause-503-5")
    ended = Harness(tmp_path, creates(30), shops).run()
    assert ended.summary.accounts["local-tray"].counts["ok"] == 30
    assert not any(isinstance(event, ShopDown) for event in ended.events)
    assert ended.sessions[0].stats.refusals >= 8


@pytest.mark.parametrize("op", ["cart.create", "item.add", "cart.get"])
def test_a_503_is_left_alone_for_as_long_as_it_says_whatever_it_answers(tmp_path: Path, op: str) -> None:
    """Also where the line ends in doubt, as a create does whose key nobody can read back."""
    data = {"CatalogID": 5, "ItemQuantity": 1} if op == "item.add" else {}
    line = {"op": op, "account": "local-3dcart", **({"cart": "a"} if op == "cart.create" else {"cart_id": "K1"})}
    lines: list[dict[str, Any]] = [line | ({"data": data} if data else {})]
    lines.append({"op": "cart.create", "account": "local-3dcart", "cart": "b"})
    shops = Shops(lambda _account, _request: "" if shops.seen else "pause-503-40")
    Harness(tmp_path, lines, shops, concurrency=1).run()
    assert shops.seen[1].at - shops.seen[0].at >= 40


def test_a_status_that_the_config_names_is_a_429(tmp_path: Path) -> None:
    config = CONFIG.replace('platform = "tray"\n', 'platform = "tray"\nbusy = [503]\n')
    shops = busy_for(20, "page-503")
    ended = Harness(tmp_path, creates(30), shops, config=config).run()
    assert ended.summary.accounts["local-tray"].counts["ok"] == 30
    assert not any(isinstance(event, ShopDown) for event in ended.events)
    assert ended.sessions[0].stats.refusals == sum(seen.fault == "page-503" for seen in shops.seen)


def test_a_pause_is_remembered_at_once_and_bounded_by_the_patience(tmp_path: Path) -> None:
    memory = AccountState(tmp_path / "state")
    (tmp_path / "state").mkdir()
    shops = Shops(lambda _account, _request: "pause-429-9999999")
    Harness(tmp_path, creates(3), shops, patience=600.0, account_states={"local-tray": memory}).run()
    found = msgspec.json.decode(memory.learnt_limit(), type=LimitMemory)
    assert found.paused_until == pytest.approx(NOW + 1000 + 600, abs=5)  # the loop begins at 1000
