"""A simulated Shoplo shop answers as S004 prints, asked over a real socket."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from oauthlib.oauth1 import Client as Signer
from yarl import URL

from batchcart.sandbox import Sandbox

BEARER = {"Authorization": "Bearer b", "app-id": "1234"}
SECRETS = {"consumer_key": "ck", "consumer_secret": "cs", "token": "tk", "token_secret": "ts"}


class Sklep:
    """A client of one simulated shop, whose time moves on by a minute with each request."""

    def __init__(self, client: aiohttp.ClientSession, **options: Any) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
        self.sandbox = Sandbox(limits={"shoplo": ()}, wall=lambda: self.now, **options)
        self.client = client

    def url(self, path: str) -> str:
        return f"{self.sandbox.address('shoplo')}/services/{path}"

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        self.now += timedelta(minutes=1)
        async with self.client.request(method, self.url(path), json=body, params=query, headers=BEARER) as answer:
            assert answer.status == 200
            document: dict[str, Any] = json.loads(await answer.read())
            return document

    async def put_in(self, **cart: Any) -> int:
        answer = await self.ask("POST", "carts", {"cart": {"variant_id": 54, "quantity": 2} | cart})
        number: int = answer["cart"]["id"]
        return number

    async def listed(self, **query: str) -> list[int]:
        answer = await self.ask("GET", "carts", **query)
        return [line["id"] for line in answer["carts"]]

    def discounts(self) -> dict[str, Any]:
        carts = self.sandbox.state()["shoplo"][""]["carts"].values()
        return {
            number: line["discount"]["discount_value"]
            for cart in carts
            for number, line in cart["items"].items()
            if "discount" in line
        }


@pytest.fixture
async def sklep() -> AsyncIterator[Sklep]:
    async with aiohttp.ClientSession() as client:
        shop = Sklep(client)
        async with shop.sandbox.serving():
            yield shop


async def test_a_create_answers_the_whole_line(sklep: Sklep) -> None:
    answer = await sklep.ask("POST", "carts", {"cart": {"variant_id": 54, "quantity": 2, "user_key": "k"}})
    assert answer == {
        "cart": {
            "id": 1,
            "user_key": "k",
            "product_id": 6,
            "variant_id": 54,
            "price": 19900,
            "tax": 23,
            "quantity": 2,
            "weight": 500,
            "sku": "sku-54",
            "require_shipping": 1,
            "created_at": "2026-11-21 13:01:00",
            "expire_at": "2026-11-21 13:21:00",
        }
    }


async def test_the_same_variant_again_is_a_second_line(sklep: Sklep) -> None:
    numbers = [await sklep.put_in(user_key="k") for _ in range(2)]
    assert await sklep.listed(user_key="k") == numbers == [1, 2]


async def test_php_form_data_is_taken_like_json(sklep: Sklep) -> None:
    form = {"cart[variant_id]": "54", "cart[quantity]": "3", "cart[user_key]": "k"}
    async with sklep.client.post(sklep.url("carts"), data=form, headers=BEARER) as answer:
        line = (await answer.json())["cart"]
    assert (line["variant_id"], line["quantity"], line["user_key"]) == (54, 3, "k")


async def test_a_line_without_user_key_gets_one_made_up(sklep: Sklep) -> None:
    number = await sklep.put_in()
    answer = await sklep.ask("GET", f"carts/{number}")
    assert len(answer["cart"]["user_key"]) == 32


async def test_a_list_goes_by_pages_of_fifty(sklep: Sklep) -> None:
    for _ in range(53):
        await sklep.put_in(user_key="k")
    assert await sklep.listed() == list(range(1, 51))
    assert await sklep.listed(page="2") == [51, 52, 53]
    assert await sklep.listed(page="3") == []
    assert await sklep.listed(limit="2", page="2", since_id="10") == [13, 14]


async def test_filters_leave_what_they_name(sklep: Sklep) -> None:
    for key in ("k", "l", "k"):
        await sklep.put_in(user_key=key)
    assert await sklep.listed(user_key="k") == [1, 3]
    assert await sklep.listed(created_at_min="2026-11-21 13:02:00") == [2, 3]
    assert await sklep.listed(created_at_max="2026-11-21 13:02:00") == [1, 2]
    assert await sklep.ask("GET", "carts/count", user_key="k") == {"count": 2}


async def test_fields_choose_what_a_line_shows(sklep: Sklep) -> None:
    number = await sklep.put_in(user_key="k")
    assert await sklep.ask("GET", f"carts/{number}", fields="id,user_key") == {"cart": {"id": number, "user_key": "k"}}
    assert await sklep.ask("GET", "carts", fields="sku") == {"carts": [{"sku": "sku-54"}]}


async def test_an_update_sets_the_quantity(sklep: Sklep) -> None:
    number = await sklep.put_in()
    for _ in range(2):
        answer = await sklep.ask("PUT", f"carts/{number}", {"cart": {"quantity": 3}})
        assert answer["cart"]["quantity"] == 3


async def test_a_deleted_line_is_an_error_with_http_200(sklep: Sklep) -> None:
    number = await sklep.put_in(user_key="k")
    assert await sklep.ask("DELETE", f"carts/{number}") == {"status": "ok"}
    for method in ("GET", "PUT", "DELETE"):
        answer = await sklep.ask(method, f"carts/{number}")
        assert (answer["status"], answer["error"]) == ("err", 404)
    assert await sklep.listed(user_key="k") == []


async def test_a_discount_without_properties_is_on_all_lines_of_the_user(sklep: Sklep) -> None:
    for key in ("k", "k", "l"):
        await sklep.put_in(user_key=key)
    discount = {"discount_type": "2", "discount_value": "30"}
    assert await sklep.ask("PUT", "carts_discount/1", {"cart_discount": discount}) == {"status": "ok"}
    assert sklep.discounts() == {"1": "30", "2": "30"}


async def test_a_discount_with_properties_is_on_its_line_only(sklep: Sklep) -> None:
    for _ in range(2):
        await sklep.put_in(user_key="k")
    discount = {"discount_type": "1", "discount_value": "500", "properties": '{"Zestaw": "Zestaw 1"}'}
    await sklep.ask("PUT", "carts_discount/2", {"cart_discount": discount})
    assert sklep.discounts() == {"2": "500"}


async def test_a_discount_never_shows_in_a_line_and_is_deleted_once(sklep: Sklep) -> None:
    number = await sklep.put_in(user_key="k")
    discount = {"discount_type": "2", "discount_value": "30"}
    await sklep.ask("PUT", f"carts_discount/{number}", {"cart_discount": discount})
    assert "discount" not in (await sklep.ask("GET", f"carts/{number}"))["cart"]
    assert await sklep.ask("DELETE", f"carts_discount/{number}") == {"status": "ok"}
    assert sklep.discounts() == {}
    assert (await sklep.ask("DELETE", f"carts_discount/{number}"))["error"] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "carts", {"variant_id": 54, "quantity": 1}),
        ("POST", "carts", {"cart": {"variant_id": 54}}),
        ("POST", "carts", {"cart": {"variant_id": "x", "quantity": 1}}),
        ("PUT", "carts/1", {"cart": {"quantity": 0}}),
        ("PUT", "carts_discount/1", {"discount_type": "2", "discount_value": "30"}),
        ("PUT", "carts_discount/1", {"cart_discount": {"discount_type": "3", "discount_value": "30"}}),
        ("GET", "carts?created_at_min=yesterday", None),
        ("GET", "carts?page=0", None),
    ],
)
async def test_a_bad_request_is_an_error_with_http_200(sklep: Sklep, method: str, path: str, body: Any) -> None:
    await sklep.put_in()
    answer = await sklep.ask(method, path, body)
    assert (answer["status"], answer["error"]) == ("err", 400)
    assert sklep.sandbox.counters()["shoplo"][""]["effects"] == {"create": 1}


@pytest.mark.parametrize("headers", [{}, {"app-id": "1"}, {"Authorization": "Bearer b"}, {"Authorization": "OAuth x"}])
async def test_without_credentials_the_error_is_202(sklep: Sklep, headers: dict[str, str]) -> None:
    async with sklep.client.get(sklep.url("carts"), headers=headers) as answer:
        document = await answer.json()
    assert (answer.status, document["status"], document["error"]) == (200, "err", 202)


def signed(sklep: Sklep, path: str, secret: str = "cs", form: str | None = None) -> dict[str, str]:
    signer = Signer("ck", secret, "tk", "ts")
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    method: Any = "POST" if form else "GET"
    _, signed_headers, _ = signer.sign(sklep.url(path), method, form, headers)
    return dict(signed_headers)


@pytest.fixture
async def pinned() -> AsyncIterator[Sklep]:
    async with aiohttp.ClientSession() as client:
        shop = Sklep(client, credentials={"shoplo": SECRETS})
        async with shop.sandbox.serving():
            yield shop


async def test_an_oauth_signature_opens_the_shop(pinned: Sklep) -> None:
    path = "carts?created_at_min=2026-11-21%2012%3A00%3A00&limit=5"
    url = pinned.url(path)
    async with pinned.client.get(URL(url, encoded=True), headers=signed(pinned, path)) as answer:
        assert await answer.json() == {"carts": []}


async def test_a_form_body_is_part_of_the_signature(pinned: Sklep) -> None:
    form = "cart%5Bvariant_id%5D=54&cart%5Bquantity%5D=1"
    tampered = form.replace("=1", "=9")
    for body, found in ((form, "cart"), (tampered, "error")):
        headers = signed(pinned, "carts", form=form)
        async with pinned.client.post(pinned.url("carts"), data=body, headers=headers) as answer:
            assert found in await answer.json()


async def test_a_wrong_secret_and_a_used_nonce_are_refused(pinned: Sklep) -> None:
    right, wrong = signed(pinned, "carts"), signed(pinned, "carts", secret="other")
    answers = []
    for headers in (wrong, right, right):
        async with pinned.client.get(pinned.url("carts"), headers=headers) as answer:
            answers.append((await answer.json()).get("error"))
    assert answers == [202, None, 202]


async def test_a_sloppy_shop_answers_with_trailing_commas() -> None:
    async with aiohttp.ClientSession() as client:
        sklep = Sklep(client, sloppy=True)
        async with sklep.sandbox.serving():
            cart = {"cart": {"variant_id": 1, "quantity": 1}}
            for method, path, body, end in (
                ("POST", "carts", cart, "},}"),
                ("GET", "carts", None, "},]}"),
                ("GET", "carts/count", None, '{"count":1}'),
                ("DELETE", "carts/1", None, '"ok",}'),
            ):
                async with client.request(method, sklep.url(path), json=body, headers=BEARER) as answer:
                    assert (await answer.text()).endswith(end)
