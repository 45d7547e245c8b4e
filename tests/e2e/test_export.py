"""Owns the promises of `batchcart export`: what comes out, of which carts, and that it goes on after a kill."""

import itertools
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from cli_harness import Cli, add, create, line, until
from neutral_carts import command

from batchcart.sandbox.messages import Call

CARTS = "carts.jsonl"
Cart = dict[str, Any]


def export(shop: Cli, account: str, *words: str | Path, code: int = 0) -> str:
    ended = command("export", account, "-o", CARTS, "--progress", "none", *words, folder=shop.folder, code=code)
    return ended.err if code == 2 else ended.out


def exported(shop: Cli, account: str, *words: str | Path, code: int = 0) -> list[Cart]:
    export(shop, account, *words, code=code)
    assert not list(shop.folder.glob(f"{CARTS}.*")), "the working files are gone"
    return [json.loads(text) for text in (shop.folder / CARTS).read_text().splitlines()]


def filled(shop: Cli, account: str, carts: int, adds: int = 1) -> list[str]:
    """A shop with carts in it; their keys."""
    lines = [create(account, f"c{number}") for number in range(carts)]
    lines += [add(account, f"c{number}") for _ in range(adds) for number in range(carts)]
    shop.job(lines)
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    return [result["cart_id"] for result in shop.results() if result["op"] == "cart.create"]


def of_a_shoplo_line(cart: Cart) -> list[tuple[str, str, str]]:
    return [(item["variant"], item["quantity"], item["unit_price"]) for item in cart["items"]]


# What is exported


def test_a_shoplo_shop_is_exported_whole_with_lines_grouped_by_their_cart(shop: Cli) -> None:
    keys = filled(shop, "sklep", 60)
    found = exported(shop, "sklep")
    assert sorted(cart["id"] for cart in found) == sorted(keys)
    assert all(of_a_shoplo_line(cart) == [("5", "2", "199.00")] * 2 for cart in found)


def test_a_shoplo_shop_can_be_filtered(shop: Cli) -> None:
    keys = filled(shop, "sklep", 4, adds=0)
    first = min(int(number) for number in shop.endpoint("sklep").shop.owners)
    assert [cart["id"] for cart in exported(shop, "sklep", "--user-key", keys[2])] == [keys[2]]
    (shop.folder / CARTS).unlink()
    assert len(exported(shop, "sklep", "--since-id", str(first))) == 3
    (shop.folder / CARTS).unlink()
    assert exported(shop, "sklep", "--created-after", "2990-01-01") == []
    (shop.folder / CARTS).unlink()
    assert len(exported(shop, "sklep", "--created-before", "2990-01-01T00:00:00")) == 4


def test_tray_carts_are_named_by_a_result_file_and_read_in_both_views(shop: Cli) -> None:
    shop.job([create("loja"), {**line("loja", "cart.update"), "data": {"email": "ana@example.com"}}, create("sklep")])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    cart, *others = exported(shop, "loja", "--from", "job.results.jsonl")
    assert not others
    assert cart["customer"] == {"email": "ana@example.com"}
    assert cart["items"][0]["line"]
    assert cart["id"] == shop.results()[0]["cart_id"]


def test_carts_are_named_by_a_file_of_keys_each_once_and_in_its_order(shop: Cli) -> None:
    keys = filled(shop, "loja", 5)
    (shop.folder / "ids.txt").write_text("\n".join(["", *reversed(keys), keys[0], ""]))
    assert [cart["id"] for cart in exported(shop, "loja", "--from", "ids.txt")] == list(reversed(keys))


def test_3dcart_carts_come_with_the_items_that_the_shop_shows(shop: Cli) -> None:
    keys = filled(shop, "acme", 3)
    found = exported(shop, "acme", "--from", "job.results.jsonl")
    assert {cart["id"] for cart in found} == set(keys)
    assert all([item["product"] for item in cart["items"]] == ["5"] for cart in found)


def test_carts_that_the_run_deleted_are_not_looked_for(shop: Cli) -> None:
    shop.job([create("acme"), create("acme", "c2"), line("acme", "cart.delete", "c2")])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    assert len(exported(shop, "acme", "--from", "job.results.jsonl")) == 1


