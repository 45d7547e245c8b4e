"""Under every reading a migration brings what the source's store holds, and says of no cart more than is true."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_harness import PLATFORMS as ACCOUNTS
from cli_harness import Cli
from deviations import PLATFORMS, SINGLE, Chosen, named
from neutral_carts import command, number_on, write_map

from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.readings import READINGS, deviate

TARGET = {"3dcart": "tray", "tray": "shoplo", "shoplo": "3dcart"}
"""Where each platform's carts are brought, so that each is a source once and a target once."""
ACCOUNT = {platform: account for account, platform in ACCOUNTS.items()}
NOW = "2026-11-21 12:00:00"
CARTS = {
    "one": [(1, "3", "")],
    "three": [(1, "2", ""), (2, "4", "in red"), (3, "5", "")],
    "twins": [(4, "2", "a"), (5, "1", ""), (4, "3", "b")],
}
"""Carts by their keys: product, quantity and note of each line."""

AT_THE_SOURCE: Mapping[tuple[str, str], str] = {
    ("3dcart.get_fields", "documented"): "",
    ("3dcart.items", "hidden"): "",
    ("3dcart.items", "null"): "",
}
"""Readings under which the source does not show what is in a cart: it is not brought."""

AT_THE_TARGET: Mapping[tuple[str, str], str] = {
    ("3dcart.get_fields", "documented"): "cannot be read",
    ("3dcart.items", "hidden"): "cannot be read",
    ("3dcart.items", "null"): "cannot be read",
    ("tray.update_route", "body"): "different",
    ("tray.update_lines", "drop"): "different",
    ("tray.price", "ignored"): "different",
    ("tray.write_slash", "needed"): "missing",
    ("shoplo.user_key_filter", "product"): "cannot be read",
}
"""Readings under which a cart cannot be brought whole, or not be read back, and what it is called then."""

SPEECHLESS = ("3dcart.error_body", "html")
"""A shop that says even of a missing cart nothing but a web page is not told from one that has moved."""

SLOW = {("shoplo.nothing", "empty")}
"""A list that ends with a body without a byte is asked for ten times, then the export says that it cannot be read."""


def hands(platform: str, own_way: Mapping[tuple[str, str], str]) -> Iterator[dict[str, str]]:
    """Every deviation once: three at a time, of different points, but for those that have a way of their own."""
    left = [one for one in SINGLE[platform] if one not in own_way and one not in SLOW]
    while left:
        hand: dict[str, str] = {}
        for name, value in list(left):
            if len(hand) < 3 and name not in hand:
                hand[name] = value
                left.remove((name, value))
        yield hand
    yield from ({name: value} for name, value in own_way if READINGS[name].platform == platform)


def put(endpoint: ShopEndpoint, key: str) -> None:
    """Put one of the carts into the shop's store."""
    shop, platform = endpoint.shop, endpoint.platform.name
    items: dict[str, Any] = {}
    for product, quantity, note in CARTS[key]:
        number = shop.new_id()
        own, variant = number_on(platform, product)
        match platform:
            case "3dcart":
                items[number] = {"CatalogID": own, "ItemQuantity": quantity}
            case "tray":
                line = {"product_id": own, "variant_id": variant, "quantity": quantity, "price": "12.50"}
                items[number] = {**line, "additional_information": note, "date": NOW[:10], "hour": NOW[11:]}
            case _:
                row = {"id": int(number), "user_key": key, "product_id": int(own), "variant_id": int(variant)}
                row |= {"price": 1250, "tax": 23, "quantity": int(quantity), "weight": 1, "sku": "s"}
                items[number] = {**row, "require_shipping": 1, "created_at": NOW, "expire_at": "2099-01-01 00:00:00"}
                shop.owners[number] = key
    heads: dict[str, Any] = {
        "3dcart": {"fields": {"BillingEmail": "a@example.com"}, "created": "2026-11-21T12:00:00", "updated": ""},
        "tray": {"head": {"email": "a@example.com"}, "shipping": {}},
        "shoplo": {},
    }
    shop.carts[key] = {**heads[platform], "items": items}


def holds(endpoint: ShopEndpoint, key: str | None) -> Counter[int]:
    """How many of each product are in a cart of the shop's store."""
    held: Counter[int] = Counter()
    for item in endpoint.shop.carts.get(key or "", {"items": {}})["items"].values():
        match endpoint.platform.name:
            case "3dcart":
                product, quantity = int(item["CatalogID"]) - 500, item["ItemQuantity"]
            case "tray":
                product, quantity = int(item["product_id"]) - 100, item["quantity"]
            case _:
                product, quantity = int(item["variant_id"]) // 10, item["quantity"]
        held[product] += int(Decimal(str(quantity)))
    return held


