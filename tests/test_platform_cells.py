"""Each cell of the operations table, run by the real engine against the simulator over a real socket."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchcart.model.limits import Limit
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters
from batchcart.runs.context import RunMonitor
from batchcart.runs.runner import RunOptions, run_job
from batchcart.sandbox import Sandbox

ACCOUNTS = {
    "3dcart": """secure_url = "https://acme.example"
private_key = "pk-made-up"
token = "tk-made-up"
base_url = "{address}"
""",
    "tray": 'access_token = "at-made-up"\napi_address = "{address}"',
    "shoplo": 'access_token = "at-made-up"\napp_id = "1234"\nbase_url = "{address}"',
}
SETUP: dict[str, list[dict[str, Any]]] = {
    "3dcart": [
        {"op": "cart.create", "cart": "c", "data": {"CustomerId": 7, "BillingCity": "São Paulo"}},
        {"op": "item.add", "cart": "c", "item": "i", "data": {"CatalogID": "11", "ItemQuantity": "2.50"}},
    ],
    "tray": [{"op": "cart.create", "cart": "c", "item": "i", "data": {"product_id": 11, "quantity": 2}}],
    "shoplo": [{"op": "cart.create", "cart": "c", "item": "i", "data": {"variant_id": "11", "quantity": 2}}],
}
DISCOUNT = {"discount_type": 2, "discount_value": 30, "discount_code": "SUMMER", "properties": {"Zestaw": "Zestaw 1"}}
SHOPLO_DISCOUNT = {
    "discount_type": "2",
    "discount_value": "30",
    "discount_code": "SUMMER",
    "properties": '{"Zestaw": "Zestaw 1"}',
}
MORE: dict[tuple[str, OperationKind], list[dict[str, Any]]] = {
    ("3dcart", OperationKind.CART_GET): [{"cart": "c"}],
    ("3dcart", OperationKind.CART_UPDATE): [{"cart": "c", "data": {"ShipmentPhone": "+1 813"}}],
    ("3dcart", OperationKind.CART_DELETE): [{"cart": "c"}],
    ("3dcart", OperationKind.ITEM_UPDATE): [{"cart": "c", "item": "i", "data": {"ItemQuantity": 3.25}}],
    ("3dcart", OperationKind.ITEM_DELETE): [{"cart": "c", "item": "i"}],
    ("tray", OperationKind.CART_GET): [{"cart": "c", "view": "complete"}, {"cart": "c"}],
    ("tray", OperationKind.CART_UPDATE): [
        {"cart": "c", "data": {"email": "a@b.example", "Shipping": {"price": "16.81"}}}
    ],
    ("tray", OperationKind.CART_DELETE): [{"cart": "c"}],
    ("tray", OperationKind.ITEM_ADD): [{"cart": "c", "item": "j", "data": {"product_id": "11", "quantity": "3"}}],
    ("shoplo", OperationKind.CART_GET): [{"cart": "c"}],
    ("shoplo", OperationKind.CART_DELETE): [{"cart": "c"}],
    ("shoplo", OperationKind.CART_LIST): [{"query": {"limit": 1, "page": 1}}],
    ("shoplo", OperationKind.CART_COUNT): [{}],
    ("shoplo", OperationKind.ITEM_ADD): [{"cart": "c", "item": "j", "data": {"variant_id": 11, "quantity": 3}}],
    ("shoplo", OperationKind.ITEM_GET): [{"cart": "c", "item": "i"}],
    ("shoplo", OperationKind.ITEM_UPDATE): [{"cart": "c", "item": "i", "data": {"quantity": "5"}}],
    ("shoplo", OperationKind.ITEM_DELETE): [{"cart": "c", "item": "i"}],
    ("shoplo", OperationKind.DISCOUNT_SET): [{"cart": "c", "item": "i", "data": DISCOUNT}],
    ("shoplo", OperationKind.DISCOUNT_DELETE): [
        {"op": "discount.set", "cart": "c", "item": "i", "data": DISCOUNT},
        {"cart": "c", "item": "i"},
    ],
}
EXPECTED: dict[tuple[str, OperationKind], dict[str, Any]] = {
    ("3dcart", OperationKind.CART_CREATE): {"BillingCity": "São Paulo", "CustomerId": "7"},
    ("3dcart", OperationKind.CART_UPDATE): {"ShipmentPhone": "+1 813"},
    ("3dcart", OperationKind.CART_DELETE): {"lines": None},
    ("3dcart", OperationKind.ITEM_UPDATE): {"lines": [("11", "3.25")]},
    ("3dcart", OperationKind.ITEM_DELETE): {"lines": []},
    ("tray", OperationKind.CART_UPDATE): {"email": "a@b.example", "price": "16.81"},
    ("tray", OperationKind.CART_DELETE): {"lines": None},
    ("tray", OperationKind.ITEM_ADD): {"lines": [("11", "5")]},
    ("shoplo", OperationKind.CART_DELETE): {"lines": None},
    ("shoplo", OperationKind.ITEM_ADD): {"lines": [("11", "2"), ("11", "3")]},
    ("shoplo", OperationKind.ITEM_UPDATE): {"lines": [("11", "5")]},
    ("shoplo", OperationKind.ITEM_DELETE): {"lines": None},
    ("shoplo", OperationKind.DISCOUNT_SET): {"discount": SHOPLO_DISCOUNT},
    ("shoplo", OperationKind.DISCOUNT_DELETE): {"discount": None},
}
UNCHANGED = {"3dcart": [("11", "2.50")], "tray": [("11", "2")], "shoplo": [("11", "2")]}
BODIES: dict[tuple[str, OperationKind], tuple[str, ...]] = {
    ("3dcart", OperationKind.CART_GET): ('"ItemQuantity":2.50', '"BillingCity":"São Paulo"'),
    ("tray", OperationKind.CART_GET): ('"product_id":"11"', '"quantity":"2"'),
    ("shoplo", OperationKind.CART_GET): ('{"carts":[{', '"variant_id":11'),
    ("shoplo", OperationKind.CART_LIST): ('"carts":[', '"variant_id":11'),
    ("shoplo", OperationKind.CART_COUNT): ('{"count":1}',),
    ("shoplo", OperationKind.ITEM_GET): ('"cart":{', '"quantity":2'),
}
UNLIMITED: dict[str, tuple[Limit, ...]] = dict.fromkeys(load_adapters(), ())
CELLS = [(name, kind) for name, adapter in load_adapters().items() for kind in adapter.operations]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def _run(
    folder: Path, sandbox: Sandbox, platform: str, lines: list[dict[str, Any]], own: str
) -> list[dict[str, Any]]:
    """The results of a job on one account, in line order."""
    account = own.format(address=sandbox.address(platform))
    config, job, results = folder / "batchcart.toml", folder / "job.jsonl", folder / "results.jsonl"
    config.write_text(f'[accounts.shop]\nplatform = "{platform}"\nlimits = []\nconcurrency = 1\n{account}\n')
    job.write_text("".join(json.dumps({"account": "shop", **line}) + "\n" for line in lines))
    await run_job(RunOptions(str(job), results=results, config=config, in_order=True), RunMonitor())
    return [json.loads(line) for line in results.read_text().splitlines()]


def _lines(platform: str, kind: OperationKind) -> list[dict[str, Any]]:
    return SETUP[platform] + [{"op": kind.value, **line} for line in MORE.get((platform, kind), [])]


def _held(sandbox: Sandbox, platform: str) -> dict[str, Any]:
    """What the shop's only cart holds, in one flat view; its lines are None where there is no cart."""
    carts = sandbox.state()[platform][""]["carts"]
    if not carts:
        return {"lines": None}
    ((_, cart),) = carts.items()
    items = list(cart["items"].values())
    names = ("CatalogID", "ItemQuantity") if platform == "3dcart" else ("product_id", "quantity")
    names = ("variant_id", "quantity") if platform == "shoplo" else names
    lines = sorted(tuple(str(item[name]) for name in names) for item in items)
    discount = items[0].get("discount") if items else None
    return {
        **cart.get("fields", {}),
        **cart.get("head", {}),
        **cart.get("shipping", {}),
        "lines": lines,
        "discount": discount,
    }


