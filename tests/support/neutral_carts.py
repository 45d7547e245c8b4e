"""Owns varied neutral carts for tests that move them, and the product maps between the platforms' own numbers.

`unlike` compares carts for itself, so that `verify` has a second opinion.
"""

import csv
import json
import os
import random
import sys
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from itertools import repeat
from pathlib import Path
from typing import Any

from cli_harness import PLATFORMS, Cli, Ended, environment

from batchcart.cli import main

Cart = dict[str, Any]

NOTES = (
    "",
    "",
    "Sem açúcar, por favor",
    "Prosić o fakturę — źdźbło",
    "Gravação: «João & Zoë»",
    "proszę zapakować na prezent",
)
CITIES = ("São Paulo", "Łódź", "Kraków", "Curitiba", "")
NAMES = ("Zoë", "Łukasz", "João", "Żaneta", "")
PRODUCTS = range(1, 13)


def _address(rng: random.Random) -> Cart:
    given = {
        "first_name": rng.choice(NAMES),
        "last_name": rng.choice(("Gonçalves", "Wiśniewska", "")),
        "street": rng.choice(("Rua da Consolação, 1", "ul. Świętej Gertrudy 5/7", "")),
        "city": rng.choice(CITIES),
        "postcode": rng.choice(("04001001", "31-046", "")),
        "country": rng.choice(("BR", "PL", "")),
    }
    return {name: text for name, text in given.items() if text}


def _item(rng: random.Random, number: int, product: int) -> Cart:
    item: Cart = {"line": f"l{number}", "product": f"p{product}", "variant": f"v{product}", "sku": f"s-{product}"}
    item["quantity"] = str(rng.randint(1, 9))
    item["unit_price"] = f"{rng.randint(1, 99999) / 100:.2f}"
    if note := rng.choice(NOTES):
        item["note"] = note
    if rng.random() < 0.3:
        item["options"] = [{"set": "7", "id": str(rng.randint(1, 5)), "value": rng.choice(("czerwony", "açaí"))}]
    return item


def _cart(rng: random.Random, number: int) -> Cart:
    products = rng.sample(PRODUCTS, rng.randint(1, 4))
    if rng.random() < 0.15:
        products.append(products[0])  # two lines of one product
    cart: Cart = {
        "version": 1,
        "account": "origin",
        "platform": "elsewhere",
        "id": f"cart-{number}",
        "currency": rng.choice(("PLN", "PLN", "BRL", "EUR")),
        "items": [_item(rng, place, product) for place, product in enumerate(products)],
    }
    if rng.random() < 0.4:
        cart |= {"customer": {"email": f"ana{number}@example.com"}, "billing": _address(rng), "shipment": _address(rng)}
    if rng.random() < 0.3:
        discount = {"kind": "percent", "value": str(rng.randint(1, 50)), "code": "WIOSNA", "title": "Wyprzedaż"}
        cart["discounts"] = [discount]
    return cart


def varied(count: int, seed: int = 1) -> list[Cart]:
    """Carts of no platform: several currencies, options, discounts, notes, addresses with empty fields."""
    rng = random.Random(seed)
    return [_cart(rng, number) for number in range(count)]


def write_carts(path: Path, carts: Iterable[Cart]) -> Path:
    path.write_text("".join(json.dumps(cart, ensure_ascii=False) + "\n" for cart in carts))
    return path


def number_on(platform: str, product: int) -> tuple[str, str]:
    """What a product is called on a platform: product and variant."""
    match platform:
        case "shoplo":
            return str(product + 1), str(product * 10)
        case "tray":
            return str(product + 100), str(product + 200)
        case "3dcart":
            return str(product + 500), ""
        case _:
            return f"p{product}", f"v{product}"