def test_a_cart_that_is_gone_is_listed_and_the_exit_code_is_1(shop: Cli) -> None:
    keys = filled(shop, "loja", 3)
    gone = shop.endpoint("loja").shop.carts
    del gone[keys[1]]
    assert len(exported(shop, "loja", "--from", "job.results.jsonl", code=1)) == 2
    unread = [json.loads(text) for text in (shop.folder / "carts.unread.jsonl").read_text().splitlines()]
    assert [(one["account"], one["cart_id"]) for one in unread] == [("loja", keys[1])]
    assert unread[0]["why"]


# A 3dcart shop that shows no items


class Silent(BaseHTTPRequestHandler):
    """A shop that answers a get as S000 prints it: a bare object, 201, without items."""

    fields: ClassVar[dict[str, Any]] = {"CustomerId": 1, "BillingFirstName": "Zoë"}

    def do_GET(self) -> None:
        body = json.dumps({"OrderKey": self.path.rpartition("/")[2], **self.fields}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_args: Any) -> None:
        return


@contextmanager
def silent_shop(answers: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    with silent_shop(Silent) as address:
        yield address


def item(op: str, name: str, **data: Any) -> dict[str, Any]:
    return {**line("acme", op), "item": name, **({"data": data} if data else {})}


def test_items_that_the_shop_hides_are_joined_from_the_run_that_made_them(shop: Cli, silent: str) -> None:
    options = [{"OptionSetID": 3, "OptionID": 4, "OptionValue": "zażółć"}]
    shop.job(
        [
            create("acme"),
            item("item.add", "a", CatalogID=5, ItemQuantity=1.50, ItemOptions=options),
            item("item.add", "b", CatalogID=6, ItemQuantity=1),
            item("item.add", "c", CatalogID=7, ItemQuantity=1),
            item("item.update", "b", ItemQuantity=4),
            item("item.delete", "c"),
        ]
    )
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    shop.configure(acme={"base_url": silent})
    (cart,) = exported(shop, "acme", "--from", "job.results.jsonl")
    assert [(one["product"], one["quantity"]) for one in cart["items"]] == [("5", "1.5"), ("6", "4")]
    assert cart["items"][0]["options"] == [{"set": "3", "id": "4", "value": "zażółć"}]
    assert cart["billing"] == {"first_name": "Zoë"}


def test_items_are_not_joined_where_one_of_them_is_in_doubt(shop: Cli, silent: str) -> None:
    lines = [
        create("acme"),
        item("item.add", "a", CatalogID=5, ItemQuantity=1),
        create("acme", "c2"),
        add("acme", "c2"),
    ]
    shop.job(lines)
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    with closing(sqlite3.connect(shop.folder / "job.results.jsonl.journal")) as journal:
        journal.execute("UPDATE result SET status = 'in_doubt' WHERE line = 2")
        journal.commit()
    shop.configure(acme={"base_url": silent})
    found = exported(shop, "acme", "--from", "job.results.jsonl", code=1)
    assert [("items" in cart.get("unread", ())) for cart in found] == [True, False]


def changed_job(shop: Cli) -> None:
    shop.job([create("acme"), create("acme", "c2")])


def damaged_journal(shop: Cli) -> None:
    (shop.folder / "job.results.jsonl.journal").write_bytes(b"no journal" * 1000)


@pytest.mark.parametrize("spoil", [changed_job, damaged_journal])
def test_items_are_not_joined_from_a_run_that_cannot_be_trusted(
    shop: Cli, silent: str, spoil: Callable[[Cli], None]
) -> None:
    filled(shop, "acme", 2)
    spoil(shop)
    shop.configure(acme={"base_url": silent})
    found = exported(shop, "acme", "--from", "job.results.jsonl", code=1)
    assert all("items" in cart["unread"] for cart in found)


def test_hidden_items_that_no_run_tells_of_are_marked_as_unread(shop: Cli, silent: str) -> None:
    shop.configure(acme={"base_url": silent})
    (shop.folder / "ids.txt").write_text("6F027F81ggx48to\n")
    (cart,) = exported(shop, "acme", "--from", "ids.txt", code=1)
    assert "items" in cart["unread"]


# Going on


def stopping_after(shop: Cli, account: str, calls: int, process: "list[int]") -> None:
    """Kill the process as soon as the shop has been asked so many times."""
    seen: list[Call] = []

    def decide(call: Call) -> str:
        seen.append(call)
        if len(seen) == calls:
            os.kill(process[0], signal.SIGKILL)
        return ""

    shop.hook(account, decide)


@pytest.mark.parametrize(("account", "words"), [("sklep", ()), ("loja", ("--from", "job.results.jsonl"))])
def test_a_killed_export_goes_on_and_reads_nothing_twice(shop: Cli, account: str, words: tuple[str, ...]) -> None:
    keys = filled(shop, account, 30, adds=5)
    process: list[int] = []
    stopping_after(shop, account, 3, process)
    with shop.started("export", account, "-o", CARTS, "--concurrency", "2", *words) as first:
        process.append(first.pid)
        assert first.wait(60) == -signal.SIGKILL
    assert not (shop.folder / CARTS).exists()
    shop.hook(account, "")
    before = shop.requests()
    found = exported(shop, account, *words)
    assert sorted(cart["id"] for cart in found) == sorted(keys)
    # Four pages of lines and one without, then the four back; two of them were read before the kill.
    assert shop.requests() - before < (8 if account == "sklep" else 60)


def test_lines_added_meanwhile_hide_none_and_double_none(shop: Cli) -> None:
    keys = filled(shop, "sklep", 40, adds=3)
    store = shop.endpoint("sklep").shop

    def decide(call: Call) -> str:
        if call.route == "GET carts":
            for key in (keys[0], "late"):
                number = store.new_id()
                row = next(iter(store.carts[keys[1]]["items"].values()))
                store.carts.setdefault(key, {"items": {}})["items"][number] = {
                    **row,
                    "id": int(number),
                    "user_key": key,
                }
                store.owners[number] = key
        return ""

    shop.hook("sklep", decide)
    found = exported(shop, "sklep")
    assert set(keys) <= {cart["id"] for cart in found}
    assert len({cart["id"] for cart in found}) == len(found)
    lines = [one["line"] for cart in found for one in cart["items"]]
    assert len(set(lines)) == len(lines) >= 160


def some_lines(shop: Cli, count: int, **readings: str) -> dict[str, str]:
    """Put lines into the shop, each a cart of its own; the shop takes open points of its document in this way."""
    store = shop.endpoint("sklep").shop
    store.readings = {**store.readings, **readings}
    for _ in range(count):
        new_line(shop)
    return {str(number): key for number, key in store.owners.items()}


def new_line(shop: Cli, created: str = "2026-11-21 18:00:00") -> None:
    store = shop.endpoint("sklep").shop
    number = store.new_id()
    row = {"id": int(number), "user_key": f"k{number}", "variant_id": 5, "product_id": 1, "quantity": 1, "price": 100}
    times = {"created_at": created, "expire_at": "2990-01-01 00:00:00"}
    store.carts[f"k{number}"] = {"items": {number: {**row, **times}}}
    store.owners[number] = f"k{number}"


def meanwhile(shop: Cli, happens: Callable[[int], None]) -> None:
    """Something happens before each page is shown, given how many were."""
    calls = itertools.count()

    def decide(call: Call) -> str:
        if call.route == "GET carts":
            happens(next(calls))
        return ""

    shop.hook("sklep", decide)


def test_a_page_of_new_rows_between_two_pages_hides_nothing_where_the_newest_come_first(shop: Cli) -> None:
    there = some_lines(shop, 120, list_order="newest")

    def come(page: int) -> None:
        for _ in range(50 if page == 1 else 0):
            new_line(shop)

    meanwhile(shop, come)
    found = exported(shop, "sklep")

    assert set(there.values()) <= {cart["id"] for cart in found}


def test_an_export_that_cannot_be_sure_says_so_and_is_not_complete(shop: Cli) -> None:
    some_lines(shop, 120, list_order="newest")
    store = shop.endpoint("sklep").shop

    def come_and_go(_page: int) -> None:
        new_line(shop)
        oldest = next(iter(store.owners))
        del store.carts[store.owners.pop(oldest)]

    meanwhile(shop, come_and_go)
    said = export(shop, "sklep", code=1)

    assert "Perhaps not all: the shop's list changed each time while it was read, so carts may be missing" in said
    (line,) = (shop.folder / "carts.unread.jsonl").read_text().splitlines()
    assert json.loads(line)["account"] == "sklep"
    assert "carts may be missing" in json.loads(line)["why"]


@pytest.mark.parametrize("past_end", ["nothing", "error", "last"])
@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("lines", [1, 50, 100, 101])
def test_a_quiet_shop_is_exported_whole_however_it_ends_its_list(
    shop: Cli, lines: int, order: str, past_end: str
) -> None:
    there = some_lines(shop, lines, list_order=order, past_end=past_end)

    if (lines, past_end) == (50, "last"):  # a full page that comes again and again may be all, or the first of many
        assert "Perhaps not all" in export(shop, "sklep", code=1)
    else:
        assert {cart["id"] for cart in exported(shop, "sklep")} == set(there.values())


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_bounds_of_time_count_the_moment_itself_however_the_shop_takes_them(shop: Cli, bounds: str) -> None:
    store = shop.endpoint("sklep").shop
    store.readings = {**store.readings, "date_bounds": bounds}
    for second in range(10):
        new_line(shop, f"2026-11-21 18:00:0{second}")
    keys = list(store.owners.values())
    words = ("--created-after", "2026-11-21T18:00:03", "--created-before", "2026-11-21 18:00:06")

    assert [cart["id"] for cart in exported(shop, "sklep", *words)] == keys[3:7]


def test_a_shop_that_is_down_stops_the_export_and_the_same_command_goes_on(shop: Cli) -> None:
    keys = filled(shop, "sklep", 2)
    shop.hook("sklep", "refuse")
    assert "unreachable" in export(shop, "sklep", "--patience", "0.01", code=3)
    shop.hook("sklep", "")
    assert sorted(cart["id"] for cart in exported(shop, "sklep")) == sorted(keys)


class Grumpy(Silent):
    """A Shoplo shop that refuses its list."""

    fields: ClassVar[dict[str, Any]] = {"status": "err", "error": 7, "error_msg": "not today"}


@pytest.mark.parametrize(("answers", "said"), [(Silent, "is not shoplo"), (Grumpy, "not today")])
def test_a_list_that_is_none_stops_the_export_with_the_reason(shop: Cli, answers: type[Silent], said: str) -> None:
    with silent_shop(answers) as address:
        shop.configure(sklep={"base_url": address})
        ended = command("export", "sklep", "-o", CARTS, folder=shop.folder, code=3)
    assert said in ended.err


def test_a_signal_ends_an_export_politely(shop: Cli) -> None:
    filled(shop, "sklep", 60)
    asked = itertools.count(1)
    shop.hook("sklep", lambda _call: "delay" if next(asked) == 1 else "hang")  # it does not come to its end by itself
    shop.configure(sklep={"timeout": 1})
    with shop.started("export", "sklep", "-o", CARTS) as process:
        until((shop.folder / f"{CARTS}.work" / "pages.jsonl").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 3
    shop.hook("sklep", "")
    assert len(exported(shop, "sklep")) == 60


# What is refused


def test_another_export_into_the_same_file_is_refused(shop: Cli) -> None:
    filled(shop, "sklep", 2)
    shop.hook("sklep", "refuse")
    export(shop, "sklep", "--patience", "0.01", code=3)
    assert "user" not in export(shop, "sklep", "--since-id", "7", code=2)
    shop.hook("sklep", "")
    exported(shop, "sklep")
    assert "already exists" in export(shop, "sklep", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "'nowhere' is not in batchcart.toml"),
        (("loja",), "tray has no list of all carts"),
        (("sandbox-tray", "--from", "ids.txt"), "lives only within one run"),
        (("loja", "--from", "nothing.txt"), "nothing.txt does not exist"),
        (("loja", "--from", "ids.txt"), "ids.txt:2: cart_id:"),
        (("loja", "--from", "others.jsonl"), "it names no cart of account 'loja'"),
        (("loja", "--from", "broken.jsonl"), "broken.jsonl:1: not a result line"),
        (("sklep", "--since-id", "x"), "--since-id takes the number of a line"),
        (("sklep", "--created-after", "yesterday"), "created_at_min"),
        (("sklep", "--from", "ids.txt", "--since-id", "3"), "use one or the other"),
    ],
)
def test_bad_input_is_refused_in_words_and_nothing_is_sent(shop: Cli, words: tuple[str, ...], said: str) -> None:
    (shop.folder / "ids.txt").write_text(f"good\n{'x' * 33}\n")
    (shop.folder / "others.jsonl").write_text('{"account":"acme","op":"cart.get","status":"ok","cart_id":"1"}\n')
    (shop.folder / "broken.jsonl").write_text("{]\n")
    assert said in export(shop, *words, code=2)
    assert shop.requests() == 0
    assert not list(shop.folder.glob(f"{CARTS}*"))
