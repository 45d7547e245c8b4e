"""Faults strike as often as asked, do what they say on the wire, and leave the effect they promise."""

import asyncio
import contextlib
import importlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from batchcart.model.errors import UsageError
from batchcart.sandbox import Fault, Sandbox, parse_fault
from batchcart.sandbox.faults import KINDS, fault_injector
from batchcart.sandbox.messages import Call
from batchcart.sandbox.platforms.tray.tokens import hash_token

CART = {"Cart": {"session_id": "s", "product_id": "1", "quantity": "1"}}
DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@asynccontextmanager
async def troubled(kind: str, **options: Any) -> AsyncIterator[tuple[Sandbox, Callable[[], Any]]]:
    """A sandbox whose Tray shop meets ``kind`` once, and a way to add one product to a cart there."""
    kinds = iter([kind])

    def hook(call: Call) -> str:
        return next(kinds, "")

    sandbox = Sandbox(hook=hook, **options)
    async with sandbox.serving(), aiohttp.ClientSession() as client:

        async def add() -> tuple[int, bytes]:
            url = f"{sandbox.address('tray')}/carts?access_token=a"
            async with client.post(url, json=CART) as answer:
                return answer.status, await answer.read()

        yield sandbox, add


def quantity(sandbox: Sandbox) -> int:
    cart = sandbox.state()["tray"][""]["carts"].get("s", {"items": {}})
    return sum(int(line["quantity"]) for line in cart["items"].values())


@pytest.mark.parametrize(("kind", "effect"), [("refuse", 0), ("reset-before", 0), ("reset-after", 1)])
async def test_a_reset_drops_the_connection(kind: str, effect: int) -> None:
    async with troubled(kind) as (sandbox, add):
        with pytest.raises(DROPPED):
            await add()
        assert quantity(sandbox) == effect
        assert (await add())[0] == 201


async def test_a_refused_call_is_not_counted_as_a_request() -> None:
    async with troubled("refuse") as (sandbox, add):
        with pytest.raises(DROPPED):
            await add()
        saw = sandbox.counters()["tray"][""]
    assert (saw["requests"], saw["worst"], saw["faults"]) == ({}, {}, {"refuse": 1})


@pytest.mark.parametrize(("kind", "effect"), [("hang", 0), ("hang-after", 1)])
async def test_a_hanging_call_is_never_answered(kind: str, effect: int) -> None:
    async with troubled(kind) as (sandbox, add):
        asked = asyncio.ensure_future(add())
        while not sandbox.counters()["tray"][""]["faults"]:  # noqa: ASYNC110  # the simulator's turns of this loop
            await asyncio.sleep(0)
        await asyncio.wait([asked], timeout=0.2)
        assert not asked.done()
        asked.cancel()
        assert quantity(sandbox) == effect


async def test_stopping_does_not_wait_for_hanging_calls() -> None:
    struck = asyncio.Event()

    def hook(call: Call) -> str:
        struck.set()
        return "hang"

    async def dropped(sandbox: Sandbox) -> None:
        with pytest.raises(DROPPED):
            async with aiohttp.ClientSession() as client, client.get(f"{sandbox.address('tray')}/carts/x"):
                pass

    sandbox = Sandbox(hook=hook)
    async with asyncio.TaskGroup() as tasks, sandbox.serving():
        tasks.create_task(dropped(sandbox))
        await struck.wait()
        began = time.perf_counter()
    assert time.perf_counter() - began < 30


async def test_a_late_answer_is_late_and_whole() -> None:
    async with troubled("delay", delay=(0.1, 0.1)) as (sandbox, add):
        began = time.perf_counter()
        assert (await add())[0] == 201
        assert time.perf_counter() - began >= 0.1
        assert quantity(sandbox) == 1


async def test_a_truncated_answer_ends_before_its_length() -> None:
    async with troubled("truncate") as (sandbox, add):
        with pytest.raises(aiohttp.ClientPayloadError):
            await add()
        assert quantity(sandbox) == 1


async def test_a_bad_gateway_is_a_page_of_html_without_effect() -> None:
    async with troubled("html-502") as (sandbox, add):
        status, body = await add()
        assert (status, body[:6], quantity(sandbox)) == (502, b"<html>", 0)


@pytest.mark.parametrize(("kind", "effect"), [("500-before", 0), ("500-after", 1)])
async def test_a_500_comes_before_or_after_the_effect(kind: str, effect: int) -> None:
    async with troubled(kind) as (sandbox, add):
        assert ((await add())[0], quantity(sandbox)) == (500, effect)


async def test_a_plain_500_is_sometimes_before_and_sometimes_after() -> None:
    outcomes = set()
    for seed in range(6):
        async with troubled("500", seed=seed) as (sandbox, add):
            assert (await add())[0] == 500
            outcomes.add(quantity(sandbox))
    assert outcomes == {0, 1}


async def test_a_429_by_fault_has_retry_after_and_no_effect() -> None:
    sandbox = Sandbox(faults=[Fault("429", 1)])
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        answer = await client.post(f"{sandbox.address('tray')}/carts?access_token=a", json=CART)
    assert (answer.status, answer.headers["Retry-After"], quantity(sandbox)) == (429, "1", 0)


async def test_a_401_by_fault_lasts_until_the_token_is_renewed() -> None:
    async with troubled("401") as (sandbox, add):
        for _ in range(2):
            status, body = await add()
            assert (status, json.loads(body)["error_code"]) == (401, 1000)
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{sandbox.address('tray')}/auth?refresh_token=r") as pair,
        ):
            token = (await pair.json())["access_token"]
        assert sandbox.shop("tray").shop.tokens.access == hash_token(token)
        assert quantity(sandbox) == 0


