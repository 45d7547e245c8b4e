"""What happens at one account takes no time from another, and carts of one account run side by side: to the second."""

from itertools import pairwise
from pathlib import Path

import pytest
from engine_harness import Harness, Line
from in_memory_shops import Script, Shops

from batchcart.sandbox import Sandbox

ACCOUNTS = [f"shop{number}" for number in range(10)]
BAD = "shop6"
"""Its lines stand before, between and after the others'."""

CONFIG = "".join(
    f'[accounts.{name}]\nplatform = "tray"\napi_address = "http://127.0.0.1:1/tray/web_api"\n'
    'access_token = "canary-access"\nlimits = []\nconcurrency = 2\n'
    for name in ACCOUNTS
)


def chain(account: str, cart: str) -> list[Line]:
    data = {"product_id": "5", "quantity": "1"}
    of_cart = {"account": account, "cart": cart}
    return [
        {"op": "cart.create", **of_cart, "item": "i", "data": data},
        {"op": "item.add", **of_cart, "data": {**data, "product_id": "6"}},
        {"op": "cart.get", **of_cart},
    ]


def shops(script: Script = lambda _account, _request: "") -> Shops:
    sandbox = Sandbox(limits={"tray": ()}, delay=(0.3, 0.3))
    return Shops(script, sandbox)


def seconds_of(seen: Shops) -> dict[str, float]:
    """From each account's first request to its last."""
    return {name: seconds_of_account(seen, name) for name in ACCOUNTS}


def seconds_of_account(seen: Shops, account: str) -> float:
    times = [one.at for one in seen.seen if one.account == account]
    return max(times) - min(times)


def run(folder: Path, seen: Shops, lines: list[Line], patience: float = 1800.0) -> int:
    folder.mkdir()
    return Harness(folder, lines, seen, config=CONFIG, patience=patience).run().summary.exit_code


@pytest.mark.parametrize(("trouble", "code"), [("delay", 0), ("hang", 3), ("refuse", 3)])
def test_a_bad_account_delays_no_other_one(tmp_path: Path, trouble: str, code: int) -> None:
    lines = [one for number in range(8) for name in reversed(ACCOUNTS) for one in chain(name, f"c{number}")]
    alone, beside = shops(), shops(lambda account, _request: trouble if account == BAD else "")

    assert run(tmp_path / "alone", alone, lines) == 0
    assert run(tmp_path / "beside", beside, [*chain(BAD, "first"), *lines], patience=60.0) == code

    usual = max(seconds_of(alone).values())
    found = seconds_of(beside)
    assert found.pop(BAD) > 2 * usual
    assert max(found.values()) < 1.01 * usual


def test_carts_of_one_account_run_side_by_side_and_a_carts_lines_in_order(tmp_path: Path) -> None:
    seen = shops()
    assert run(tmp_path / "run", seen, [one for number in range(8) for one in chain("shop0", f"c{number}")]) == 0
    # Two at a time: four carts one after the other, of three requests each.
    assert seconds_of_account(seen, "shop0") < 4 * 3 * 0.05 + 0.01
    assert seen.troubles == []
    for log in seen.sandbox.shop("tray").saw.carts.values():
        assert [effect.verb for _, effect in log.effects] == ["create", "add"]


@pytest.mark.parametrize(("answer", "asked"), [("pause-429-7", 7.0), ("429-date", 3.0)])
def test_a_429_holds_its_account_back_as_long_as_it_asks_and_no_other(
    tmp_path: Path, answer: str, asked: float
) -> None:
    seen = shops()
    seen.script = lambda account, _request: answer if account == BAD and count(seen, BAD) == 3 else ""
    lines = [one for number in range(6) for name in (BAD, "shop0") for one in chain(name, f"c{number}")]

    assert run(tmp_path / "run", seen, lines) == 0

    gaps = [later.at - earlier.at for earlier, later in pairwise(one for one in seen.seen if one.account == BAD)]
    longest = max(gaps)
    assert asked - 1 <= longest < asked + 5
    assert sum(gaps) - longest < 3
    assert seconds_of_account(seen, "shop0") < 2
    assert seen.sandbox.shop("tray").saw.effects["create"] == 12


def count(seen: Shops, account: str) -> int:
    return sum(one.account == account for one in seen.seen)
