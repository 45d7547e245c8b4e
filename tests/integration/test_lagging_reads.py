"""Reads that lag behind writes: what a shop was asked too early is not believed, and no add is said twice."""

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_harness import Harness, Line
from in_memory_shops import Shops

from batchcart.accounts.config import Account
from batchcart.model.http import Reply, Request, Response

ADDS: dict[str, Line] = {
    "tray": {"op": "item.add", "data": {"product_id": "7", "quantity": 2}},
    "shoplo": {"op": "item.add", "item": "i", "data": {"variant_id": 7, "quantity": 2}},
    "3dcart": {"op": "item.add", "item": "i", "data": {"CatalogID": 7, "ItemQuantity": 2}},
}


@dataclass
class LaggingShops(Shops):
    """Shops whose reads show what they held ``lag`` seconds ago."""

    lag: float = 3.0
    before: list[tuple[float, Any]] = field(default_factory=list)  # each write: when, and what was held until then

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        now, endpoint = asyncio.get_running_loop().time(), self.sandbox.shop(account.adapter.name)
        current = endpoint.shop
        if request.writes:
            self.before.append((now, copy.deepcopy(current)))
            return await super().answer(account, journal, request, leaving)
        endpoint.shop = next((held for at, held in self.before if at > now - self.lag), current)
        try:
            return await super().answer(account, journal, request, leaving)
        finally:
            endpoint.shop = current


def _lines(platform: str) -> list[Line]:
    add = ADDS[platform]
    data = {} if platform == "3dcart" else {"data": {**add["data"], next(iter(add["data"])): 5}}
    cart = {"account": f"local-{platform}", "cart": "c"}
    return [{"op": "cart.create", **cart, **data}, {**add, **cart}]


