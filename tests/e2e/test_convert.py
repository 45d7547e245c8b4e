"""Converting neutral carts to a job: what is written, what is lost, what is stopped and what is refused."""

import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Ended, argv, batchcart, environment
from msgspec import structs
from neutral_round_trip import varied
from platform_parts import MOVABLE, SIMULATED

from batchcart.accounts.config import AccountConfig, load_config
from batchcart.accounts.locks import FileLock
from batchcart.migration.carts_file import cart_text
from batchcart.migration.convert import ConvertOptions, ConvertResult, convert
from batchcart.migration.support_matrix import NO, NONE, YES, support_matrix
from batchcart.model.cart import Address, Cart, Customer, Discount, Item, Option, Shipping
from batchcart.model.errors import BadLines, UsageError
from batchcart.platforms import load_adapters

TARGETS = sorted(f"sandbox-{name}" for name in {*MOVABLE} & {*SIMULATED})
HEADER = "source_product,source_variant,target_product,target_variant\n"
MAP = HEADER + "12,54,100,200\n12,55,101,201\n"
FOR_3DCART = "source_product,source_variant,target_product\n12,54,100\n12,55,101\n"
SHIRT = Item(quantity="2", line="1", product="12", variant="54", name="Koszulka")
CART = Cart(version=1, account="sklep", platform="shoplo", id="Fu1", currency="PLN", items=(SHIRT,))


def written(folder: Path, *carts: Cart, products: str = MAP) -> ConvertOptions:
    (folder / "carts.jsonl").write_bytes(b"".join(cart_text(cart) + b"\n" for cart in carts))
    (folder / "products.csv").write_text(products)
    return ConvertOptions(
        folder / "carts.jsonl", folder / "products.csv", folder / "job.jsonl", allow_unused=products != ""
    )


def target(account: str, currency: str | None = None) -> AccountConfig:
    entry = load_config(None, load_adapters())[account]
    return entry if currency is None else _in(entry, currency)


def _in(entry: AccountConfig, currency: str) -> AccountConfig:
    fields = {name: getattr(entry, name) for name in AccountConfig.__slots__}
    return AccountConfig(**{**fields, "options": structs.replace(entry.options, currency=currency)})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def losses(converted: ConvertResult) -> dict[str, str]:
    """The first cart's losses, by field."""
    return {loss["field"]: loss["why"] for loss in lines(converted.report)[0]["losses"]}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"carts.jsonl", "products.csv", "state"}


# ---- the job


def test_a_cart_becomes_lines_named_after_its_source(tmp_path: Path) -> None:
    cart = structs.replace(CART, items=(SHIRT, structs.replace(SHIRT, line="", variant="55", quantity="1.0")))

    converted = convert(written(tmp_path, cart), target("sandbox-shoplo"))

    assert lines(tmp_path / "job.jsonl") == [
        {
            "op": "cart.create",
            "account": "sandbox-shoplo",
            "cart": "Fu1",
            "item": "1",
            "data": {"variant_id": "200", "quantity": 2},
        },
        {
            "op": "item.add",
            "account": "sandbox-shoplo",
            "cart": "Fu1",
            "item": "#2",
            "data": {"variant_id": "201", "quantity": 1},
        },
    ]
    assert (converted.exit_code, converted.carts, converted.converted, converted.lines) == (0, 1, 1, 2)


def test_tray_gets_price_note_shipping_and_then_the_carts_own_fields(tmp_path: Path) -> None:
    item = structs.replace(SHIRT, unit_price="0.30", note="Zażółć gęślą jaźń – ação")
    cart = structs.replace(
        CART,
        currency="BRL",
        items=(item,),
        customer=Customer(email="anna@example.com"),
        shipment=Address(city="São Paulo", state="", postcode="04001001"),
        shipping=Shipping(name="Sedex", price="16.8", min_days="3"),
        created="2026-11-21T18:00:00",
    )

    converted = convert(written(tmp_path, cart), target("sandbox-tray"))

    create, update = lines(tmp_path / "job.jsonl")
    assert create["data"] == {
        "product_id": "100",
        "quantity": 2,
        "variant_id": "200",
        "price": "0.30",
        "additional_information": "Zażółć gęślą jaźń – ação",
        "Shipping": {
            "name": "Sedex",
            "min_period": "3",
            "zip_code": "04001001",
            "price": "16.80",
            "city": "São Paulo",
        },
    }
    assert update["data"] == {"email": "anna@example.com", "date": "2026-11-21", "hour": "18:00:00"}
    assert converted.lossy == 0


