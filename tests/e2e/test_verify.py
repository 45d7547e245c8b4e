"""Owns the promises of `batchcart verify`: every kind of parity is told, and nothing foreign is compared."""

import json
import os
import signal
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cli_harness import Cli, Ended
from neutral_carts import brought, command, write_carts
from test_export import Silent, silent_shop

from batchcart.migration.compare import compare
from batchcart.model.cart import Cart, Discount, Item
from batchcart.sandbox.messages import Call
from batchcart.sandbox.readings import deviate

WORDS = ("verify", "origin.jsonl", "in.results.jsonl", "--map", "in.csv", "--progress", "none")


def verify(shop: Cli, *more: str | Path, code: int, ago: float = 60.0) -> Ended:
    """Verify a run that ended so many seconds ago."""
    for results in shop.folder.glob("in.results.jsonl"):
        os.utime(results, (then := time.time() - ago, then))
    return command(*WORDS, *more, folder=shop.folder, code=code)


def parity(shop: Cli) -> dict[str, dict[str, Any]]:
    lines = (shop.folder / "in.parity.jsonl").read_text().splitlines()
    return {row["cart"]: row for row in map(json.loads, lines)}


def carts_of(shop: Cli, account: str) -> dict[str, Any]:
    """The shop's own carts by the names that the job gave them."""
    made = [one for one in shop.results("in.results.jsonl") if one["op"] == "cart.create"]
    return {one["cart"]: shop.endpoint(account).shop.carts[one["cart_id"]] for one in made}


# What is told


def test_nothing_differs_where_nothing_was_changed(shop: Cli) -> None:
    brought(shop, "loja", 12)
    ended = verify(shop, code=0)
    assert "equal" in ended.out
    assert {row["status"] for row in parity(shop).values()} == {"equal"}
    assert list(parity(shop)) == [f"cart-{number}" for number in range(12)], "in the order of the carts file"
    assert sum("not_carried" in row for row in parity(shop).values()) > 0
    assert not list(shop.folder.glob("in.parity.jsonl.*"))


def test_each_change_at_the_target_is_told_with_both_values(shop: Cli) -> None:
    brought(shop, "loja", 4)
    carts = carts_of(shop, "loja")
    first = [next(iter(carts[f"cart-{number}"]["items"].values())) for number in range(3)]
    held = first[0]["quantity"]
    first[0]["quantity"] = "77"
    first[1]["product_id"] = "999"
    first[2]["additional_information"] = "não é isto"
    ended = verify(shop, code=1)
    found = parity(shop)
    assert found["cart-0"]["different"] == [{"field": "items[0].quantity", "source": held, "target": "77"}]
    assert found["cart-1"]["different"][0]["field"] == "items[0]"
    assert any("product 999" in one["target"] for one in found["cart-1"]["different"])
    assert found["cart-2"]["different"][0]["target"] == "não é isto"
    assert found["cart-3"]["status"] == "equal"
    assert "items.quantity" in ended.out


def test_a_cart_that_is_gone_is_missing(shop: Cli) -> None:
    brought(shop, "acme", 3)
    key = next(one["cart_id"] for one in shop.results("in.results.jsonl") if one["cart"] == "cart-1")
    del shop.endpoint("acme").shop.carts[key]
    verify(shop, code=1)
    assert {name: row["status"] for name, row in parity(shop).items()} == {
        "cart-0": "equal",
        "cart-1": "missing",
        "cart-2": "equal",
    }
    assert "no such cart" in parity(shop)["cart-1"]["why"]


def test_carts_that_a_shop_does_not_show_right_after_the_run_are_read_again(shop: Cli) -> None:
    brought(shop, "acme", 3)
    carts, reads = shop.endpoint("acme").shop.carts, list[Call]()
    hidden = list(carts)[1:]
    away = {key: carts.pop(key) for key in hidden}

    def show_later(call: Call) -> str:
        reads.append(call)
        carts.update(away if len(reads) > 3 else {})
        return ""

    shop.hook("acme", show_later)
    verify(shop, code=0, ago=0.0)
    assert {row["status"] for row in parity(shop).values()} == {"equal"}
    assert sorted(call.keys[0] for call in reads[3:]) == sorted(hidden), "and no other cart"


