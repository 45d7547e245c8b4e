"""The sandbox holds each account to its limits exactly, and remembers how close clients came."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from platform_parts import CLOSELY_KNOWN

from batchcart.model.errors import UsageError
from batchcart.model.limits import parse_limit
from batchcart.sandbox import Sandbox
from batchcart.sandbox.rate_meters import Meter, meter

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def admitted(metered: Meter, *times: float) -> list[float]:
    return [time for time in times if metered.arrive(time) == 0]


def test_a_window_admits_its_count_wherever_it_begins() -> None:
    metered = meter([parse_limit("3/min")])
    assert admitted(metered, 0, 50, 59, 59.9, 60, 109.9, 110, 119) == [0, 50, 59, 60, 110, 119]


def test_a_window_tells_when_it_has_room_again() -> None:
    metered = meter([parse_limit("2/min")])
    admitted(metered, 0, 40)
    assert metered.arrive(45) == pytest.approx(15)
    assert metered.arrive(60) == 0


def test_a_bucket_takes_its_size_at_once_and_then_what_leaks() -> None:
    metered = meter([parse_limit("bucket 3 leak 2/s")])
    assert admitted(metered, 0, 0, 0, 0, 0.4, 0.5, 0.9, 1.0) == [0, 0, 0, 0.5, 1.0]
    assert metered.arrive(1.0) == pytest.approx(0.5)


def test_what_is_refused_uses_nothing_up() -> None:
    metered = meter([parse_limit("1/s"), parse_limit("3/min")])
    assert admitted(metered, 0, 0.1, 0.2, 0.3, 1, 1.1, 2, 3) == [0, 1, 2]


def test_the_worst_window_counts_every_arrival() -> None:
    metered = meter([parse_limit("2/s"), parse_limit("bucket 2 leak 1/s")])
    admitted(metered, 0, 0.5, 0.9, 5, 5.1)
    assert metered.worst() == {"2/s": 3, "bucket 2 leak 1/s": 2.1}


class Shopper:
    """A client that sends at the times it is told."""

    def __init__(self, client: aiohttp.ClientSession, limit: str, **options: Any) -> None:
        self.now = 0.0
        self.client = client
        self.sandbox = Sandbox(
            limits={"tray": [parse_limit(limit)]},
            clock=lambda: self.now,
            wall=lambda: NOON + timedelta(seconds=self.now),
            **options,
        )

    async def send(self, at: float = 0, shop: str = "", token: str = "a") -> aiohttp.ClientResponse:
        self.now = at
        url = f"{self.sandbox.address('tray', shop)}/carts?access_token={token}"
        cart = {"Cart": {"session_id": "s", "product_id": "1", "quantity": "1"}}
        async with self.client.post(url, json=cart) as answer:
            await answer.read()
            return answer


async def test_over_the_limit_is_429_with_retry_after_and_no_effect() -> None:
    async with aiohttp.ClientSession() as client:
        shopper = Shopper(client, "1/min")
        async with shopper.sandbox.serving():
            assert (await shopper.send(0)).status == 201
            refused = await shopper.send(12.5)
            assert (refused.status, refused.headers["Retry-After"]) == (429, "48")
            assert (await shopper.send(12.5 + 48)).status == 201
        saw = shopper.sandbox.counters()["tray"][""]
    assert (saw["throttled"], saw["effects"], saw["worst"]) == (1, {"create": 1, "add": 1}, {"1/min": 2})


async def test_retry_after_may_be_a_date() -> None:
    async with aiohttp.ClientSession() as client:
        shopper = Shopper(client, "1/min", retry_after="date")
        async with shopper.sandbox.serving():
            await shopper.send(0)
            refused = await shopper.send(20)
    assert parsedate_to_datetime(refused.headers["Retry-After"]) >= NOON + timedelta(seconds=60)


async def test_retry_after_may_be_left_out() -> None:
    async with aiohttp.ClientSession() as client:
        shopper = Shopper(client, "1/min", retry_after="none")
        async with shopper.sandbox.serving():
            await shopper.send(0)
            assert "Retry-After" not in (await shopper.send(20)).headers


async def test_shops_do_not_use_up_each_others_limits() -> None:
    async with aiohttp.ClientSession() as client:
        shopper = Shopper(client, "1/min")
        async with shopper.sandbox.serving():
            statuses = [(await shopper.send(shop=shop)).status for shop in ("a", "b", "a", "b")]
    assert statuses == [201, 201, 429, 429]


async def test_all_tokens_of_a_tray_shop_share_its_limit() -> None:
    async with aiohttp.ClientSession() as client:
        shopper = Shopper(client, "1/min")
        async with shopper.sandbox.serving():
            assert [(await shopper.send(token=token)).status for token in "ab"] == [201, 429]


@pytest.mark.parametrize(
    ("platform", "path", "headers"),
    [
        ("3dcart", "3dCartWebAPI/v1/Cart/x", {"SecureURL": "s", "PrivateKey": "p", "Token": "{}"}),
        ("shoplo", "services/carts", {"Authorization": "Bearer {}", "app-id": "1"}),
    ],
)
async def test_each_token_has_its_own_limit(platform: str, path: str, headers: dict[str, str]) -> None:
    sandbox = Sandbox(limits={platform: [parse_limit("1/min")]})
    statuses = []
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        for token in ("a", "b", "a", "b"):
            filled = {name: value.format(token) for name, value in headers.items()}
            async with client.get(f"{sandbox.address(platform)}/{path}", headers=filled) as answer:
                statuses.append(answer.status)
    assert [status == 429 for status in statuses] == [False, False, True, True]
    assert sandbox.counters()[platform][""]["accounts"] == 2


async def test_a_shop_may_have_its_own_limit() -> None:
    sandbox = Sandbox(limits={"tray": (), "tray/small": [parse_limit("1/min")]})
    statuses = []
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        for shop in ("small", "small", "", ""):
            async with client.get(f"{sandbox.address('tray', shop)}/carts/x?access_token=a") as answer:
                statuses.append(answer.status)
    assert statuses == [404, 429, 404, 404]


def test_the_documented_limits_hold_by_default() -> None:
    counters = {name: [str(limit) for limit in Sandbox().shop(name).limits] for name in CLOSELY_KNOWN}
    assert counters == {
        "3dcart": ["bucket 50 leak 2/s"],
        "tray": ["180/min", "10000/day"],
        "shoplo": ["2/s"],
    }


def test_a_limit_for_an_unknown_platform_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no simulator of a platform 'trey'; did you mean 'tray'"):
        Sandbox(limits={"trey": ()})