def test_3dcart_gets_addresses_fractions_and_options(tmp_path: Path) -> None:
    item = structs.replace(SHIRT, variant="", quantity="74216946.47779638", options=(Option(set="1", id="2"),))
    cart = structs.replace(
        CART, items=(item,), customer=Customer(email="a@b"), billing=Address(city="Łódź"), shipment=Address(phone="1")
    )
    products = "source_product,source_options,target_product,target_options\n12,1:2,79295989,15:47=red\n"

    convert(written(tmp_path, cart, products=products), target("sandbox-3dcart"))

    create, add = (tmp_path / "job.jsonl").read_text().splitlines()
    assert json.loads(create)["data"] == {"BillingCity": "Łódź", "BillingEmail": "a@b", "ShipmentPhone": "1"}
    assert '"CatalogID":"79295989","ItemQuantity":74216946.47779638' in add
    assert json.loads(add)["data"]["ItemOptions"] == [{"OptionSetID": 15, "OptionID": 47, "OptionValue": "red"}]


@pytest.mark.parametrize("account", TARGETS)
def test_the_job_of_varied_carts_passes_the_check(account: str, tmp_path: Path) -> None:
    chance = random.Random(23)
    carts = [varied(chance, number) for number in range(120)]
    found = [structs.replace(cart, currency=None) for cart in carts]
    variant = "" if account == "sandbox-3dcart" else ",target_variant"
    rows = [f"{p},{v},{p}0{variant and f',{v}0'}" for p in range(1, 7) for v in range(1, 7)]
    header = f"source_product,source_variant,target_product{variant}"

    convert(written(tmp_path, *found, products="\n".join([header, *rows])), target(account))

    assert "operations are in order" in batchcart("check", "job.jsonl", folder=tmp_path, code=0).out


def test_the_result_file_joins_as_a_map_of_ids(tmp_path: Path) -> None:
    written(tmp_path, CART, structs.replace(CART, id="ONe", items=(SHIRT, structs.replace(SHIRT, line="9"))))

    words = ("convert", "carts.jsonl", "--to", "sandbox-tray", "--map", "products.csv", "-o", "job.jsonl")
    ended = batchcart(*words, "--allow-unused", folder=tmp_path, code=0)
    batchcart("run", "job.jsonl", "--progress", "none", folder=tmp_path, code=0)

    assert "2 of 2 carts converted" in ended.out
    results = lines(tmp_path / "job.results.jsonl")
    assert {(result["cart"], result["item"]) for result in results} == {("Fu1", "1"), ("ONe", "1")}
    assert all(result["cart_id"] and result["item_id"] for result in results)


# ---- what is lost


def test_what_is_lost_is_told_per_cart_and_per_field(tmp_path: Path) -> None:
    item = structs.replace(SHIRT, unit_price="199.00", note="nota")
    cart = structs.replace(CART, items=(item,), billing=Address(city="Łódź"), customer=Customer(id="7", email="a@b"))

    converted = convert(
        written(tmp_path, cart, structs.replace(cart, id="2"), products=FOR_3DCART), target("sandbox-3dcart", "PLN")
    )

    assert lines(converted.report) == [
        {
            "line": number,
            "account": "sklep",
            "cart": name,
            "status": "converted",
            "losses": [
                {"field": "customer.id", "value": "7", "why": "a customer's id is a key of the source shop"},
                {"field": "items[0].unit_price", "value": "199.00", "why": "3dcart takes the price of the product"},
                {"field": "items[0].note", "value": "nota", "why": "3dcart's cart has no place for it"},
            ],
        }
        for number, name in ((1, "Fu1"), (2, "2"))
    ]
    assert [(row.field, row.carts) for row in converted.losses] == [
        ("customer.id", 2),
        ("items[].note", 2),
        ("items[].unit_price", 2),
    ]
    assert converted.exit_code == 0