def test_a_cart_that_was_not_made_is_missing_with_the_reason(shop: Cli) -> None:
    shop.hook("loja", lambda call: "html-502" if call.route == "POST carts" and b"cart-" in call.body else "")
    brought(shop, "loja", 3)
    results = shop.folder / "in.results.jsonl"
    kept = [text for text in results.read_text().splitlines() if '"cart":"cart-2"' not in text]
    results.write_text("\n".join(kept) + "\n")
    verify(shop, code=1)
    assert parity(shop)["cart-2"]["status"] == "missing"
    assert "not sent" in parity(shop)["cart-2"]["why"]


def test_a_cart_whose_making_is_in_doubt_is_not_called_missing(shop: Cli) -> None:
    brought(shop, "acme", 3)
    results = shop.folder / "in.results.jsonl"
    found = shop.results("in.results.jsonl")
    made = next(one for one in found if one["cart"] == "cart-1" and one["op"] == "cart.create")
    made |= {"status": "in_doubt", "error": {"kind": "unknown", "message": "the POST was not answered"}}
    del made["cart_id"]
    write_carts(results, found)
    ended = verify(shop, code=1)
    row = parity(shop)["cart-1"]
    assert row["status"] == "cannot be read"
    assert row["why"].endswith("is in doubt, settle it with `batchcart settle`: the POST was not answered")
    assert "missing" not in ended.out


def test_what_the_target_does_not_show_is_told_apart(shop: Cli) -> None:
    brought(shop, "sklep", 12)
    ended = verify(shop, code=0)
    hidden = [one for row in parity(shop).values() for one in row.get("not_shown", ())]
    assert {one["field"] for one in hidden} == {"discounts"}
    assert "no answer of Shoplo" in hidden[0]["why"]
    assert "not shown by the target" in ended.out


class Bare(Silent):
    """A shop that shows nothing but the cart's key."""

    fields: ClassVar[dict[str, Any]] = {}


def test_carts_whose_items_the_shop_hides_cannot_be_read(shop: Cli) -> None:
    brought(shop, "acme", 4)
    with silent_shop(Bare) as address:
        shop.configure(acme={"base_url": address})
        verify(shop, code=1)
    found = parity(shop).values()
    assert {row["status"] for row in found} == {"cannot be read"}
    assert all("shows no items" in row["why"] for row in found)


# Comparing


def cart(*items: Item, **fields: Any) -> Cart:
    return Cart(version=1, account="a", platform="tray", id="1", items=items, **fields)


def item(product: str, quantity: str = "1", **fields: Any) -> Item:
    return Item(product=product, quantity=quantity, **fields)


@pytest.mark.parametrize(
    ("held", "read", "fields"),
    [
        (cart(item("1"), item("2")), cart(item("2"), item("1")), []),
        (cart(item("1", "1"), item("1", "2")), cart(item("1", "2"), item("1", "1")), []),
        (cart(item("1", "1.50")), cart(item("1", "1.5")), []),
        (cart(item("", "1", variant="7")), cart(item("3", "1", variant="7")), []),
        (cart(item("1")), cart(item("1", unit_price="100.00", tax_rate="23", sku="x", name="y")), []),
        (cart(item("1", unit_price="9.90")), cart(item("1", unit_price="9.91")), ["items[0].unit_price"]),
        (cart(item("1", unit_price="9.90")), cart(item("1")), ["items[0].unit_price"]),
        (cart(item("1"), item("1")), cart(item("1")), ["items[1]"]),
        (cart(item("1")), cart(item("1"), item("1")), ["items[2]"]),
        (cart(item("1", "2"), item("2"), item("1", "3")), cart(item("1", "5"), item("2")), []),
        (cart(item("1", "5")), cart(item("1", "2"), item("1", "3.0")), []),
        (cart(item("1", "2"), item("1", "3", note="x")), cart(item("1", "5")), ["items[0].quantity", "items[1]"]),
        (cart(item("1", "2"), item("1", "3")), cart(item("1", "6")), ["items[0].quantity"]),
        (cart(item("1")), cart(item("1", note="x")), ["items[0].note"]),
        (cart(discounts=(Discount(kind="percent", value="5.0"),)), cart(), ["discounts"]),
        (
            cart(discounts=(Discount(kind="percent", value="5.0"),)),
            cart(discounts=(Discount(kind="percent", value="5"),)),
            [],
        ),
        (cart(currency="PLN"), cart(currency="EUR"), ["currency"]),
        (cart(), cart(currency="EUR"), []),
    ],
)
def test_carts_are_compared_as_a_shop_holds_them(held: Cart, read: Cart, fields: list[str]) -> None:
    assert [one.field for one in compare(held, read, {}).different] == fields


