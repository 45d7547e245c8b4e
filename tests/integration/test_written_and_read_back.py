"""What one part writes the others take: carts that are exported are converted, results are read by every reader."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from msgspec import structs
from oddities import VALUES, with_odd_parts
from platform_parts import CLOSELY_KNOWN
from test_convert import TARGETS, target
from test_odd_answers import Shop

import batchcart
from batchcart.accounts.config import load_config
from batchcart.journal.result_line import Completion, encode_result
from batchcart.migration.cart_views import CartAnswer
from batchcart.migration.carts_file import LONGEST_LINE, cart_text, read_carts
from batchcart.migration.convert import ConvertOptions, convert
from batchcart.migration.export import cart_line, neutral
from batchcart.model.cart import Cart, Item, NotACart
from batchcart.model.errors import BadLines
from batchcart.model.http import Request, Response
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Succeeded
from batchcart.platforms import load_adapters
from batchcart.platforms.toolkit.lenient_json import json_text, readable

PLATFORMS = CLOSELY_KNOWN


def _views(platform: str) -> list[bytes]:
    """What the shop says of a cart, in each view of it."""
    found: list[bytes] = []

    def listen(_request: Request, response: Response) -> Response:
        found.append(response.body)
        return response

    shop = Shop(platform)
    cell = shop.adapter.operations[OperationKind.CART_GET]
    for view in (*cell.views, None):
        step = shop.ended(structs.replace(shop.operation(OperationKind.CART_GET), view=view), listen)
        assert isinstance(step, Succeeded)
    return found


def _odd_carts(platform: str) -> Iterator[Cart]:
    """The neutral carts of every odd answer that shows one."""
    entry = load_config(None, load_adapters())[f"sandbox-{platform}"]
    views = _views(platform)
    for number, odd in enumerate(VALUES.values()):
        for place, plain in enumerate(views):
            for part, body in enumerate(with_odd_parts(json.loads(plain), odd)):
                if not readable(body):
                    continue
                bodies = tuple(json_text(body) if at == place else view for at, view in enumerate(views))
                try:
                    yield from neutral(entry, CartAnswer(f"K{number}-{place}-{part}", bodies))
                except NotACart:
                    continue


def _is_plain(item: Item) -> bool:
    return all(re.fullmatch("[0-9]{0,20}", text) for text in (item.product, item.variant)) and bool(item.product)


def _named_apart(carts: Iterator[Cart]) -> list[Cart]:
    """The carts; of those with one id all but the first under another."""
    found: dict[str, Cart] = {}
    for number, cart in enumerate(carts):
        key = f"other {number}" if cart.id in found else cart.id
        found[key] = structs.replace(cart, id=key)
    return list(found.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_whatever_is_exported_is_converted_for_every_target(platform: str, tmp_path: Path) -> None:
    carts = _named_apart(_odd_carts(platform))
    assert len(carts) > 100
    path = tmp_path / "carts.jsonl"
    path.write_bytes(b"".join(cart_text(cart) + b"\n" for cart in carts))
    assert [cart for _, cart in read_carts(path)] == carts
    rows = sorted({(item.product, item.variant) for cart in carts for item in cart.items if _is_plain(item)})
    for account in TARGETS:
        variant = "" if account == "sandbox-3dcart" else "9"
        given = "".join(f"{product},{own},7,{variant}\n" for product, own in rows)
        (tmp_path / "map.csv").write_text(f"source_product,source_variant,target_product,target_variant\n{given}")
        if account == "sandbox-3dcart":
            given = "".join(f"{product},{own},7\n" for product, own in rows)
            (tmp_path / "map.csv").write_text(f"source_product,source_variant,target_product\n{given}")
        options = ConvertOptions(path, tmp_path / "map.csv", tmp_path / f"{account}.jsonl", allow_unused=True)
        try:
            converted = convert(options, target(account))
        except BadLines as bad:
            assert [one for one in bad.problems if "has no exact form" not in one] == []  # noqa: PT017  # either will do
        else:
            assert converted.carts == len(carts)
            assert converted.converted


@pytest.mark.parametrize("platform", PLATFORMS)
def test_whatever_a_read_brings_every_reader_of_results_takes(platform: str, tmp_path: Path) -> None:
    shop = Shop(platform)
    operation = shop.operation(OperationKind.CART_GET)
    path = tmp_path / "r.jsonl"
    with path.open("wb") as file, closing(sqlite3.connect(":memory:")) as database:
        for odd in VALUES.values():
            for body in with_odd_parts(json.loads(_views(platform)[-1]), odd):
                step = shop.ended(operation, lambda _request, _response, body=body: Response(200, body))  # type: ignore[misc]
                if not isinstance(step, Succeeded):
                    continue
                text = encode_result(operation, platform, Completion(step, 1, 200, 1.8e9, 0.1))
                file.write(text + b"\n")
                assert json.loads(text)["body"] == json.loads(step.body)
                assert orjson.loads(text)["status"] == "ok"
                row = database.execute("SELECT json_extract(CAST(? AS TEXT), '$.cart_id')", (text,)).fetchone()
                assert row == (step.cart_id,)
    count = len(path.read_bytes().splitlines())
    assert count > 100
    assert sum(1 for result in batchcart.read_results(path)) == count


def test_what_no_carts_file_could_hold_is_no_cart() -> None:
    entry = load_config(None, load_adapters())["sandbox-tray"]
    line = {"id": "5", "variant_id": "0", "quantity": "1", "cart_id": "#2"}
    found = {"session_id": "K", "date": "2026-11-21", "hour": "18:00:00." + "0" * 40, "Products": [line]}
    (cart,) = neutral(entry, CartAnswer("K", (json.dumps({"Cart": found}).encode(),)))
    assert cart.created is None
    assert cart.source["hour"].startswith("18:00:00.000")
    item = cart.items[0]
    for wrong, why in (
        (structs.replace(cart, source={"note": "x" * LONGEST_LINE}), "longer than 16,777,216 bytes"),
        (structs.replace(cart, items=(item, structs.replace(item, line=""))), "is the line of items"),
        (structs.replace(cart, id=""), "id: expected a string that is not empty"),
        (structs.replace(cart, source={"deep": _nested(120)}), "nested more than 100 deep"),
    ):
        with pytest.raises(NotACart, match=why):
            cart_line(wrong)


def _nested(levels: int) -> list[object]:
    return [_nested(levels - 1)] if levels else []