def test_a_fraction_leaves_its_item_out_where_a_shop_counts_whole(tmp_path: Path) -> None:
    half = structs.replace(SHIRT, line="2", quantity="2.5", variant="55")
    cart = structs.replace(CART, items=(half, SHIRT))

    for account in ("sandbox-tray", "sandbox-shoplo"):
        folder = tmp_path / account
        folder.mkdir()
        converted = convert(written(folder, cart), target(account))
        assert [line["item"] for line in lines(folder / "job.jsonl")] == ["1"]
        assert "whole numbers" in losses(converted)["items[0].quantity"]

    alone = structs.replace(CART, items=(half,))
    stopped = convert(written(tmp_path, alone), target("sandbox-tray"))
    assert (stopped.exit_code, stopped.stopped) == (1, 1)
    assert lines(stopped.report)[0]["why"] == "Tray creates a cart with its first item, and none is left"


def test_tray_joins_the_lines_of_one_product_and_variant(tmp_path: Path) -> None:
    again = structs.replace(SHIRT, line="2", quantity="3", note="outra")

    converted = convert(written(tmp_path, structs.replace(CART, items=(SHIRT, again))), target("sandbox-tray"))

    (create,) = lines(tmp_path / "job.jsonl")
    assert (create["item"], create["data"]["quantity"]) == ("1", 5)
    assert set(losses(converted)) == {"items[1].line", "items[1].note", "currency"}


@pytest.mark.parametrize(
    ("currency", "price", "shown"),
    [("PLN", "0.1", "0.10"), ("JPY", "1999.0", "1999"), ("KWD", "19.9", "19.900"), ("BRL", "1005.00", "1005.00")],
)
def test_a_price_goes_to_a_shop_of_its_currency_exactly(currency: str, price: str, shown: str, tmp_path: Path) -> None:
    cart = structs.replace(CART, currency=currency, items=(structs.replace(SHIRT, unit_price=price),))

    convert(written(tmp_path, cart), target("sandbox-tray", currency))

    assert lines(tmp_path / "job.jsonl")[0]["data"]["price"] == shown


@pytest.mark.parametrize(("own", "why"), [("PLN", "it is in PLN, and the target counts in BRL"), (None, "nobody said")])
def test_a_price_of_another_currency_is_lost_not_reread(own: str | None, why: str, tmp_path: Path) -> None:
    cart = structs.replace(CART, currency=own, items=(structs.replace(SHIRT, unit_price="19.90"),))

    converted = convert(written(tmp_path, cart), target("sandbox-tray"))

    assert "price" not in lines(tmp_path / "job.jsonl")[0]["data"]
    assert losses(converted)["items[0].unit_price"].startswith(why)


def test_shoplo_gets_the_one_discount_that_means_the_same_there(tmp_path: Path) -> None:
    percent = Discount(kind="percent", value="30", code="DISCOUNT20XX", title="Summer sale")
    off = Discount(kind="amount", value="5.50")
    two = (SHIRT, structs.replace(SHIRT, line="2", variant="55"))
    carts = [
        structs.replace(CART, id="percent of all", items=two, discounts=(percent, percent)),
        structs.replace(CART, id="amount of one line", discounts=(off,)),
        structs.replace(CART, id="amount of two lines", items=two, discounts=(off,)),
        structs.replace(CART, id="percent of one of two", items=two, discounts=(structs.replace(percent, line="2"),)),
        structs.replace(CART, id="too much", discounts=(structs.replace(percent, value="101"),)),
        structs.replace(CART, id="other money", currency="JPY", discounts=(off,)),
    ]

    converted = convert(written(tmp_path, *carts), target("sandbox-shoplo"))

    found = [line for line in lines(tmp_path / "job.jsonl") if line["op"] == "discount.set"]
    assert [(line["cart"], line["item"], line["data"]) for line in found] == [
        (
            "percent of all",
            "1",
            {
                "discount_type": "2",
                "discount_value": "30",
                "discount_code": "DISCOUNT20XX",
                "discount_title": "Summer sale",
            },
        ),
        ("amount of one line", "1", {"discount_type": "1", "discount_value": "550"}),
    ]
    lost = {line["cart"]: [loss["field"] for loss in line["losses"]] for line in lines(converted.report)}
    assert lost == {
        "percent of all": ["discounts[1]"],
        "amount of two lines": ["discounts[0]"],
        "percent of one of two": ["discounts[0]"],
        "too much": ["discounts[0]"],
        "other money": ["currency", "discounts[0]"],
    }