# Going on


def test_a_killed_verification_goes_on_and_reads_nothing_twice(shop: Cli) -> None:
    brought(shop, "loja", 25)
    seen: list[Call] = []
    victim: list[int] = []

    def decide(call: Call) -> str:
        seen.append(call)
        if len(seen) == 20:
            os.kill(victim[0], signal.SIGKILL)
        return ""

    shop.hook("loja", decide)
    with shop.started(*WORDS) as process:
        victim.append(process.pid)
        assert process.wait(60) == -signal.SIGKILL
    before = shop.requests()
    verify(shop, code=0)
    assert shop.requests() - before <= 50 - 20 + 8, "what was read is not read again, but for what was in flight"
    assert len(parity(shop)) == 25


def test_a_target_that_is_down_stops_it(shop: Cli) -> None:
    brought(shop, "loja", 2)
    shop.hook("loja", "refuse")
    assert "unreachable" in verify(shop, "--patience", "0.001", code=3).out
    assert not (shop.folder / "in.parity.jsonl").exists()
    shop.hook("loja", "")
    verify(shop, code=0)


def test_a_stopped_verification_begins_anew_where_the_results_changed_since(shop: Cli) -> None:
    brought(shop, "loja", 2)
    shop.hook("loja", "refuse")
    verify(shop, "--patience", "0.001", code=3)
    shop.hook("loja", "")
    results = shop.folder / "in.results.jsonl"
    results.write_text("".join(reversed(results.read_text().splitlines(keepends=True))))
    assert "equal          2" in verify(shop, code=0).out


# What is refused


@pytest.fixture
def two(shop: Cli) -> Cli:
    brought(shop, "loja", 2)
    return shop


def refused(shop: Cli, said: str) -> None:
    before = shop.requests()
    assert said in verify(shop, code=2).err
    assert shop.requests() == before
    assert not list(shop.folder.glob("in.parity.jsonl*"))


def test_the_results_of_other_carts_are_refused(two: Cli) -> None:
    carts = [json.loads(text) for text in (two.folder / "origin.jsonl").read_text().splitlines()]
    write_carts(two.folder / "origin.jsonl", carts[:1])
    refused(two, "cart: 'cart-1' is not a cart of origin.jsonl; is it the result file of another job?")


def test_the_results_of_a_job_that_convert_did_not_write_are_refused(two: Cli) -> None:
    results = two.folder / "in.results.jsonl"
    results.write_text(results.read_text().replace('"cart":"cart-0",', "", 1))
    refused(two, "in.results.jsonl:1: cart: missing")


def test_results_of_two_accounts_are_refused(two: Cli) -> None:
    results = two.folder / "in.results.jsonl"
    first, rest = results.read_text().split("\n", 1)
    results.write_text(first.replace('"loja"', '"acme"') + "\n" + rest)
    refused(two, "in.results.jsonl:2: account: 'loja' after 'acme'")


def test_a_torn_result_file_is_refused(two: Cli) -> None:
    results = two.folder / "in.results.jsonl"
    results.write_bytes(results.read_bytes()[:-20])
    refused(two, "not a result line")


def test_another_map_than_the_jobs_is_refused(two: Cli) -> None:
    (two.folder / "in.csv").write_text("source_product,target_product\np77,177\n")
    refused(two, "is in.csv the map that its job was made with?")


