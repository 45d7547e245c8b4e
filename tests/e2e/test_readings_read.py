"""Under every reading a trial of credentials goes well, and an export says of each cart what the store holds."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_harness import KEYS, Cli, in_turn
from deviations import PLATFORMS, SINGLE
from neutral_carts import product_of
from test_readings_migrated import AT_THE_SOURCE, CARTS, SLOW, SPEECHLESS, holds, put

from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.readings import deviate

FORMS = {("tray.request_form", "form"), ("shoplo.request_form", "form")}


@dataclass(frozen=True)
class Deviant:
    """An account whose shop takes one point otherwise, with a folder for what is found out of it."""

    name: str
    platform: str
    reading: tuple[str, str]
    endpoint: ShopEndpoint
    folder: Path


def deviants(shop: Cli, platform: str) -> Iterator[Deviant]:
    """An account for each deviation of the platform; its shop holds the carts."""
    for number, reading in enumerate(SINGLE[platform]):
        name = f"{platform}-{number}"
        endpoint = shop.shop_server.sandbox.shop(platform, f"{shop.shop}-{name}")
        endpoint.shop.readings = deviate(platform, dict([reading]))
        for key in CARTS:
            put(endpoint, key)
        folder = shop.folder / name
        folder.mkdir()
        yield Deviant(name, platform, reading, endpoint, folder)


def configure(shop: Cli, all_of_them: list[Deviant]) -> None:
    more = []
    for one in all_of_them:
        own = {"encoding": "form" if one.reading in FORMS else None, "currency": "PLN"}
        more.append(shop.entry(one.name, platform=one.platform, shop=f"{shop.shop}-{one.name}", **own))
    shop.configure(*more)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_export_names_each_cart_as_the_store_has_it_or_as_one_that_cannot_be_read(shop: Cli, platform: str) -> None:
    all_of_them = [one for one in deviants(shop, platform) if one.reading not in SLOW]
    configure(shop, all_of_them)
    (shop.folder / "keys.txt").write_text("".join(f"{key}\n" for key in CARTS))
    named_by = [] if platform == "shoplo" else ["--from", "../keys.txt"]
    words = ["-o", "carts.jsonl", "--config", "../batchcart.toml", "--progress", "none", *named_by]
    todo = [(one.folder, ["export", one.name, *words]) for one in all_of_them]
    for one, ended in zip(all_of_them, in_turn(todo, shop.folder), strict=True):
        carts, unread = rows(one.folder / "carts.jsonl"), rows(one.folder / "carts.unread.jsonl")
        assert ended.code in {0, 1}, (one.reading, ended)
        assert {cart["id"] for cart in carts} | {row["cart_id"] for row in unread} == {*CARTS}, one.reading
        for cart in carts:
            found: Counter[int] = Counter()
            for item in cart.get("items", ()):
                found[product_of(platform, item)] += int(Decimal(item["quantity"]))
            hidden = "items" in cart.get("unread", ())
            assert hidden or found == holds(one.endpoint, cart["id"]), (one.reading, cart)
            assert not hidden or one.reading in AT_THE_SOURCE, (one.reading, cart)
        assert not unread, (one.reading, unread)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_init_takes_credentials_for_good_under_every_reading(shop: Cli, platform: str) -> None:
    (shop.folder / "secret").write_text("a-secret-of-any-kind")
    (shop.folder / "secret").chmod(0o600)
    keys = dict.fromkeys(KEYS[platform], "file:../secret") | {
        key: text for key, text in KEYS[platform].items() if key in {"auth", "app_id"}
    }
    keys.pop("secure_url", None)
    todo = []
    all_of_them = list(deviants(shop, platform))
    for one in all_of_them:
        address = shop.shop_server.sandbox.address(platform, f"{shop.shop}-{one.name}")
        place = ["--address", address] if platform == "tray" else ["--base-url", address]
        place += ["--address", "https://acme.example.com"] if platform == "3dcart" else []
        own = [word for key, text in keys.items() for word in (f"--{key.replace('_', '-')}", str(text))]
        todo.append((one.folder, ["init", "--platform", platform, "--account", "neu", *place, *own]))
    for one, ended in zip(all_of_them, in_turn(todo, shop.folder), strict=True):
        if one.reading == SPEECHLESS:
            assert "which is not an answer of 3dcart" in ended.err
            assert ended.code == 1
            continue
        assert "the shop took the credentials" in ended.err, (one.reading, ended)
        assert ended.code == 0, (one.reading, ended)
