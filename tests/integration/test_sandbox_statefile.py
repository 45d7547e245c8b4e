"""A sandbox with a state file goes on after its death as if nothing had happened."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from batchcart.model.errors import UsageError
from batchcart.sandbox import Sandbox

BEARER = {"Authorization": "Bearer b", "app-id": "1"}


@asynccontextmanager
async def shoplo(path: Path) -> AsyncIterator[tuple[Sandbox, Any]]:
    sandbox = Sandbox(limits={"shoplo": ()}, state_file=path)
    async with sandbox.serving(), aiohttp.ClientSession(headers=BEARER) as client:

        async def ask(method: str, route: str, **cart: Any) -> Any:
            url = f"{sandbox.address('shoplo', 's')}/services/{route}"
            async with client.request(method, url, json={"cart": cart}) as answer:
                return await answer.json()

        yield sandbox, ask


async def filled(path: Path) -> dict[str, Any]:
    async with shoplo(path) as (sandbox, ask):
        for variant in (1, 2, 3):
            await ask("POST", "carts", variant_id=variant, quantity=1, user_key="k")
        await ask("PUT", "carts/2", quantity=9)
        await ask("DELETE", "carts/1")
        return sandbox.state()


async def test_carts_come_back_after_a_restart(tmp_path: Path) -> None:
    before = await filled(tmp_path / "state")
    assert Sandbox(state_file=tmp_path / "state").state() == before
    assert list(before["shoplo"]["s"]["carts"]["k"]["items"]) == ["2", "3"]


async def test_ids_are_not_given_out_twice(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    async with shoplo(tmp_path / "state") as (_, ask):
        answer = await ask("POST", "carts", variant_id=1, quantity=1, user_key="l")
        assert answer["cart"]["id"] == 4
        assert [line["id"] for line in (await ask("GET", "carts"))["carts"]] == [2, 3, 4]


async def test_a_line_is_found_by_its_id_after_a_restart(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    async with shoplo(tmp_path / "state") as (_, ask):
        assert (await ask("GET", "carts/2"))["cart"]["quantity"] == 9
        assert (await ask("GET", "carts/1"))["error"] == 404


async def test_a_deleted_cart_stays_deleted(tmp_path: Path) -> None:
    async with shoplo(tmp_path / "state") as (_, ask):
        await ask("POST", "carts", variant_id=1, quantity=1, user_key="k")
        await ask("DELETE", "carts/1")
    assert Sandbox(state_file=tmp_path / "state").state()["shoplo"]["s"]["carts"] == {}


@pytest.mark.parametrize("torn", ['{"platform": "sho', '{"platform": "shoplo", "shop": "s"}'])
async def test_a_torn_last_line_is_ignored(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "state"
    before = await filled(path)
    with path.open("a") as file:
        file.write(torn)
    async with shoplo(path) as (sandbox, ask):
        assert sandbox.state() == before
        await ask("PUT", "carts/2", quantity=5)
        after = sandbox.state()
    assert Sandbox(state_file=path).state() == after


async def test_the_file_holds_no_more_than_the_carts_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state"
    await filled(path)
    async with shoplo(path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["cart"] for line in lines if "cart" in line] == ["k"]


async def test_renewed_tokens_come_back_after_a_restart(tmp_path: Path) -> None:
    statuses = []
    pair = {"access_token": "a", "refresh_token": "r"}
    for _ in range(2):
        sandbox = Sandbox(state_file=tmp_path / "state")
        async with sandbox.serving(), aiohttp.ClientSession() as client:
            base = sandbox.address("tray")
            for old in ("a", pair["access_token"]):
                async with client.get(f"{base}/carts/x", params={"access_token": old}) as answer:
                    statuses.append(answer.status)
            async with client.get(f"{base}/auth?refresh_token={pair['refresh_token']}") as answer:
                pair = await answer.json()
    assert statuses == [404, 404, 401, 404]


async def test_the_file_holds_no_token_that_a_client_showed_or_got(tmp_path: Path) -> None:
    sandbox = Sandbox(state_file=tmp_path / "state")
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        base = sandbox.address("tray")
        async with client.get(f"{base}/carts/x?access_token=a-real-token-perhaps"):
            pass
        async with client.get(f"{base}/auth?refresh_token=its-refresh-token") as answer:
            fresh = await answer.json()
    kept = (tmp_path / "state").read_text()
    assert not [token for token in ("a-real-token", "its-refresh", fresh["access_token"]) if token in kept]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"platform": 1, "shop": "s", "last_id": 1}',
        '{"platform": "no-such", "shop": "s", "last_id": 1}',
        '{"platform": "shoplo", "shop": "s", "last_id": "x", "cart": "k", "document": null}',
        '{"platform": "shoplo", "shop": "s", "last_id": 1, "cart": "k", "document": {"items": {"x": {}}}}',
        '{"platform": "shoplo", "shop": "s", "last_id": 1, "cart": "k", "document": {}}',
        '{"platform": "tray", "shop": "s", "last_id": 1, "tokens": {"access": 5}}',
    ],
)
def test_a_file_that_no_sandbox_wrote_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "state").write_text(f"{line}\n")
    with pytest.raises(UsageError, match=r"platform 'no-such'|line 1 is not what a sandbox wrote"):
        Sandbox(state_file=tmp_path / "state")


SERVER = """
import asyncio, sys
from pathlib import Path
from batchcart.sandbox import Sandbox

async def main():
    async with Sandbox(state_file=Path(sys.argv[1])).serving() as origin:
        print(origin, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state"
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    origin = (await server.stdout.readline()).decode().strip()
    assert origin, f"the sandbox ended with exit code {await server.wait()} at its start"
    cart = {"Cart": {"session_id": "s", "product_id": "1", "quantity": "2"}}
    async with aiohttp.ClientSession() as client:
        for _ in range(20):
            async with client.post(f"{origin}/tray/web_api/carts?access_token=a", json=cart) as answer:
                assert answer.status == 201
    server.kill()
    await server.wait()
    (line,) = Sandbox(state_file=path).state()["tray"][""]["carts"]["s"]["items"].values()
    assert line["quantity"] == "40"
