"""A shop, or a cache in front of it, that answers one request with another's answer: it is nobody's yes."""

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
    """Shops that act on each POST, and answer those to the same path with the first one's answer."""

    first: dict[str, Reply] = field(default_factory=dict)

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        reply = await super().answer(account, journal, request, leaving)
        return self.first.setdefault(request.path, reply) if request.method == "POST" else reply


def _create(platform: str, cart: str, number: int) -> Line:
    data = {"BillingCity": str(number)} if platform == "3dcart" else {"product_id": number, "quantity": 2}
    return {"op": "cart.create", "account": f"local-{platform}", "cart": cart, "data": data}


@pytest.mark.parametrize(("platform", "status"), [("3dcart", "in_doubt"), ("tray", "ok")])
def test_a_cart_that_one_line_was_given_is_not_given_to_another(tmp_path: Path, platform: str, status: str) -> None:
    ended = Harness(tmp_path, [_create(platform, "a", 5), _create(platform, "b", 6)], CachingShops()).run()
    results = sorted(ended.results, key=lambda result: result["line"])
    first, second = sorted(results, key=lambda result: "error" in result or result["attempts"])
    assert first["status"] == "ok"
    assert second["status"] == status
    if status == "ok":
        assert first["session_id"] != second["session_id"]
    else:
        assert f"the cart that line {first['line']} created" in second["error"]["message"]


def test_an_item_id_of_another_product_is_no_yes_to_an_add(tmp_path: Path) -> None:
    adds: list[Line] = [
        {"op": "item.add", "account": "local-3dcart", "cart": "a", "item": f"i{n}", "data": _item(n)} for n in (5, 6)
    ]
    ended = Harness(tmp_path, [_create("3dcart", "a", 1), *adds], CachingShops()).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 3
    assert ended.results[1]["item_id"] != ended.results[2]["item_id"]


def _item(number: int) -> Line:
    return {"CatalogID": number, "ItemQuantity": 2}
