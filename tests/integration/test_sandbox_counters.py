"""The sandbox tells what it saw: requests, effects in order, repeats, overlaps; and that it is a sandbox."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from batchcart.model.errors import UsageError
from batchcart.sandbox import Sandbox
from batchcart.sandbox.messages import Call


class Loja:
    """A client of simulated Tray shops."""

    def __init__(self, sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.client = client

    async def add(self, cart: str, product: int, shop: str = "") -> None:
        url = f"{self.sandbox.address('tray', shop)}/carts?access_token=a"
        body = {"Cart": {"session_id": cart, "product_id": product, "quantity": 1}}
        async with self.client.post(url, json=body) as answer:
            await answer.read()

    def saw(self, shop: str = "") -> Any:
        return self.sandbox.counters()["tray"][shop]


@pytest.fixture
async def loja() -> AsyncIterator[Loja]:
    sandbox = Sandbox()
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        yield Loja(sandbox, client)


async def test_requests_are_counted_by_method_and_route(loja: Loja) -> None:
    for cart in ("s", "t"):
        await loja.add(cart, 1)
        async with loja.client.get(f"{loja.sandbox.address('tray')}/carts/{cart}?access_token=a"):
            pass
    assert loja.saw()["requests"] == {"POST carts": 2, "GET carts/{session_id}": 2}
    assert loja.saw()["answered"] == {"200": 2, "201": 2}


async def test_effects_of_a_cart_stand_in_their_order(loja: Loja) -> None:
    for cart, product in (("s", 3), ("t", 9), ("s", 1), ("s", 2)):
        await loja.add(cart, product)
    log = loja.saw()["carts"]["s"]["effects"]
    assert [(each["sequence"], each["verb"], each["subject"]) for each in log] == [
        (1, "create", "3"),
        (3, "add", "1"),
        (4, "add", "2"),
    ]


async def test_the_same_words_again_on_one_cart_are_a_repeat(loja: Loja) -> None:
    for cart, product in (("s", 1), ("s", 1), ("s", 2), ("t", 1)):
        await loja.add(cart, product)
    assert loja.saw()["repeats"] == {"add": 1}
    assert loja.saw()["carts"]["s"]["repeats"] == {"add": 1}


async def test_shops_are_counted_apart(loja: Loja) -> None:
    await loja.add("s", 1, shop="a")
    await loja.add("s", 1, shop="b")
    assert (loja.saw("a")["effects"], loja.saw("b")["effects"]) == ({"create": 1}, {"create": 1})
    assert loja.saw()["effects"] == {}


async def test_two_calls_at_once_on_one_cart_overlap(loja: Loja) -> None:
    await asyncio.gather(loja.add("s", 1), loja.add("s", 2), loja.add("t", 1))
    assert loja.saw()["overlaps"] == 1
    assert loja.saw()["carts"]["s"]["overlapped"]
    assert not loja.saw()["carts"]["t"]["overlapped"]


async def test_one_call_after_the_other_does_not_overlap(loja: Loja) -> None:
    for product in range(20):
        await loja.add("s", product + 1)
    assert loja.saw()["overlaps"] == 0


async def test_a_call_whose_client_has_left_overlaps_with_nothing() -> None:
    sandbox = Sandbox(hook=lambda call: "hang" if b'"product_id": 1' in call.body else "")
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        loja = Loja(sandbox, client)
        for hung in range(1, 6):
            left = asyncio.ensure_future(loja.add("s", 1))
            while loja.saw()["faults"].get("hang", 0) < hung:  # noqa: ASYNC110  # the simulator's turns of this loop
                await asyncio.sleep(0)
            left.cancel()
            await asyncio.wait([left])
            await loja.add("s", 2)
        assert (loja.saw()["overlaps"], loja.saw()["faults"]) == (0, {"hang": 5})


async def test_a_late_answer_shows_who_did_not_wait_for_it() -> None:
    asked = asyncio.Event()

    def hook(call: Call) -> str:
        asked.set()
        return "delay"

    sandbox = Sandbox(hook=hook, delay=(0.05, 0.05))
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        loja = Loja(sandbox, client)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(loja.add("s", 1))
            await asked.wait()
            tasks.create_task(loja.add("s", 2))
        assert loja.saw()["overlaps"] == 1


async def test_counters_and_state_are_served_without_credentials(loja: Loja) -> None:
    await loja.add("s", 1)
    origin = loja.sandbox.origin
    async with loja.client.get(f"{origin}/sandbox/counters") as answer:
        assert await answer.json() == loja.sandbox.counters()
    async with loja.client.get(f"{origin}/sandbox/state") as answer:
        assert await answer.json() == loja.sandbox.state()


async def test_every_answer_says_that_it_is_a_simulators(loja: Loja) -> None:
    for path in (
        "/",
        "/nowhere",
        "/tray/web_api/carts/x",
        "/3dcart/3dCartWebAPI/v1/Cart/x",
        "/sandbox/state",
    ):
        async with loja.client.get(loja.sandbox.origin + path) as answer:
            assert answer.headers["Server"] == "batchcart-sandbox (a simulator)"
    async with loja.client.get(loja.sandbox.origin) as answer:
        assert "simulator" in await answer.text()


async def test_an_unknown_route_is_not_found_in_the_platforms_form(loja: Loja) -> None:
    async with loja.client.get(f"{loja.sandbox.address('tray')}/products?access_token=a") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, 404)


async def test_a_shops_name_may_hold_any_character(loja: Loja) -> None:
    await loja.add("s", 1, shop="são/1 %")
    assert loja.saw("são/1 %")["effects"] == {"create": 1}


async def test_a_taken_port_is_named(loja: Loja) -> None:
    port = int(loja.sandbox.origin.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: .*; give another --port"):
        async with Sandbox().serving(port):
            pass