@pytest.mark.parametrize("platform", ADDS)
@pytest.mark.parametrize("fault", ["reset-after", "500-after", "garbage", "empty"])
def test_an_add_whose_answer_was_lost_is_not_said_again_to_a_shop_whose_reads_lag(
    tmp_path: Path, platform: str, fault: str
) -> None:
    adds = iter(["", fault])
    shops = LaggingShops(lambda _account, request: next(adds, "") if request.method == "POST" else "")
    ended = Harness(tmp_path, _lines(platform), shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 2
    assert sum(seen.request.method == "POST" for seen in shops.seen) == 2
    assert shops.troubles == []


@pytest.mark.parametrize("platform", ADDS)
@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("fault", ["reset-after", "500-after", "garbage", "empty"])
def test_an_add_that_is_not_shown_yet_is_not_said_again_though_the_clock_is_set_forward(
    tmp_path: Path, platform: str, fault: str, *, stops: bool
) -> None:
    adds = iter(["", fault])

    def script(_account: str, request: Request) -> str:
        befalls = next(adds, "") if request.method == "POST" else ""
        shops.ahead += 11 * 86400 if befalls and not stops else 0
        return befalls

    shops = LaggingShops(script)
    shop = Harness(tmp_path, _lines(platform), shops)
    if stops:
        shop.run(stop_after=0.12)
        shops.ahead = 11 * 86400
    assert [result["status"] for result in shop.run().results] == ["ok"] * 2
    assert sum(seen.request.method == "POST" for seen in shops.seen) == 2


class UnclearShops(LaggingShops):
    """Shops that answer a first delete with an empty list, and do nothing; then somebody sets the clock forward."""

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        if request.method != "DELETE" or self.ahead:
            return await super().answer(account, journal, request, leaving)
        leaving()
        self.ahead = 60.0
        return Response(200, b"[]")


@pytest.mark.parametrize("platform", ["3dcart", "shoplo"])
def test_a_delete_that_was_answered_unclearly_is_not_ok_because_the_clock_was_set_forward(
    tmp_path: Path, platform: str
) -> None:
    shops = UnclearShops()
    delete = {"op": "item.delete", "account": f"local-{platform}", "cart": "c", "item": "i"}
    ended = Harness(tmp_path, [*_lines(platform), delete], shops).run()
    held = [key for cart in shops.sandbox.state()[platform][""]["carts"].values() for key in cart["items"]]
    assert ended.results[1]["item_id"] in held
    assert ended.results[2]["status"] == "failed"


def test_old_doubts_are_looked_at_once_each_but_for_the_first_moments_of_a_session(tmp_path: Path) -> None:
    """Each of them was sent long before, so no look at them is too early."""
    lines = [line for n in range(10) for line in ({**one, "cart": f"c{n}"} for one in _lines("tray"))]
    lost = iter([True] * 10)

    def script(_account: str, request: Request) -> str:
        return "reset-before" if request.method == "POST" and b'"7"' in request.body and next(lost, False) else ""

    shops = Shops(script)
    shop = Harness(tmp_path, lines, shops, concurrency=10)
    shop.run(stop_after=0.12)
    shops.ahead = 86400
    resumed = Harness(tmp_path, lines, shops, concurrency=1).run()
    assert [result["status"] for result in resumed.results] == ["ok"] * 20
    assert [len(cart["items"]) for cart in shops.sandbox.state()["tray"][""]["carts"].values()] == [2] * 10
    assert resumed.seconds < 20


def test_a_look_of_several_reads_is_as_old_as_its_first(tmp_path: Path) -> None:
    adds = iter(["reset-after"])

    def script(_account: str, request: Request) -> str:
        if request.method == "POST":
            return next(adds, "")
        fails = request.path.endswith("/count") and asyncio.get_running_loop().time() < shops.seen[0].at + 60
        return "500-before" if fails else ""

    shops = LaggingShops(script)
    other = {"op": "cart.create", "account": "local-shoplo", "cart": "other", "data": {"variant_id": 5, "quantity": 1}}
    ended = Harness(tmp_path, [_lines("shoplo")[0], other], shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 2
    assert sum(seen.request.method == "POST" for seen in shops.seen) == 2


@pytest.mark.parametrize("platform", ADDS)
def test_an_add_that_was_lost_on_the_way_is_said_again_once_a_second_look_does_not_show_it(
    tmp_path: Path, platform: str
) -> None:
    adds = iter(["", "reset-before"])
    shops = Shops(lambda _account, request: next(adds, "") if request.method == "POST" else "")
    ended = Harness(tmp_path, _lines(platform), shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 2
    posts = [seen.at for seen in shops.seen if seen.request.method == "POST"]
    assert len(posts) == 3
    assert 3.5 <= posts[2] - posts[1] < 10


def test_a_cart_is_deleted_with_lines_that_its_list_does_not_show_yet(tmp_path: Path) -> None:
    shops = LaggingShops()
    lines = [*_lines("shoplo"), {"op": "cart.delete", "account": "local-shoplo", "cart": "c"}]
    ended = Harness(tmp_path, lines, shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 3
    assert not any(cart["items"] for cart in shops.sandbox.state()["shoplo"][""]["carts"].values())


def test_a_cart_whose_read_lacked_what_was_just_added_is_no_witness_for_another_add_of_it(tmp_path: Path) -> None:
    cart = {"account": "local-tray", "cart": "c"}
    add = {"data": {"product_id": "7", "quantity": 2}, **cart}
    update = {"op": "cart.update", "data": {"email": "a@example.com"}, **cart}  # after it lines are read before an add
    adds = iter(["", "reset-before"])
    shops = LaggingShops(lambda _account, request: next(adds, "") if request.method == "POST" else "")
    ended = Harness(tmp_path, [{"op": "cart.create", **add}, update, {"op": "item.add", **add}], shops).run()
    assert [result["status"] for result in ended.results] == ["ok", "ok", "in_doubt"]


@pytest.mark.parametrize("platform", ["3dcart", "shoplo"])
def test_a_line_that_is_still_shown_after_its_delete_is_not_taken_for_a_new_one(tmp_path: Path, platform: str) -> None:
    create, add = _lines(platform)
    cart = {"account": f"local-{platform}", "cart": "c"}
    delete = {"op": "item.delete", "item": "i", **cart}
    adds = iter(["", "", "reset-before"])
    shops = LaggingShops(
        lambda _account, request: next(adds, "") if request.method == "POST" else "", latency=lambda: 0.4, lag=1.6
    )
    ended = Harness(tmp_path, [create, add, delete, {**add, "item": "j"}], shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 4
    held = shops.sandbox.state()[platform][""]["carts"].values()
    assert ended.results[3]["item_id"] in [key for each in held for key in each["items"]]


@pytest.mark.parametrize("platform", ["3dcart", "shoplo"])
def test_a_line_that_is_not_shown_yet_is_not_taken_for_a_deleted_one(tmp_path: Path, platform: str) -> None:
    deletes = iter(["reset-before", "reset-before"])
    shops = LaggingShops(lambda _account, request: next(deletes, "") if request.method == "DELETE" else "")
    delete = {"op": "item.delete", "item": "i", "account": f"local-{platform}", "cart": "c"}
    ended = Harness(tmp_path, [*_lines(platform), delete], shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 3
    held = shops.sandbox.state()[platform][""]["carts"].values()
    assert ended.results[1]["item_id"] not in [key for each in held for key in each["items"]]


@pytest.mark.parametrize("platform", ["3dcart", "shoplo"])
def test_an_update_that_did_not_happen_is_not_ok_because_its_line_held_the_same_before_another(
    tmp_path: Path, platform: str
) -> None:
    quantity = "ItemQuantity" if platform == "3dcart" else "quantity"
    update = {"op": "item.update", "item": "i", "account": f"local-{platform}", "cart": "c"}
    updates = iter(["", "page-200"])
    shops = LaggingShops(
        lambda _account, request: next(updates, "") if request.method == "PUT" else "", latency=lambda: 0.4, lag=2.0
    )
    lines = [*_lines(platform), {**update, "data": {quantity: 9}}, {**update, "data": {quantity: 2}}]
    ended = Harness(tmp_path, lines, shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 4
    puts = [json.loads(seen.request.body) for seen in shops.seen if seen.request.method == "PUT"]
    assert puts[1:] == [puts[1]] * 2