def test_a_carts_file_of_an_unknown_version_is_refused(two: Cli) -> None:
    origin = two.folder / "origin.jsonl"
    origin.write_text(origin.read_text().replace('"version": 1', '"version": 9', 1))
    refused(two, "origin.jsonl:1: version: 9 is not known")


@pytest.mark.parametrize("name", ["origin.jsonl", "in.results.jsonl", "in.csv"])
def test_a_report_is_never_written_over_what_is_read(two: Cli, name: str) -> None:
    before = (two.folder / name).read_bytes()
    ended = verify(two, "-o", f"./{name}", code=2)
    assert f"{name} is the " in ended.err
    assert "was not overwritten" in ended.err
    assert (two.folder / name).read_bytes() == before


def test_files_that_are_not_there_are_told(two: Cli) -> None:
    (two.folder / "in.results.jsonl").unlink()
    refused(two, "result file in.results.jsonl does not exist")


# Shops that read the documents otherwise


def test_lines_that_share_the_id_of_their_cart_are_told_apart(shop: Cli) -> None:
    readings = {"tray.cart_id": "cart", "tray.create_id": "cart"}
    shop.endpoint("loja").shop.readings = deviate("tray", readings)
    brought(shop, "loja", 12)
    verify(shop, code=0)
    assert {row["status"] for row in parity(shop).values()} == {"equal"}


class Answering(BaseHTTPRequestHandler):
    """A shop that answers every get as a function of its path says."""

    says: ClassVar[Callable[[str], tuple[int, bytes]]]

    def do_GET(self) -> None:
        status, body = type(self).says(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_args: Any) -> None:
        return


def verified_at(shop: Cli, account: str, says: Callable[[str], tuple[int, bytes]]) -> set[str]:
    """What a verification calls the account's carts whose shop answers so."""
    with silent_shop(type("_", (Answering,), {"says": staticmethod(says)})) as address:
        shop.configure(**{account: {"api_address" if account == "loja" else "base_url": address}})
        verify(shop, "--patience", "0.01", code=1)
    return {row["status"] for row in parity(shop).values()}


@pytest.mark.parametrize(
    ("account", "status", "body", "told"),
    [
        ("acme", 200, b'[{"OrderKey": "k", "CartItemList": [{"CatalogID": 501}]}]', "cannot be read"),
        ("acme", 200, b'[{"OrderKey": "k", "CartItemList": [{"ItemQuantity": 1}]}]', "cannot be read"),
        ("acme", 400, b'[{"Key": "OrderKey", "Status": "400", "Message": "not today"}]', "cannot be read"),
        ("acme", 404, b"", "missing"),
        ("acme", 200, b"[]", "missing"),
        ("loja", 200, b'{"Cart": {"session_id": "k", "Products": [{"id": "101"}]}}', "cannot be read"),
        ("loja", 200, b'[{"Cart": {"product_id": "101", "quantity": "many"}}]', "cannot be read"),
        ("loja", 422, b'{"code": 422, "name": "no", "causes": ["not today"]}', "cannot be read"),
        ("loja", 404, b'{"code": 404, "name": "Not Found", "causes": ["Not Found"]}', "missing"),
        ("loja", 200, b"[]", "missing"),
        ("sklep", 200, b'{"status": "err", "error": 77, "error_msg": "not today"}', "cannot be read"),
        ("sklep", 400, b'{"status": "err", "error": 77, "error_msg": "not today"}', "cannot be read"),
    ],
)
def test_only_a_shop_that_says_so_makes_a_cart_missing(
    shop: Cli, account: str, status: int, body: bytes, told: str
) -> None:
    brought(shop, account, 2)
    assert verified_at(shop, account, lambda _path: (status, body)) == {told}


def test_a_cart_that_only_one_of_its_views_shows_is_not_called_missing(shop: Cli) -> None:
    brought(shop, "loja", 2)
    row = b'[{"Cart": {"product_id": "101", "quantity": "1", "price": "1.00"}}]'
    gone = b'{"code": 404, "name": "Not Found", "causes": ["Not Found"]}'
    told = verified_at(shop, "loja", lambda path: (404, gone) if "/complete" in path else (200, row))
    assert told == {"cannot be read"}
    assert all("another shows it" in row["why"] for row in parity(shop).values())
