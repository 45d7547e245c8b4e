"""The neutral cart: what shops' answers mean in it, its exact amounts, and its file."""

import contextlib
import json
import random
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cassette import FOLDER, read_cassette
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from neutral_round_trip import PLACES, Shelf, carts, varied
from platform_parts import MOVABLE
from test_platform_contract import NASTY

from batchcart.jobs.json_schema import cart_schema
from batchcart.migration.carts_file import cart_text, read_carts
from batchcart.migration.parts import require_migration
from batchcart.model.cart import Cart, CartSource, Item, NotACart
from batchcart.model.errors import BadLines, UsageError
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters
from batchcart.platforms.toolkit import money as amounts

PLATFORMS = MOVABLE
_FIELDS = sorted({*Cart.__struct_fields__, *Item.__struct_fields__, "first_name", "kind", "value"})
LEAST = '{"version":1,"account":"a","platform":"tray","id":"k"}'


def _wrote(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "carts.jsonl"
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


# ---- its file


@given(cart=carts())
def test_a_cart_is_read_back_as_it_was_written(cart: Cart, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = _wrote(tmp_path_factory.getbasetemp(), cart_text(cart))

    assert list(read_carts(path)) == [(1, cart)]


def test_numbers_that_a_source_wrote_keep_their_digits(tmp_path: Path) -> None:
    numbers = b'{"weight":0.10,"big":123456789012345678901234567890,"deep":[1.10]}'
    path = _wrote(tmp_path, LEAST[:-1].encode() + b',"source":' + numbers + b"}")

    ((_, cart),) = read_carts(path)

    assert numbers in cart_text(cart)


def test_a_mark_blank_lines_and_windows_line_ends_are_read_over(tmp_path: Path) -> None:
    path = _wrote(tmp_path, b"\xef\xbb\xbf" + LEAST.encode() + b"\r", "", "  ", LEAST)

    assert [line for line, _ in read_carts(path)] == [1, 4]


def _line(**changes: Any) -> str:
    return json.dumps({**json.loads(LEAST), **changes})


BAD = [
    (_line(version=2), "version: 2 is not known, this batchcart reads 1; use the batchcart that wrote the file"),
    (_line(version="1"), 'version: expected a whole number, found "1"'),
    ('{"account":"a"}', "version: missing; expected a whole number"),
    (_line(id=""), 'id: expected a string that is not empty, found ""'),
    (_line(curency="PLN"), "curency: there is no such field; did you mean 'currency'?"),
    (_line(currency="pln"), 'currency: expected an ISO 4217 code such as "PLN", found "pln"'),
    (_line(items=[{"quantity": 1.5}]), 'items[0].quantity: expected an exact decimal in quotes such as "19.90"'),
    (_line(items=[{"quantity": "1e3"}]), 'items[0].quantity: expected an exact decimal in quotes such as "19.90"'),
    (_line(items=[{"quantity": "1", "unit_price": "1,50"}]), "items[0].unit_price: expected an exact decimal"),
    (_line(items=[{}]), "items[0].quantity: missing"),
    (_line(created="yesterday"), "created: expected a time such as"),
    (_line(discounts=[{"kind": "gift", "value": "1"}]), 'discounts[0].kind: expected "amount" or "percent"'),
    (
        _line(items=[{"quantity": "1", "line": "7"}, {"quantity": "1", "line": "7"}]),
        "items[1].line: '7' is the line of items[0] too",
    ),
    (
        _line(items=[{"quantity": "1", "line": "#2"}, {"quantity": "1"}]),
        "items[1].line: '#2' is the line of items[0] too",
    ),
    (_line(discounts=[{"kind": "amount", "value": "1", "line": "9"}]), "discounts[0].line: '9' is the line of no item"),
    ('{"version":1,"version":1}', "the key 'version' is given twice in one object"),
    ("[]", "expected an object"),
    ("{", "not JSON"),
    (b"\xff", "not UTF-8"),
    (b'{"a":"' + b"x" * (16 << 20) + b'"}', "longer than 16,777,216 bytes"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD, ids=[sentence[:30] for _, sentence in BAD])
def test_a_bad_line_is_told_with_its_place(line: str | bytes, sentence: str, tmp_path: Path) -> None:
    path = _wrote(tmp_path, LEAST, line, LEAST)

    with pytest.raises(BadLines) as caught:
        list(read_carts(path))

    assert any(f"{path}:2: {sentence}" in problem for problem in caught.value.problems)


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(("", "1", "0.10", "PLN", "x"))),
    lambda inside: st.one_of(
        st.lists(inside, max_size=2), st.dictionaries(st.sampled_from(_FIELDS), inside, max_size=3)
    ),
    max_leaves=8,
)


@given(values=st.dictionaries(st.sampled_from(_FIELDS), _ANY, max_size=6), garbage=st.binary(max_size=4))
def test_no_bytes_make_reading_a_carts_file_stumble(
    values: dict[str, Any], garbage: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = _wrote(tmp_path_factory.getbasetemp(), json.dumps({**json.loads(LEAST), **values}).encode() + garbage)

    with contextlib.suppress(BadLines):
        for _, cart in read_carts(path):
            assert json.loads(cart_text(cart))["version"] == 1


def test_all_bad_lines_are_told_and_no_cart_comes_after_the_first(tmp_path: Path) -> None:
    path = _wrote(tmp_path, LEAST, "{", LEAST, _line(version=3))
    reading = read_carts(path)

    assert next(reading)[0] == 1
    with pytest.raises(BadLines) as caught:
        next(reading)
    assert [problem.removeprefix(f"{path}:")[0] for problem in caught.value.problems] == ["2", "4"]


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist; `batchcart export` writes one"):
        list(read_carts(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="is a folder"):
        list(read_carts(tmp_path))


def test_reading_holds_one_cart_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "carts.jsonl"
    with path.open("w") as file:
        file.writelines(_line(id=str(number), source={"x": "y" * 5000}) + "\n" for number in range(2000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_carts(path)) == 2000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_the_schema_takes_what_the_reader_takes_and_nothing_else() -> None:
    validator = jsonschema.Draft202012Validator(cart_schema())
    chance = random.Random(5)
    for number in range(50):
        assert validator.is_valid(json.loads(cart_text(varied(chance, number))))
    for line in (_line(version=2), _line(id=""), _line(items=[{"quantity": 1}]), _line(items=[{}]), _line(x=1)):
        assert not validator.is_valid(json.loads(line))


# ---- exact amounts


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (19900, "PLN", "199.00"),
        ("5", "PLN", "0.05"),
        (0, "BRL", "0.00"),
        (1999, "JPY", "1999"),
        (1, "KWD", "0.001"),
        ("123456789012345678", "KWD", "123456789012345.678"),
        (Decimal("19900.50"), "PLN", "199.005"),
        (-250, "PLN", "-2.50"),
    ],
)
def test_minor_units_are_shifted_never_divided(minor: Any, currency: str, text: str) -> None:
    assert amounts.from_minor(minor, currency) == text


@given(minor=st.integers(-(10**30), 10**30), currency=st.sampled_from([*PLACES, "CLF"]))
def test_minor_units_come_back_as_they_were(minor: int, currency: str) -> None:
    text = amounts.from_minor(minor, currency)
    assert text is not None
    assert amounts.to_minor(text, currency) == str(minor)


@pytest.mark.parametrize(
    ("text", "currency", "shown"),
    [
        ("0.1", "BRL", "0.10"),
        ("19.9000", "PLN", "19.90"),
        ("0.30000000000000004", "BRL", None),
        ("19.905", "PLN", None),
        ("19.905", "KWD", "19.905"),
        ("1999.0", "JPY", "1999"),
        ("0.5", "JPY", None),
    ],
)
def test_an_amount_has_the_currencys_decimals_or_no_exact_form(text: str, currency: str, shown: str | None) -> None:
    assert amounts.exact(text, currency) == shown


@pytest.mark.parametrize("value", [None, True, "", "abc", "1,50", "NaN", "Infinity", "1e999", [], {}, " 1", "1" * 60])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert amounts.amount(value) is None


def test_a_number_of_a_shop_loses_its_exponent_and_no_digit() -> None:
    assert [amounts.amount(value) for value in (Decimal("1E+2"), Decimal("1e-7"), "0.10", 10)] == [
        "100",
        "0.0000001",
        "0.1",
        "10",
    ]


# ---- what answers mean


def _recorded(platform: str) -> list[bytes]:
    """The bodies of the recorded reads of a whole cart, that ended well."""
    found = []
    for path in sorted((FOLDER / platform).glob("get-a*.http")):
        outcome = read_cassette(path).outcome
        if outcome["type"] == "Succeeded" and outcome.get("body"):
            found.append(json.dumps(outcome["body"]).encode())
    return found


def _values(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _values(each)
        case list() | tuple():
            for each in value:
                yield from _values(each)
        case None:
            return
        case _:
            yield str(value)


def _plain(text: str) -> str:
    """A value however it is written: an amount in units or minor units, a stamp with a space or a T."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        return text.replace(" ", "T")
    return f"{number:f}".replace(".", "").strip("0")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_of_a_recorded_answer_is_lost(platform: str) -> None:
    adapter = load_adapters()[platform]
    for body in _recorded(platform):
        try:
            found = require_migration(adapter).to_neutral(CartSource("a", adapter.account.currency), [body])
        except NotACart:
            continue
        kept = {_plain(value) for cart in found for value in _values(json.loads(cart_text(cart)))}
        stamps = {stamp for value in kept for stamp in value.split("T")}
        for value in _values(json.loads(body)):
            assert _plain(value) in kept | stamps | {""}, value  # "0" and "" are how shops write none


_STRANGE: tuple[Any, ...] = (
    None,
    True,
    "",
    "0",
    0,
    -1,
    "x",
    [],
    {},
    [{}],
    "1e5",
    "9" * 70,
    1.5,
    "2011-99-99 25:61:61",
    {"value": "1e30"},
)


def _bent(value: Any, chance: random.Random) -> Any:
    """The value with something strange in it here and there."""
    if chance.random() < 0.06:
        return chance.choice(_STRANGE)
    match value:
        case dict():
            return {name: _bent(each, chance) for name, each in value.items() if chance.random() < 0.98}
        case list():
            found = [_bent(each, chance) for each in value]
            return found + found[:1] if chance.random() < 0.2 else found
        case _:
            return value


@pytest.mark.parametrize("platform", PLATFORMS)
def test_whatever_an_answer_says_its_cart_can_be_read_from_a_file(platform: str, tmp_path: Path) -> None:
    adapter = load_adapters()[platform]
    chance = random.Random(7)
    bodies = [json.loads(body) for body in _recorded(platform)]
    carts: list[Cart] = []
    for number in range(400):
        body = json.dumps(_bent(chance.choice(bodies), chance)).encode()
        with contextlib.suppress(NotACart):
            carts += require_migration(adapter).to_neutral(
                CartSource("a", adapter.account.currency, f"key-{number}"), [body]
            )

    assert [cart for _, cart in read_carts(_wrote(tmp_path, *map(cart_text, carts)))] == carts
    assert len(carts) > 50


def test_shoplos_sample_rows_are_two_carts() -> None:
    body = json.dumps({"carts": [_row(1, "K1"), _row(2, "K2"), _row(3, "K1"), _row(1, "K1")]}).encode()

    first, second = require_migration(load_adapters()["shoplo"]).to_neutral(CartSource("sklep", None), [body])

    assert (first.id, [item.line for item in first.items]) == ("K1", ["1", "3"])
    assert (second.id, second.currency, second.unread) == ("K2", "PLN", ("discounts",))
    assert (first.created, first.expires) == ("2011-09-22T01:15:35", "2011-09-22T01:35:35")
    assert first.items[0] == Item(
        quantity="2",
        line="1",
        product="12",
        variant="54",
        sku="t-shirt-231a",
        unit_price="199.00",
        tax_rate="23",
        added="2011-09-22T01:15:35",
        source={"weight": 500, "require_shipping": 1, "expire_at": "2011-09-22 01:35:35"},
    )


def _row(line: int, key: str) -> dict[str, Any]:
    return {
        "id": line,
        "user_key": key,
        "product_id": 12,
        "variant_id": 54,
        "price": 19900,
        "tax": "23.00",
        "quantity": 2,
        "weight": 500,
        "sku": "t-shirt-231a",
        "require_shipping": 1,
        "created_at": "2011-09-22 01:15:35",
        "expire_at": "2011-09-22 01:35:35",
    }


def test_a_shops_own_currency_decides_what_minor_units_are() -> None:
    body = json.dumps({"carts": [_row(1, "K1")]}).encode()
    means = require_migration(load_adapters()["shoplo"]).to_neutral

    prices = [means(CartSource("a", currency), [body])[0].items[0].unit_price for currency in ("PLN", "JPY", "KWD")]

    assert prices == ["199.00", "19900", "19.900"]


def test_a_3dcart_answer_without_items_says_that_they_are_unknown() -> None:
    (bare,) = require_migration(load_adapters()["3dcart"]).to_neutral(
        CartSource("acme", "USD", "6F027F81"), [b'{"CustomerId":1,"BillingCity":""}']
    )
    (empty,) = require_migration(load_adapters()["3dcart"]).to_neutral(
        CartSource("acme", "USD", "6F027F81"), [b'[{"CartItemList":[]}]']
    )

    assert "items" in bare.unread
    assert "items" not in empty.unread
    assert bare.customer.id == "1"


def test_trays_two_views_together_show_more_than_each_alone() -> None:
    cart = varied(random.Random(3))
    adapter = load_adapters()["tray"]
    item = Item(quantity="1", line="1", product="5", unit_price="0.30", note="zażółć – ação")
    wanted = structs.replace(cart, currency="BRL", items=(item,), created="2026-11-21T18:00:00")
    shelf = Shelf("tray")
    key = shelf.make(require_migration(adapter).from_neutral(wanted, "BRL").operations)

    plain, complete, both = (shelf.read(key, "BRL", views) for views in ([None], ["complete"], [None, "complete"]))

    assert {"customer.email", "created"} <= set(complete.unread)
    assert "discounts" in plain.unread
    assert set(both.unread) == set(plain.unread) & set(complete.unread)
    assert (plain.items[0].line, complete.items[0].line != "") == ("", True)
    assert both.items == complete.items
    assert (both.customer.email, both.created) == (wanted.customer.email, wanted.created)


def test_trays_discounts_are_amounts_and_zero_is_none() -> None:
    body = json.dumps(
        {
            "Cart": {
                "session_id": "k",
                "Products": [{"id": "8", "quantity": "1", "price": "100.00", "variant_id": "0"}],
                "coupon_discount": "5.5",
                "order_discount": "0",
                "Coupon": {"code": "VERAO"},
                "customer_id": "0",
            }
        }
    ).encode()

    (cart,) = require_migration(load_adapters()["tray"]).to_neutral(CartSource("loja", None, "k"), [body])

    (discount,) = cart.discounts
    assert (discount.kind, discount.value, discount.code) == ("amount", "5.50", "VERAO")
    assert (cart.items[0].variant, cart.customer.id, cart.currency) == ("", "", "BRL")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_body_makes_reading_a_cart_stumble(platform: str) -> None:
    adapter = load_adapters()[platform]
    for body in NASTY:
        try:
            found = require_migration(adapter).to_neutral(CartSource("a", adapter.account.currency, "KEY"), [body])
        except NotACart:
            continue
        for cart in found:
            assert json.loads(cart_text(cart))["id"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_fills_the_fields_that_it_says_it_fills(platform: str) -> None:
    adapter = load_adapters()[platform]
    chance = random.Random(11)
    filled: set[str] = set()
    for number in range(60):
        making = require_migration(adapter).from_neutral(structs.replace(varied(chance, number), currency="EUR"), "EUR")
        if making.blocked or making.inexact:
            continue
        shelf = Shelf(platform)
        cart = shelf.read(shelf.make(making.operations), "EUR")
        filled |= set(_paths(cart))
    read_only = {"customer.id", "discounts"}  # no operation sets them in the simulator's answers
    assert filled <= set(require_migration(adapter).readable_fields)
    assert set(require_migration(adapter).readable_fields) - filled <= read_only


def _paths(cart: Cart) -> Iterator[str]:
    own = {"version", "account", "platform", "id", "currency", "items", "discounts", "unread", "source", "updated"}
    for name in cart.__struct_fields__:
        value = getattr(cart, name)
        if hasattr(value, "__struct_fields__"):
            yield from (f"{name}.{field}" for field in value.__struct_fields__ if getattr(value, field))
        elif value and name not in own:
            yield name
    for item in cart.items:
        fields = ("product", "variant", "quantity", "unit_price", "options", "note")
        yield from (f"items.{field}" for field in fields if getattr(item, field))


def test_every_platform_can_read_a_cart_and_make_one() -> None:
    for adapter in map(load_adapters().__getitem__, MOVABLE):
        assert {OperationKind.CART_GET, OperationKind.CART_CREATE, OperationKind.ITEM_ADD} <= set(adapter.operations)
        assert require_migration(adapter).readable_fields