def test_strict_writes_the_report_and_no_job(tmp_path: Path) -> None:
    options = written(tmp_path, structs.replace(CART, customer=Customer(id="7")))
    strict = ConvertOptions(options.carts, options.products, options.output, strict=True, allow_unused=True)

    converted = convert(strict, target("sandbox-shoplo"))

    assert (converted.exit_code, converted.refused != "") == (2, True)
    assert files(tmp_path) == {"job.losses.jsonl"}
    assert convert(options, target("sandbox-shoplo")).exit_code == 0


def test_strict_is_content_where_nothing_is_lost(tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    strict = ConvertOptions(options.carts, options.products, options.output, strict=True, allow_unused=True)

    assert convert(strict, target("sandbox-shoplo")).exit_code == 0


def test_what_the_source_never_showed_is_told(tmp_path: Path) -> None:
    written(tmp_path, structs.replace(CART, unread=("discounts",)))

    ended = _command(tmp_path, *_TO_SHOPLO, code=0)

    assert "Not known, since the source does not show it: discounts (1 cart)" in ended.out


# ---- what is stopped


def test_an_unmapped_product_stops_its_cart_and_no_other(tmp_path: Path) -> None:
    foreign = structs.replace(SHIRT, line="2", product="99", variant="", sku="t-9")
    carts = (CART, structs.replace(CART, id="2", items=(SHIRT, foreign)), structs.replace(CART, id="3"))

    converted = convert(written(tmp_path, *carts, products=MAP + "99,,,\n"), target("sandbox-tray"))

    assert {line["cart"] for line in lines(tmp_path / "job.jsonl")} == {"Fu1", "3"}
    assert (converted.exit_code, converted.stopped, converted.converted) == (1, 1, 2)
    assert converted.unmapped == [(("99", "", "", ""), 1)]
    stopped = next(line for line in lines(converted.report) if line["status"] == "stopped")
    lacking = [{"product": "99", "name": "Koszulka"}]
    assert (stopped["line"], stopped["cart"], stopped["unmapped"]) == (2, "2", lacking)


def test_a_cart_whose_items_nobody_knows_is_stopped(tmp_path: Path) -> None:
    bare = structs.replace(CART, items=(), unread=("items",))

    converted = convert(written(tmp_path, bare, products=FOR_3DCART), target("sandbox-3dcart"))

    assert (converted.exit_code, converted.converted) == (1, 0)
    assert "its items are not known" in lines(converted.report)[0]["why"]
    assert not (tmp_path / "job.jsonl").exists()


# ---- what is refused


def _refused(options: ConvertOptions, account: str = "sandbox-tray", currency: str | None = None) -> list[str]:
    with pytest.raises(BadLines) as caught:
        convert(options, target(account, currency))
    assert files(options.output.parent) == set()
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("currency", "price", "sentence"),
    [
        (
            "BRL",
            "0.30000000000000004",
            "items[0].unit_price: 0.30000000000000004 has no exact form: BRL has 2 decimals",
        ),
        ("JPY", "0.5", "items[0].unit_price: 0.5 has no exact form: JPY has 0 decimals"),
        ("KWD", "19.9999", "items[0].unit_price: 19.9999 has no exact form: KWD has 3 decimals"),
    ],
)
def test_a_price_without_an_exact_form_is_refused_with_its_place(
    currency: str, price: str, sentence: str, tmp_path: Path
) -> None:
    fine = structs.replace(CART, currency=currency)
    cart = structs.replace(fine, id="2", items=(structs.replace(SHIRT, unit_price=price),))

    problems = _refused(written(tmp_path, fine, cart), currency=currency)

    assert problems == [f"{tmp_path / 'carts.jsonl'}:2: {sentence}"]