async def _shown(tmp_path: Path, platform: str, kind: OperationKind, sandbox: Sandbox, own: str) -> None:
    """The cell's job ends ok in every line, names what it made, and the shop holds what it asked for."""
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, platform, _lines(platform, kind), own)
    assert [result["status"] for result in results] == ["ok"] * len(results)
    assert results[0]["cart_id"]
    assert platform == "3dcart" or results[0]["item_id"] == "1"
    text = (tmp_path / "results.jsonl").read_text()
    assert "made-up" not in text
    assert all(part in text for part in BODIES.get((platform, kind), ()))
    expected = {"lines": UNCHANGED[platform], **EXPECTED.get((platform, kind), {})}
    assert {name: _held(sandbox, platform).get(name) for name in expected} == expected


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_does_what_it_says(tmp_path: Path, platform: str, kind: OperationKind) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED), ACCOUNTS[platform])


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_reads_answers_as_the_documents_print_them(
    tmp_path: Path, platform: str, kind: OperationKind
) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED, sloppy=True), ACCOUNTS[platform])


@pytest.mark.parametrize(("platform", "kind"), CELLS)
async def test_a_cell_can_be_said_as_a_form(tmp_path: Path, platform: str, kind: OperationKind) -> None:
    await _shown(tmp_path, platform, kind, Sandbox(limits=UNLIMITED), ACCOUNTS[platform] + '\nencoding = "form"')


