"""A simulated 3dcart shop answers as S000 prints, asked over a real socket."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from batchcart.sandbox import Sandbox

KEYS = {"SecureURL": "https://acme.3dcartstores.com", "PrivateKey": "p", "Token": "t"}


class Acme:
    """A client of one simulated shop."""

    def __init__(self, sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.client = client

    async def ask(self, method: str, path: str, body: str = "", headers: dict[str, str] = KEYS) -> tuple[int, str]:
        url = f"{self.sandbox.address('3dcart')}/3dCartWebAPI/v1/{path}"
        async with self.client.request(method, url, data=body.encode(), headers=headers) as answer:
            return answer.status, await answer.text()

    async def made(self, path: str, body: str) -> str:
        status, text = await self.ask("POST", path, body)
        assert status == 201
        value: str = json.loads(text)[0]["Value"]
        return value

    async def shown(self, cart: str) -> dict[str, Any]:
        status, text = await self.ask("GET", f"Cart/{cart}")
        assert status == 200
        (shown,) = json.loads(text, parse_float=Decimal)
        assert isinstance(shown, dict)
        return shown


@pytest.fixture
async def acme() -> AsyncIterator[Acme]:
    sandbox = Sandbox(limits={"3dcart": ()})
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        yield Acme(sandbox, client)


async def test_a_create_answers_an_array_of_one_with_the_order_key(acme: Acme) -> None:
    status, text = await acme.ask("POST", "Cart", '{"BillingCity": "Porto"}')
    (row,) = json.loads(text)
    assert status == 201
    assert len(row.pop("Value")) == 15
    assert row == {"Key": "OrderKey", "Status": "201", "Message": "Created successfully"}


async def test_every_create_makes_another_cart(acme: Acme) -> None:
    first, second = await acme.made("Cart", "{}"), await acme.made("Cart", "{}")
    assert first != second
    assert set(acme.sandbox.state()["3dcart"][""]["carts"]) == {first, second}


async def test_a_cart_is_read_with_all_its_fields_and_no_item(acme: Acme) -> None:
    cart = await acme.made("Cart", '{"CustomerId": -80365023, "ShipmentPhone": "123"}')
    shown = await acme.shown(cart)
    assert shown["OrderKey"] == cart
    assert (shown["CustomerId"], shown["ShipmentPhone"], shown["BillingPhoneNumber"]) == (
        -80365023,
        "123",
        "",
    )
    assert shown["CartItemList"] == []
    assert shown["CheckoutURL"].startswith("https://")
    assert len([name for name in shown if name.startswith(("Billing", "Shipment"))]) == 22


async def test_an_update_changes_the_named_fields_only(acme: Acme) -> None:
    cart = await acme.made("Cart", '{"BillingCity": "Porto", "BillingState": "P"}')
    status, text = await acme.ask("PUT", f"Cart/{cart}", '{"BillingCity": "Faro"}')
    shown = await acme.shown(cart)
    assert (status, json.loads(text)[0]["Status"]) == (200, "200")
    assert (shown["BillingCity"], shown["BillingState"]) == ("Faro", "P")


async def test_a_deleted_cart_says_201_inside_and_is_gone(acme: Acme) -> None:
    cart = await acme.made("Cart", "{}")
    status, text = await acme.ask("DELETE", f"Cart/{cart}")
    assert (status, json.loads(text)[0]) == (
        200,
        {"Key": "OrderKey", "Value": cart, "Status": "201", "Message": "Deleted successfully"},
    )
    for method in ("GET", "PUT", "DELETE"):
        assert await acme.ask(method, f"Cart/{cart}", "{}") == (404, "")


@pytest.mark.parametrize("quantity", ["74216946.47779638", "2", "1.50", "0.1000000000000000000001"])
async def test_a_quantity_keeps_every_digit(acme: Acme, quantity: str) -> None:
    cart = await acme.made("Cart", "{}")
    await acme.made(f"Cart/{cart}/Item", f'{{"CatalogID": 7, "ItemQuantity": {quantity}}}')
    _, text = await acme.ask("GET", f"Cart/{cart}")
    assert f'"ItemQuantity":{quantity},' in text


async def test_the_same_product_twice_is_two_items(acme: Acme) -> None:
    cart = await acme.made("Cart", "{}")
    numbers = [await acme.made(f"Cart/{cart}/Item", '{"CatalogID": 7, "ItemQuantity": 1}') for _ in range(2)]
    shown = await acme.shown(cart)
    assert [str(item["CartItemID"]) for item in shown["CartItemList"]] == numbers
    assert [item["CatalogID"] for item in shown["CartItemList"]] == [7, 7]


async def test_options_come_back_as_given(acme: Acme) -> None:
    cart = await acme.made("Cart", "{}")
    options = [{"OptionSetID": 1, "OptionID": 2, "OptionValue": "red"}]
    await acme.made(f"Cart/{cart}/Item", json.dumps({"CatalogID": 7, "ItemQuantity": 1, "ItemOptions": options}))
    assert (await acme.shown(cart))["CartItemList"][0]["ItemOptions"] == options


async def test_an_items_quantity_is_set_not_added_to(acme: Acme) -> None:
    cart = await acme.made("Cart", "{}")
    item = await acme.made(f"Cart/{cart}/Item", '{"CatalogID": 7, "ItemQuantity": 1}')
    for _ in range(2):
        status, text = await acme.ask("PUT", f"Cart/{cart}/Item/{item}", '{"ItemQuantity": 4}')
        assert (status, json.loads(text)[0]["Key"]) == (200, "CartItemID")
    assert (await acme.shown(cart))["CartItemList"][0]["ItemQuantity"] == 4


async def test_deleting_an_item_spells_its_key_otherwise(acme: Acme) -> None:
    cart = await acme.made("Cart", "{}")
    item = await acme.made(f"Cart/{cart}/Item", '{"CatalogID": 7, "ItemQuantity": 1}')
    status, text = await acme.ask("DELETE", f"Cart/{cart}/Item/{item}")
    assert (status, json.loads(text)[0]["Key"], json.loads(text)[0]["Status"]) == (200, "CartItemId", "200")
    assert await acme.ask("DELETE", f"Cart/{cart}/Item/{item}") == (404, "")
    assert (await acme.shown(cart))["CartItemList"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("nonsense", "CartItem"),
        ('{"ItemQuantity": 1}', "CatalogID"),
        ('{"CatalogID": "x", "ItemQuantity": 1}', "CatalogID"),
        ('{"CatalogID": 1, "ItemQuantity": "many"}', "ItemQuantity"),
        ('{"CatalogID": 1, "ItemQuantity": 1, "ItemOptions": {}}', "ItemOptions"),
    ],
)
async def test_a_bad_item_is_refused_with_its_field(acme: Acme, body: str, field: str) -> None:
    cart = await acme.made("Cart", "{}")
    status, text = await acme.ask("POST", f"Cart/{cart}/Item", body)
    assert (status, json.loads(text)[0]["Key"]) == (400, field)
    assert (await acme.shown(cart))["CartItemList"] == []


@pytest.mark.parametrize("missing", list(KEYS))
async def test_each_of_the_three_headers_is_needed(acme: Acme, missing: str) -> None:
    headers = {name: value for name, value in KEYS.items() if name != missing}
    status, _ = await acme.ask("POST", "Cart", "{}", headers)
    assert status == 401
    assert acme.sandbox.state()["3dcart"][""]["carts"] == {}


async def test_a_bearer_token_opens_the_shop(acme: Acme) -> None:
    status, _ = await acme.ask("POST", "Cart", "{}", {"Authorization": "Bearer b"})
    assert status == 201


async def test_pinned_credentials_shut_out_others() -> None:
    sandbox = Sandbox(credentials={"3dcart": {"token": "right"}})
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        acme = Acme(sandbox, client)
        assert (await acme.ask("POST", "Cart", "{}"))[0] == 401
        assert (await acme.ask("POST", "Cart", "{}", {**KEYS, "Token": "right"}))[0] == 201


async def test_a_sloppy_shop_answers_as_the_document_is_printed() -> None:
    sandbox = Sandbox(sloppy=True)
    async with sandbox.serving(), aiohttp.ClientSession() as client:
        acme = Acme(sandbox, client)
        status, text = await acme.ask("POST", "Cart", '{"BillingCity": "Porto"}')
        assert status == 201
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        key = json.loads(text.replace('",\n', '"\n'))[0]["Value"]
        status, text = await acme.ask("GET", f"Cart/{key}")
        assert (status, json.loads(text)["BillingCity"]) == (201, "Porto")