def write_map(path: Path, source: str, target: str) -> Path:
    """The product map from one platform's numbers to another's."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("source_product", "source_variant", "target_product", "target_variant"))
        for product in PRODUCTS:
            rows.writerow((*number_on(source, product), *number_on(target, product)))
    return path


def refuse_after(shop: Cli, account: str, requests: int) -> None:
    """The shop answers so many requests, and cannot be reached from then on."""
    answers = repeat("", requests)
    shop.hook(account, lambda _call: next(answers, "refuse"))


def lose_first_create(shop: Cli, fault: str) -> None:
    """The 3dcart shop's first answer to a create is lost, so that its line ends in doubt."""
    faults = iter([fault])
    shop.hook("acme", lambda call: next(faults, "") if call.route == "POST Cart" else "")


def command(*words: str | Path, folder: Path, code: int | None = None) -> Ended:
    """Run the command in ``folder`` to its end, in this process: as a process of its own, and quicker to begin."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    argv, before = sys.argv, dict(os.environ)
    ended: object = None
    try:
        sys.argv = ["batchcart", *map(str, words)]
        os.environ.update(environment(folder))
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ending:
        ended = ending.code
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(before)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    assert isinstance(ended, int)
    assert code is None or ended == code, (ended, *said)
    return Ended(ended, *said)


def brought(shop: Cli, account: str, count: int, seed: int = 1) -> list[Cart]:
    """Varied carts brought into a shop: its job is `in.jsonl`, its results `in.results.jsonl`."""
    carts = varied(count, seed)
    write_carts(shop.folder / "origin.jsonl", carts)
    write_map(shop.folder / "in.csv", "elsewhere", PLATFORMS[account])
    words = ("--to", account, "--map", "in.csv", "-o", "in.jsonl", "--allow-unused")
    command("convert", "origin.jsonl", *words, folder=shop.folder, code=0)
    command("run", "in.jsonl", "--progress", "none", folder=shop.folder, code=0)
    return carts


def product_of(platform: str, item: Cart) -> int:
    """Which of the products an item is."""
    product, variant = item.get("product", ""), item.get("variant", "")
    return {
        "shoplo": lambda: int(variant) // 10,
        "tray": lambda: int(product) - 100,
        "3dcart": lambda: int(product) - 500,
    }[platform]()


def unlike(source: Cart, target: Cart, lost: Iterable[str]) -> list[str]:
    """The fields in which two carts differ, but for those that were ``lost`` or that the target does not show.

    It knows nothing of how `verify` compares.
    """
    excused = {*lost}
    found = []
    wanted, new = _by_product(source), _by_product(target)
    for product, (quantity, _) in wanted.items():
        if new.get(product, (0, []))[0] != quantity:
            found.append(f"quantity of product {product}")
    found += [f"product {product}" for product in new if product not in wanted]
    for index, item in enumerate(source["items"]):
        twins = new.get(product_of(source["platform"], item), (0, []))[1]
        for name in ("note", "unit_price"):
            if f"items[{index}].{name}" in excused or name not in item:
                continue
            if not any(_equal(name, twin.get(name, ""), item[name]) for twin in twins):
                found.append(f"items[{index}].{name}")
    for group in ("customer", "billing", "shipment"):
        for name in {*source.get(group, {}), *target.get(group, {})}:
            hidden = {group, f"{group}.{name}"} & {*target.get("unread", ()), *excused}
            if not hidden and source.get(group, {}).get(name) != target.get(group, {}).get(name):
                found.append(f"{group}.{name}")
    return found


def _equal(name: str, one: str, other: str) -> bool:
    return Decimal(one or 0) == Decimal(other) if name == "unit_price" else one == other


def _by_product(cart: Cart) -> dict[int, tuple[Decimal, list[Cart]]]:
    found: dict[int, tuple[Decimal, list[Cart]]] = {}
    for item in cart["items"]:
        product = product_of(cart["platform"], item)
        quantity, items = found.get(product, (Decimal(0), []))
        found[product] = quantity + Decimal(item["quantity"]), [*items, item]
    return found
