"""A simulated Tray shop answers as S003 prints, asked over a real socket."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from batchcart.sandbox import Sandbox

NOON = datetime(2026, 11, 21, 15, 0, 0, tzinfo=UTC)


class Loja:
    """A client of one simulated shop."""

    def __init__(self, sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.client = client

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        url = f"{self.sandbox.address('tray', 'loja')}/{path}"
        params = {"access_token": "a"} | query
        async with self.client.request(method, url, json=body, params=params) as answer:
            return answer.status, json.loads(await answer.read())

    async def put_in(self, **cart: Any) -> str:
        status, answer = await self.ask("POST", "carts", {"Cart": cart})
        assert status == 201
        number: str = answer["id"]
        return number

    async def lines(self, key: str) -> list[dict[str, Any]]:
        status, answer = await self.ask("GET", f"carts/{key}")
        assert status == 200
        return [row["Cart"] for row in answer]


@pytest.fixture
async def loja() -> AsyncIterator[Loja]:
    sandbox = Sandbox(limits={"tray": ()}, wall=lambda: NOON)
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        yield Loja(sandbox, client)


async def test_a_create_answers_line_session_and_address(loja: Loja) -> None:
    cart = {"session_id": "s1", "product_id": "2", "quantity": "4"}
    assert await loja.ask("POST", "carts", {"Cart": cart}) == (
        201,
        {
            "message": "Created",
            "id": "1",
            "session_id": "s1",
            "cart_url": "http://loja.commercesuite.com.br/loja/carrinho.php?loja=123123&transID=s1&hash=",
            "code": 201,
        },
    )


@pytest.mark.parametrize("variants", [("", "0"), ("0", None), (None, "")])
async def test_the_same_product_again_adds_to_its_line(loja: Loja, variants: tuple[str | None, ...]) -> None:
    numbers = [await loja.put_in(session_id="s1", product_id=2, variant_id=variant, quantity=3) for variant in variants]
    (line,) = await loja.lines("s1")
    assert numbers[0] == numbers[1]
    assert (line["product_id"], line["variant_id"], line["quantity"]) == ("2", "0", "6")


async def test_another_variant_is_another_line(loja: Loja) -> None:
    for variant in ("8", "9"):
        await loja.put_in(session_id="s1", product_id=2, variant_id=variant, quantity=1)
    assert [line["variant_id"] for line in await loja.lines("s1")] == ["8", "9"]


async def test_a_line_is_shown_in_strings_and_local_time(loja: Loja) -> None:
    await loja.put_in(session_id="s1", product_id=2, quantity=1, price=50.25)
    (line,) = await loja.lines("s1")
    assert (line["price"], line["date"], line["hour"]) == ("50.25", "2026-11-21", "12:00:00")
    nested = ("product_url", "product_image")
    assert {type(value) for name, value in line.items() if name not in nested} == {str}


async def test_php_form_data_is_taken_like_json(loja: Loja) -> None:
    form = {
        "Cart[session_id]": "s1",
        "Cart[product_id]": "2",
        "Cart[quantity]": "1",
        "Cart[Shipping][name]": "Sedex",
    }
    url = f"{loja.sandbox.address('tray', 'loja')}/carts/?access_token=a"
    async with loja.client.post(url, data=form) as answer:
        assert answer.status == 201
    assert loja.sandbox.state()["tray"]["loja"]["carts"]["s1"]["shipping"] == {"name": "Sedex"}


async def test_a_cart_without_session_gets_one_made_up(loja: Loja) -> None:
    _, answer = await loja.ask("POST", "carts", {"Cart": {"product_id": "2", "quantity": "1"}})
    assert len(answer["session_id"]) <= 32
    assert len(await loja.lines(answer["session_id"])) == 1


async def test_the_complete_cart_has_totals_and_empty_arrays_for_objects(loja: Loja) -> None:
    number = await loja.put_in(session_id="s1", product_id=8, quantity=3, additional_information="nome: asas")
    _, answer = await loja.ask("GET", "carts/s1/complete")
    cart = answer["Cart"]
    assert (cart["total"], cart["Coupon"], cart["Tax"]) == ("300.00", [], [])
    (product,) = cart["Products"]
    assert (product["cart_id"], product["id"], product["quantity"]) == (number, "8", "3")
    assert (product["Variant"], product["Tax"], product["sub_total"]) == ([], [], "300.00")
    assert cart["Extensions"]["AdditionalProductInfo"][0]["information"] == "nome: asas"


async def test_a_shipping_tax_fills_the_tax_object(loja: Loja) -> None:
    await loja.put_in(session_id="s1", product_id=8, quantity=1, Shipping={"tax_name": "A", "tax_value": "2.00"})
    _, answer = await loja.ask("GET", "carts/s1/complete")
    assert answer["Cart"]["Tax"] == {"name": "A", "value": "2.00"}


async def test_an_update_answers_created_and_keeps_the_lines(loja: Loja) -> None:
    await loja.put_in(session_id="s1", product_id=2, quantity=4)
    status, answer = await loja.ask("PUT", "carts/s1", {"Cart": {"email": "a@b.c", "date": "2018-11-13"}})
    (line,) = await loja.lines("s1")
    assert (status, answer["message"], answer["code"], "id" in answer) == (201, "Created", 201, False)
    assert (line["email"], line["date"], line["quantity"]) == ("a@b.c", "2018-11-13", "4")


async def test_a_deleted_cart_is_not_found_again(loja: Loja) -> None:
    await loja.put_in(session_id="s1", product_id=2, quantity=4)
    status, answer = await loja.ask("DELETE", "carts/s1")
    assert (status, answer["message"], answer["code"]) == (200, "Deleted", 200)
    for method, path in (("GET", "carts/s1"), ("GET", "carts/s1/complete"), ("DELETE", "carts/s1")):
        status, answer = await loja.ask(method, path)
        assert (status, answer["code"]) == (404, 404)
    assert (await loja.ask("PUT", "carts/s1", {"Cart": {"email": "x"}}))[0] == 404


@pytest.mark.parametrize(
    ("cart", "cause"),
    [
        ({"product_id": "2", "session_id": "x" * 33}, "session_id"),
        ({"session_id": "s1"}, "product_id"),
        ({"product_id": "2", "quantity": 0}, "quantity"),
        ({"product_id": "2", "quantity": 1.5}, "quantity"),
        ({"product_id": "2", "price": "much"}, "price"),
        ({"product_id": "2", "Shipping": "Sedex"}, "Shipping"),
    ],
)
async def test_a_bad_cart_is_refused_with_causes(loja: Loja, cart: dict[str, Any], cause: str) -> None:
    status, answer = await loja.ask("POST", "carts", {"Cart": cart})
    assert (status, answer["code"], answer["name"]) == (400, 400, "Bad Request")
    assert answer["causes"][0].startswith(cause)
    assert loja.sandbox.state()["tray"]["loja"]["carts"] == {}


async def test_without_a_token_in_the_query_nothing_happens(loja: Loja) -> None:
    status, answer = await loja.ask("POST", "carts", {"Cart": {"product_id": "2"}}, access_token="")
    assert (status, answer["name"], answer["code"]) == (401, "Unauthorized access", 401)
    assert loja.sandbox.counters()["tray"]["loja"]["effects"] == {}


async def test_a_renewal_brings_a_pair_and_ends_the_old_one(loja: Loja) -> None:
    await loja.put_in(session_id="s1", product_id=2, quantity=1)
    status, pair = await loja.ask("GET", "auth", refresh_token="r")
    assert status == 200
    assert pair["date_expiration_access_token"] == "2026-11-21 15:00:00"
    assert (await loja.ask("GET", "carts/s1"))[1]["error_code"] == 1000
    assert (await loja.ask("GET", "carts/s1", access_token=pair["access_token"]))[0] == 200


async def test_a_refresh_token_works_once(loja: Loja) -> None:
    _, first = await loja.ask("GET", "auth", refresh_token="r")
    assert (await loja.ask("GET", "auth", refresh_token="r"))[0] == 401
    assert (await loja.ask("GET", "auth", refresh_token=first["refresh_token"]))[0] == 200
    assert (await loja.ask("GET", "auth", refresh_token=first["refresh_token"]))[0] == 401


async def test_an_expired_token_is_mended_by_a_renewal(loja: Loja) -> None:
    loja.sandbox.shop("tray", "loja").expire_token()
    status, answer = await loja.ask("POST", "carts", {"Cart": {"session_id": "s1", "product_id": "2"}})
    assert (status, answer["error_code"]) == (401, 1000)
    _, pair = await loja.ask("GET", "auth", refresh_token="r")
    assert (await loja.ask("GET", "carts/s1", access_token=pair["access_token"]))[0] == 404


async def test_a_token_never_seen_is_unknown_once_one_is_pinned() -> None:
    sandbox = Sandbox(credentials={"tray/loja": {"access_token": "right", "refresh_token": "r"}})
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        loja = Loja(sandbox, client)
        assert (await loja.ask("GET", "carts/s1"))[1]["error_code"] == 1099
        assert (await loja.ask("GET", "carts/s1", access_token="right"))[0] == 404
        assert (await loja.ask("GET", "auth", refresh_token="wrong"))[0] == 401


async def test_a_sloppy_shop_answers_as_the_document_is_printed() -> None:
    sandbox = Sandbox(sloppy=True)
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        loja = Loja(sandbox, client)
        for product in (2, 20):
            await loja.put_in(session_id="s1", product_id=product, quantity=1)
        url = f"{sandbox.address('tray', 'loja')}/carts/s1?access_token=a"
        async with client.get(url) as answer:
            text = await answer.text()
        assert [row["Cart"]["product_id"] for row in json.loads(f"[{text}]")] == ["2", "20"]
        async with client.put(url, json={"Cart": {"email": "x"}}) as answer:
            assert '"Created"\n"session_id"' in await answer.text()
