"""A shop, or a cache in front of it, that answers one request with another's answer: it is nobody's yes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from engine_harness import Harness, Line
from in_memory_shops import Shops

from batchcart.accounts.config import Account
from batchcart.model.http import Reply, Request


@dataclass
class CachingShops(Shops):
    """Shops that act on each POST, and answer the third to a path, and later ones, with the second one's answer."""

    answers: dict[str, list[Reply]] = field(default_factory=dict)
    distinct: int = 2
    takes: float = 0.0  # seconds

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        reply = await super().answer(account, journal, request, leaving)
        await asyncio.sleep(self.takes)
        if request.method != "POST":
            return reply
        given = self.answers.setdefault(request.path, [])
        if len(given) < self.distinct:
            given.append(reply)
        return reply if reply in given else given[-1]


def _create(platform: str, cart: str, number: int) -> Line:
    data = {"BillingCity": str(number)} if platform == "3dcart" else {"product_id": number, "quantity": 2}
    return {"op": "cart.create", "account": f"local-{platform}", "cart": cart, "data": data}


@pytest.mark.parametrize(("platform", "status"), [("3dcart", "in_doubt"), ("tray", "ok")])
def test_a_cart_that_one_line_was_given_is_not_given_to_another(tmp_path: Path, platform: str, status: str) -> None:
    job = [_create(platform, cart, number) for number, cart in enumerate("abc", 5)]
    ended = Harness(tmp_path, job, CachingShops()).run()
    results = sorted(ended.results, key=lambda result: "error" in result or result["attempts"])
    *firsts, last = results
    assert [result["status"] for result in firsts] == ["ok", "ok"]
    assert last["status"] == status
    if status == "ok":
        assert len({result["session_id"] for result in results}) == 3
    else:
        owner = next(result["line"] for result in firsts if f"the cart that line {result['line']} created" in str(last))
        assert owner != last["line"]


@pytest.mark.parametrize(("platform", "status"), [("3dcart", "in_doubt"), ("tray", "ok")])
def test_a_cart_that_an_earlier_start_of_the_run_was_given_is_not_given_to_another_line(
    tmp_path: Path, platform: str, status: str
) -> None:
    job = [_create(platform, cart, number) for number, cart in enumerate("abc", 5)]
    harness = Harness(tmp_path, job, CachingShops(takes=1.0), concurrency=1)
    assert [result["status"] for result in harness.run(stop_after=1.5).results] == ["ok", "ok"]
    results = harness.run().results
    assert [result["status"] for result in results] == ["ok", "ok", status]
    assert ("the cart that line 2 created" in str(results[2])) == (status == "in_doubt")
    assert len({result.get("cart_id") or result.get("session_id") for result in results}) == 3


def test_a_cart_whose_key_the_job_chose_is_not_given_to_another_line(tmp_path: Path) -> None:
    lines = [{**_create("tray", "a", 5), "cart_id": "chosen"}, _create("tray", "b", 6)]
    ended = Harness(tmp_path, lines, CachingShops(), concurrency=1).run()
    assert [(result["status"], result["session_id"] == "chosen") for result in ended.results] == [
        ("ok", True),
        ("ok", False),
    ]


def test_an_item_id_of_another_product_is_no_yes_to_an_add(tmp_path: Path) -> None:
    ended = Harness(tmp_path, [_create("3dcart", "a", 1), *_adds(5, 6, 7)], CachingShops()).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 4
    assert len({result["item_id"] for result in ended.results[1:]}) == 3


def test_a_stub_that_answers_everything_alike_can_be_tried(tmp_path: Path) -> None:
    job = [_create("3dcart", cart, number) for number, cart in enumerate("bcd", 5)]
    job += [_create("3dcart", "a", 1), *_adds(5, 6, 7)]
    ended = Harness(tmp_path, job, CachingShops(distinct=1)).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 7
    assert all(result["attempts"] == 1 for result in ended.results)


def _adds(*numbers: int) -> list[Line]:
    return [
        {"op": "item.add", "account": "local-3dcart", "cart": "a", "item": f"i{n}", "data": _item(n)} for n in numbers
    ]


def _item(number: int) -> Line:
    return {"CatalogID": number, "ItemQuantity": 2}