def rows(path: Path) -> list[Any]:
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def opened(
    shop: Cli, source: str, target: str, at_source: Chosen, at_target: Chosen
) -> tuple[ShopEndpoint, ShopEndpoint]:
    """Both shops, which read the documents so; the source holds the carts."""
    fronts = []
    keys: dict[str, dict[str, Any]] = {}
    for platform, chosen in ((source, at_source), (target, at_target)):
        endpoint = shop.endpoint(ACCOUNT[platform])
        endpoint.shop.readings = deviate(platform, chosen)
        form = chosen.get(f"{platform}.request_form") == "form"
        keys[ACCOUNT[platform]] = {"currency": "PLN", "encoding": "form" if form else None}
        fronts.append(endpoint)
    shop.configure(**keys)
    for key in CARTS:
        put(fronts[0], key)
    write_map(shop.folder / "map.csv", source, target)
    (shop.folder / "keys.txt").write_text("".join(f"{key}\n" for key in CARTS))
    return fronts[0], fronts[1]


def migrated(shop: Cli, source: str, target: str) -> dict[str, str | None]:
    """The keys of the new carts, once all steps of the migration were done; no step stopped on its way."""
    named_by = () if source == "shoplo" else ("--ids", "keys.txt")
    words = ("--map", "map.csv", "--folder", "moved", "--allow-unused", "--progress", "none", *named_by)
    ended = command("migrate", "--from", ACCOUNT[source], "--to", ACCOUNT[target], *words, folder=shop.folder)
    assert ended.code in {0, 1}, ended.err
    results = rows(shop.folder / "moved" / "results.jsonl")
    return {one["cart"]: one.get("cart_id") for one in results if one["op"] == "cart.create"}


def told(shop: Cli, path: str) -> dict[str, str]:
    return {row["cart"]: row["status"] for row in rows(shop.folder / path)}


def check(first: ShopEndpoint, second: ShopEndpoint, made: Mapping[str, str | None], parity: Mapping[str, str]) -> None:
    """What a verification says of each cart is what the two stores hold."""
    for key, status in parity.items():
        there, same = made.get(key) in second.shop.carts, holds(first, key) == holds(second, made.get(key))
        assert status != "equal" or same, key
        assert status != "missing" or not there, key
    assert len(second.shop.carts) <= len(CARTS), "no cart is created twice"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_carts_arrive_whole_from_and_at_shops_of_every_reading(platform: str, shop: Cli) -> None:
    source, target = platform, TARGET[platform]
    there, here = list(hands(source, AT_THE_SOURCE)), list(hands(target, AT_THE_TARGET))
    for number in range(max(len(there), len(here))):
        at_source, at_target = [some[number] if number < len(some) else {} for some in (there, here)]
        with_folder = Cli(shop.folder / str(number), shop.shop_server, f"{shop.shop}-{number}")
        with_folder.folder.mkdir()
        bring(with_folder, source, target, at_source, at_target)


def bring(shop: Cli, source: str, target: str, at_source: Chosen, at_target: Chosen) -> None:
    """Migrate the carts and judge what is said of them; then take one away at the target, and verify again."""
    first, second = opened(shop, source, target, at_source, at_target)
    made = migrated(shop, source, target)
    parity = told(shop, "moved/job.parity.jsonl") or told(shop, "moved/parity.jsonl")
    both = f"{source} {named(at_source)} to {target} {named(at_target)}"
    check(first, second, made, parity)
    if any(one in AT_THE_SOURCE for one in at_source.items()):
        assert parity == {}, both
        return
    wanted = next((AT_THE_TARGET[one] for one in at_target.items() if one in AT_THE_TARGET), "equal")
    assert parity == dict.fromkeys(CARTS, wanted), both

    gone = second.shop.carts.pop(made["three"] or "", {"items": {}})
    for number in gone["items"]:
        second.shop.owners.pop(number, None)
    words = ("moved/results.jsonl", "--map", "map.csv", "--progress", "none", "-o", "again.jsonl")
    speechless = SPEECHLESS in at_target.items()
    command("verify", "moved/carts.jsonl", *words, folder=shop.folder, code=3 if speechless else 1)
    again = told(shop, "again.jsonl")
    check(first, second, made, again)
    assert again.pop("three", "cannot be read") in {"missing", "cannot be read"}, both
    assert {*again.values()} == (set() if speechless else {wanted}), both