async def test_shoplo_takes_what_oauth_signed(tmp_path: Path) -> None:
    secrets = {name: f"{name}-made-up" for name in ("consumer_key", "consumer_secret", "token", "token_secret")}
    sandbox = Sandbox(limits=UNLIMITED, credentials={"shoplo": secrets})
    own = "\n".join(f'{name} = "{secret}"' for name, secret in secrets.items())
    await _shown(
        tmp_path, "shoplo", OperationKind.DISCOUNT_SET, sandbox, f'auth = "oauth1"\nbase_url = "{{address}}"\n{own}'
    )


async def test_a_cart_of_several_pages_is_read_and_deleted_whole(tmp_path: Path) -> None:
    adds = [{"op": "item.add", "cart": "c", "data": {"variant_id": number, "quantity": 1}} for number in range(1, 61)]
    lines = [*SETUP["shoplo"], *adds, {"op": "cart.get", "cart": "c"}, {"op": "cart.delete", "cart": "c"}]
    sandbox = Sandbox(limits=UNLIMITED)
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, "shoplo", lines, ACCOUNTS["shoplo"])
    assert len(results[-2]["body"]["carts"]) == 61
    assert results[-1]["status"] == "ok"
    assert _held(sandbox, "shoplo") == {"lines": None}


@pytest.mark.parametrize("platform", sorted(load_adapters()))
async def test_an_add_whose_answer_is_cut_off_is_found_again(tmp_path: Path, platform: str) -> None:
    hits = iter(["", "reset-after", "", "truncate"])
    sandbox = Sandbox(limits=UNLIMITED, hook=lambda call: next(hits, "") if call.method == "POST" else "")
    product, quantity = {"3dcart": ("CatalogID", "ItemQuantity"), "tray": ("product_id", "quantity")}.get(
        platform, ("variant_id", "quantity")
    )
    adds = [{"op": "item.add", "cart": "c", "data": {product: 12, quantity: 3}} for _ in range(3)]
    async with sandbox.serving():
        results = await _run(tmp_path, sandbox, platform, [SETUP[platform][0], *adds], ACCOUNTS[platform])
    assert [result["status"] for result in results] == ["ok"] * 4
    held = [int(amount) for name, amount in _held(sandbox, platform)["lines"] if name == "12"]
    assert sum(held) == 9
