"""A neutral cart is made in a shop and read back: what the shop can hold comes back as it was, the rest is reported."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from msgspec import structs
from neutral_round_trip import PLACES, Shelf, carts
from platform_parts import CLOSELY_KNOWN

from batchcart.migration.parts import require_migration
from batchcart.model.cart import Address, Cart, Customer, Discount, Item, Shipping
from batchcart.platforms import load_adapters

PLATFORMS = sorted(CLOSELY_KNOWN)
OWN = {"sku", "name", "tax_rate", "added", "source", "unread", "updated", "expires", "version", "account", "platform"}
"""What every shop says of its carts and products itself."""
SHOPS_OWN = {"3dcart": {"unit_price"}, "shoplo": {"unit_price", "product"}, "tray": {"unit_price"}}
AMOUNTS = {"quantity", "unit_price", "price", "tax_value", "value"}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every filled field of a cart with its path; options and discounts are leaves."""
    match value:
        case Cart() | Address() | Customer() | Shipping() | Item():
            for info in structs.fields(value):
                if info.name not in OWN:
                    yield from leaves(getattr(value, info.name), f"{path}.{info.name}" if path else info.name)
        case (Item() | Discount(), *_):
            for index, each in enumerate(value):
                yield from leaves(each, f"{path}[{index}]")
        case "" | None | ():
            return
        case _:
            number = path.rpartition(".")[2] in AMOUNTS
            yield path, Decimal(value) if number and isinstance(value, str) else value


def left(cart: Cart) -> dict[str, Any]:
    """The leaves of a cart, items by the names of their lines."""
    names = {f"items[{index}]": f"items[{item.line}]" for index, item in enumerate(cart.items)}
    return {
        re.sub(r"^items\[\d+\]", lambda found: names[found[0]], path): value
        for path, value in leaves(structs.replace(cart, id=""))
    }


def covered(path: str, fields: tuple[str, ...]) -> bool:
    flat = re.sub(r"\[[^]]*\]", "", path)
    return any(flat == field or flat.startswith(f"{field}.") for field in fields)


@pytest.mark.parametrize("platform", PLATFORMS)
@given(cart=carts())
def test_what_a_target_does_not_hold_is_reported_field_by_field(platform: str, cart: Cart) -> None:
    adapter = load_adapters()[platform]
    making = require_migration(adapter).from_neutral(cart, adapter.account.currency)
    assume(not making.inexact)
    reported = {loss.field for loss in making.losses}
    gone = {path.partition(".")[0] for path in reported if path.endswith(("].quantity", "].line"))}
    lines = {f"items[{item.line}]": f"items[{index}]" for index, item in enumerate(cart.items)}
    held = left(making.expected)

    for path, value in left(cart).items():
        name, dot, rest = path.partition(".")
        place = lines.get(name, name) + dot + rest
        if place in reported or lines.get(name, name) in gone:
            continue
        if rest == "quantity" and any(loss.why.endswith(f"joined with {lines[name]}") for loss in making.losses):
            assert held[path] > value
        elif path == "shipping.tax_value" and not value:
            assert path not in held
        elif path == "billing.email" and platform == "3dcart":
            assert held["customer.email"] == value
        elif rest == "product" and platform == "shoplo":
            assert path not in held
        elif path.startswith("discounts"):
            assert value in held.values()
        else:
            assert held[path] == value, path
    assert all(loss.why and loss.value for loss in making.losses)


def _identity(platform: str, cart: Cart, *, sloppy: bool) -> None:
    adapter = load_adapters()[platform]
    currency = cart.currency if cart.currency in {"PLN", "BRL", "JPY", "KWD"} else adapter.account.currency
    making = require_migration(adapter).from_neutral(cart, currency)
    assume(not making.blocked)
    assert not making.inexact
    shelf = Shelf(platform, sloppy=sloppy)

    read = shelf.read(shelf.make(making.operations), currency)

    items = tuple(structs.replace(item, line=shelf.items[item.line]) for item in read.items)
    shown, held = left(structs.replace(read, items=items)), left(making.expected)
    own = {*SHOPS_OWN[platform], "created"}
    hidden = {path for path in held if covered(path, read.unread)}
    assert {path: value for path, value in held.items() if path not in hidden} == {
        path: value for path, value in shown.items() if path in held or path.rpartition(".")[2] not in own
    }
    assert hidden <= {path for path in held if covered(path, tuple(require_migration(adapter).hidden_fields))}


@pytest.mark.parametrize("sloppy", [False, True], ids=["clean", "as-printed"])
@pytest.mark.parametrize("platform", PLATFORMS)
@given(cart=carts())
def test_what_a_target_holds_is_read_back_as_it_was(platform: str, sloppy: bool, cart: Cart) -> None:  # noqa: FBT001
    _identity(platform, cart, sloppy=sloppy)


@pytest.mark.storm
@pytest.mark.parametrize("platform", PLATFORMS)
@settings(max_examples=3000, deadline=None)
@given(cart=carts())
def test_many_more_carts_are_read_back_as_they_were(platform: str, cart: Cart) -> None:
    _identity(platform, cart, sloppy=False)


def test_the_currencies_of_the_property_have_0_2_and_3_decimals() -> None:
    assert {0, 2, 3} == set(PLACES.values())
