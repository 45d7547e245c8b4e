"""Shops that act seconds after they said that they failed, as backends do behind a gateway that gave them up."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from engine_harness import Harness, Line
from in_memory_shops import Shops

from batchcart.accounts.config import Account
from batchcart.model.http import Reply, Request, Response

LINES: dict[str, tuple[Line, Line]] = {
    "3dcart": (
        {"op": "cart.update", "data": {"BillingCity": "Tampa"}},
        {"op": "cart.update", "data": {"BillingCity": "Miami"}},
    ),
    "tray": (
        {"op": "cart.update", "data": {"email": "a@x.example"}},
        {"op": "cart.update", "data": {"email": "b@x.example"}},
    ),
    "shoplo": (
        {"op": "discount.set", "item": "i", "data": {"discount_type": "2", "discount_value": "30"}},
        {"op": "discount.delete", "item": "i"},
    ),
}


@dataclass
class LateShops(Shops):
    """Shops that answer the first PUT with ``reply``, and act on it ``late`` seconds after that."""

    reply: Reply = field(default_factory=lambda: Response(503))
    late: float = 3.0
    acted: list[Request] = field(default_factory=list)
    under_way: asyncio.Task[Reply] | None = None

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        if request.method == "PUT" and self.under_way is None:
            self.under_way = asyncio.create_task(self._act_late(account, journal, request))
            leaving()
            await asyncio.sleep(0.05)
            return self.reply
        if request.writes:
            self.acted.append(request)
        return await super().answer(account, journal, request, leaving)

    async def _act_late(self, account: Account, journal: Path, request: Request) -> Reply:
        await asyncio.sleep(self.late)
        self.acted.append(request)
        return await super().answer(account, journal, request, lambda: None)


@pytest.mark.parametrize("platform", LINES)
def test_an_update_that_was_lost_and_repeated_is_left_to_land_before_the_next_write_of_its_cart(
    tmp_path: Path, platform: str
) -> None:
    cart = {"account": f"local-{platform}", "cart": "c"}
    made = {"tray": {"product_id": 5, "quantity": 2}, "shoplo": {"variant_id": 5, "quantity": 2}}
    create = {"op": "cart.create", "data": made.get(platform, {}), **({"item": "i"} if platform == "shoplo" else {})}
    shops = LateShops()
    lines = [{**line, **cart} for line in (create, *LINES[platform])]
    ended = Harness(tmp_path, lines, shops).run()
    assert [result["status"] for result in ended.results] == ["ok"] * 3
    first, late, second = shops.acted[1:]
    assert first.body == late.body
    assert second.body != late.body