def test_a_discount_without_an_exact_form_is_refused_with_its_place(tmp_path: Path) -> None:
    cart = structs.replace(CART, discounts=(Discount(kind="amount", value="0.005"),))

    problems = _refused(written(tmp_path, cart), "sandbox-shoplo")

    assert problems == [
        f"{tmp_path / 'carts.jsonl'}:1: discounts[0].value: 0.005 has no exact form: PLN has 2 decimals"
    ]


def test_a_cart_that_comes_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    problems = _refused(written(tmp_path, CART, structs.replace(CART, id="2"), CART))

    assert problems == [
        f"{tmp_path / 'carts.jsonl'}:3: id: cart 'Fu1' is on line 1 already; a job has one cart of a name"
    ]


def test_a_bad_line_after_good_carts_leaves_nothing_behind(tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    with options.carts.open("a") as file:
        file.write('{"version":2}\n')

    assert _refused(options)[0].startswith(f"{options.carts}:2: version: 2 is not known")


def test_a_map_that_names_a_product_of_no_cart_is_refused_unless_allowed(tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    options = ConvertOptions(options.carts, options.products, options.output)

    (problem,) = _refused(options)

    assert problem.startswith(
        f"{options.products}:3: source_product: '12' variant '55' is in no cart of {options.carts}"
    )
    assert problem.endswith("fix the row, remove it, or give --allow-unused")


def test_a_file_without_carts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no carts"):
        convert(written(tmp_path), target("sandbox-tray"))


def test_a_job_that_is_there_is_kept_unless_it_is_the_same_or_force_is_given(tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    convert(options, target("sandbox-tray"))
    first = (tmp_path / "job.jsonl").read_bytes()

    assert convert(options, target("sandbox-tray")).unchanged
    other = written(tmp_path, structs.replace(CART, id="other"))
    with pytest.raises(UsageError, match=r"already exists and differs; .* or give --force"):
        convert(other, target("sandbox-tray"))
    assert (tmp_path / "job.jsonl").read_bytes() == first
    forced = ConvertOptions(other.carts, other.products, other.output, force=True, allow_unused=True)
    assert not convert(forced, target("sandbox-tray")).unchanged
    assert (tmp_path / "job.jsonl").read_bytes() != first
    assert files(tmp_path) == {"job.jsonl", "job.losses.jsonl"}


@pytest.mark.parametrize("precious", ["carts.losses.jsonl", "map.csv"])
def test_what_is_read_is_never_written_over_not_even_by_force(precious: str, tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    carts = options.carts.rename(tmp_path / "carts.losses.jsonl")
    products = options.products.rename(tmp_path / "map.csv")
    before = (tmp_path / precious).read_bytes()
    output = tmp_path / precious.replace(".losses", "")

    with pytest.raises(UsageError, match=f"{precious} is the (carts file|map) and was not overwritten"):
        convert(ConvertOptions(carts, products, output, force=True, allow_unused=True), target("sandbox-tray"))
    assert (tmp_path / precious).read_bytes() == before


def test_two_at_once_do_not_write_into_one_another(tmp_path: Path) -> None:
    options = written(tmp_path, CART)
    lock = FileLock(tmp_path / "job.jsonl.lock")
    lock.acquire("the job")
    try:
        with pytest.raises(UsageError, match=str(os.getpid())):
            convert(options, target("sandbox-tray"))
    finally:
        lock.release()
    assert convert(options, target("sandbox-tray")).exit_code == 0


# ---- the command

_TO_SHOPLO = ("--to", "sandbox-shoplo", "--map", "products.csv", "-o", "job.jsonl", "--allow-unused")


def _command(folder: Path, *words: str, code: int) -> Ended:
    return batchcart("convert", "carts.jsonl", *words, folder=folder, code=code)


def test_the_command_writes_a_template_first_and_says_what_the_map_lacks(tmp_path: Path) -> None:
    written(tmp_path, CART, structs.replace(CART, id="2", items=(structs.replace(SHIRT, product="99"),)))

    assert "with 2 products" in _command(tmp_path, "--map-template", "map.csv", code=0).out
    path = tmp_path / "map.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace("Koszulka,,", "Koszulka,5,6", 1))
    ended = _command(tmp_path, "--map", "map.csv", "--to", "sandbox-tray", "-o", "job.jsonl", code=1)

    assert "1 of 2 carts converted" in ended.out
    assert "Not in the map, so that their carts are stopped:" in ended.out
    assert ended.out.splitlines()[-1] == "Job: job.jsonl, 1 line"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "convert needs --to ACCOUNT, --map FILE and -o JOB"),
        (("--to", "loja", "--map", "products.csv", "-o", "j"), "account 'loja' is not in the config"),
        (("--to", "sandbox-tray", "--map", "none.csv", "-o", "j"), "product map none.csv does not exist"),
        (
            ("--to", "sandbox-tray", "--map", "products.csv", "-o", "no/j"),
            "no/j: cannot write there",
        ),
        (("--map-template", "products.csv"), "products.csv already exists and was not overwritten"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    written(tmp_path, CART)

    assert sentence in _command(tmp_path, *words, code=2).err


def test_strict_ends_with_2_and_shows_the_table(tmp_path: Path) -> None:
    written(tmp_path, structs.replace(CART, customer=Customer(id="7")), products=HEADER + "12,54,1,2\n")

    ended = _command(tmp_path, "--strict", "--map", "products.csv", "--to", "sandbox-tray", "-o", "j.jsonl", code=2)

    assert "customer.id" in ended.out
    assert "no job was written, see j.losses.jsonl" in ended.err


@pytest.mark.storm
def test_memory_is_flat_however_many_carts_there_are(tmp_path: Path) -> None:
    def peak(carts: int) -> int:
        folder = tmp_path / str(carts)
        folder.mkdir()
        written(folder, products=HEADER + "12,54,1,2\n")
        with (folder / "carts.jsonl").open("wb") as file:
            file.writelines(cart_text(structs.replace(CART, id=f"{n:032}")) + b"\n" for n in range(carts))
        words = argv("convert", "carts.jsonl", "--map", "products.csv", "--to", "sandbox-tray", "-o", "j.jsonl")
        subprocess.run(words, cwd=folder, env=environment(folder), check=True, capture_output=True)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    small = peak(2_000)
    assert peak(200_000) - small < (20_000 if sys.platform == "linux" else 20_000_000)


# ---- the table


def test_the_table_has_all_directions_and_says_what_survives() -> None:
    header, *rows = support_matrix(list(load_adapters().values()))
    table = {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}

    assert len(header) == 1 + len(MOVABLE) ** 2
    assert table["billing"]["3dcart → 3dcart"] == YES
    assert table["billing"]["shoplo → 3dcart"] == NONE
    assert table["billing"]["3dcart → tray"] == NO
    assert table["shipment"]["3dcart → tray"] == "city, state, postcode"
    assert table["quantity"]["3dcart → tray"] == "whole numbers"
    assert table["quantity"]["tray → shoplo"] == YES
    assert table["unit price"]["shoplo → tray"] == "in the same currency"
    assert table["discounts"]["tray → shoplo"] == "with one item"
    assert table["item note"]["tray → 3dcart"] == NO


def test_the_page_shows_the_programs_own_table(tmp_path: Path) -> None:
    table = batchcart("platforms", "--migration", "--markdown", folder=tmp_path, code=0).out

    assert table in (Path(__file__).parents[2] / "docs/migration.md").read_text()