async def test_a_renewal_is_never_refused_by_a_401_fault() -> None:
    sandbox = Sandbox(faults=[Fault("401", 1)])
    async with (
        sandbox.serving(),
        aiohttp.ClientSession() as client,
        client.get(f"{sandbox.address('tray')}/auth?refresh_token=r") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("platform", "path", "headers", "status", "needle"),
    [
        (
            "3dcart",
            "3dCartWebAPI/v1/Cart",
            {"SecureURL": "s", "PrivateKey": "p", "Token": "t"},
            401,
            '"Status":"401"',
        ),
        ("shoplo", "services/carts", {"Authorization": "Bearer b", "app-id": "1"}, 200, '"error":202'),
    ],
)
async def test_a_401_by_fault_has_the_platforms_own_form(
    platform: str, path: str, headers: dict[str, str], status: int, needle: str
) -> None:
    sandbox = Sandbox(faults=[Fault("401", 1)])
    async with sandbox.serving(), aiohttp.ClientSession(headers=headers) as client:
        answer = await client.post(f"{sandbox.address(platform)}/{path}", json={})
        assert answer.status == status
        assert needle in await answer.text()


async def test_a_shop_that_is_down_comes_up_again() -> None:
    async with troubled("") as (sandbox, add):
        endpoint = sandbox.shop("tray")
        endpoint.down = "503"
        assert (await add())[0] == 503
        endpoint.down = "reset"
        with pytest.raises(DROPPED):
            await add()
        endpoint.down = ""
        assert (await add())[0] == 201
        assert (sandbox.counters()["tray"][""]["turned_away"], quantity(sandbox)) == (2, 1)


async def test_while_refusing_nobody_listens() -> None:
    async with troubled("") as (sandbox, add):
        async with sandbox.refusing():
            with pytest.raises(aiohttp.ClientConnectorError):
                await add()
        assert (await add())[0] == 201
        assert quantity(sandbox) == 1


@pytest.mark.parametrize("kind", list(KINDS))
async def test_no_fault_is_an_error_of_the_server_itself(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with troubled(kind) as (_, add):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await asyncio.wait_for(add(), 0.5)
    assert caplog.records == []


async def test_the_hook_hits_exactly_one_request() -> None:
    def second_product(call: Call) -> str | None:
        return "500-before" if call.route == "POST carts" and b'"2"' in call.body else None

    sandbox = Sandbox(hook=second_product)
    statuses = []
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        for product in ("1", "2", "3"):
            url = f"{sandbox.address('tray')}/carts?access_token=a"
            cart = {"Cart": {"session_id": "s", "product_id": product, "quantity": 1}}
            async with client.post(url, json=cart) as answer:
                statuses.append(answer.status)
    assert statuses == [201, 500, 201]


def test_faults_strike_at_their_rate_and_alike_for_one_seed() -> None:
    faults = [parse_fault("hang=0.2"), parse_fault("500=0.1")]
    first, again = (fault_injector(faults, 7, "tray", "") for _ in range(2))
    struck = [first.draw() for _ in range(5000)]
    assert struck == [again.draw() for _ in range(5000)]
    assert struck.count("hang") / 5000 == pytest.approx(0.2, abs=0.03)
    assert struck.count("500") / 5000 == pytest.approx(0.1, abs=0.03)


def test_another_seed_or_shop_has_other_luck() -> None:
    faults = [Fault("hang", 0.5)]
    lucks = [fault_injector(faults, seed, "tray", shop) for seed, shop in ((1, "a"), (2, "a"), (1, "b"))]
    runs = {tuple(luck.draw() for _ in range(50)) for luck in lucks}
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hang=0.05", Fault("hang", 0.05)),
        ("reset-after:tray=1", Fault("reset-after", 1, "tray")),
        ("429:shoplo/sklep=0.5", Fault("429", 0.5, "shoplo", "sklep")),
    ],
)
def test_a_fault_is_read_as_it_is_written(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hangs=0.1", "did you mean 'hang'?"),
        ("hang:trai=0.1", "did you mean 'tray'?"),
        ("zzz=1", "there are refuse, reset-before"),
        ("hang=2", "from 0 to 1"),
        ("hang=often", "'often' in 'hang=often' is not a rate"),
        ("hang", "write KIND=RATE"),
    ],
)
def test_a_fault_that_is_none_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_fault(text)
    assert message in str(refused.value)


def test_rates_above_one_together_are_refused() -> None:
    with pytest.raises(UsageError, match=r"add up to more than 1: hang=0.6, 500:tray=0.6"):
        Sandbox(faults=[Fault("hang", 0.6), Fault("500", 0.6, "tray")])


def test_a_fault_concerns_its_platform_and_shop_only() -> None:
    faults = [Fault("hang", 1, "tray", "a")]
    places = [("tray", "a"), ("tray", "b"), ("shoplo", "a")]
    assert [fault_injector(faults, 0, *place).draw() for place in places] == ["hang", "", ""]


def test_the_words_for_faults_do_not_need_aiohttp() -> None:
    script = "import sys, batchcart.sandbox.faults, batchcart.sandbox; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_package_offers_only_its_three_names() -> None:
    package = importlib.import_module("batchcart.sandbox")
    assert package.Sandbox is Sandbox
    with pytest.raises(AttributeError):
        _ = package.Sandcastle
