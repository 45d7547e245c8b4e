"""What can be no key is none, whoever gives it: a job, a shop, an operator or a file; and it harms no other cart."""

import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from cli_harness import Cli, Line, add, create
from neutral_carts import brought, command
from platform_parts import CLOSELY_KNOWN

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.ids import LONGEST_ID, id_problem, usable_id
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Succeeded, Unavailable
from batchcart.platforms import load_adapters

PLATFORMS = load_adapters()
BAD = (
    "",
    " ",
    ".",
    "..",
    "...",
    "../../Orders/4711",
    "a/b",
    "a\\b",
    "a?b=c",
    "a#b",
    "%2e%2e",
    "%",
    " a",
    "a ",
    "a\n",
    "a\0b",
    "a\x7fb",
    "a\u202eb",
    "a\u200bb",
    "a\u2028b",
    "\ufeffa",
    "a\u00a0",
    "a\udc80",
    "k" * (LONGEST_ID + 1),
    "k" * (8 << 20),
)
GOOD = ("1", "0", "6F027F81ggx48to", "a b", "ana+1@example.com", "żółć", "a.b", ".a", "-", "~", "k" * LONGEST_ID)


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text[:20]))
def test_what_could_mean_another_place_is_no_key(text: str) -> None:
    assert not usable_id(text)
    problem = id_problem(text, "a key")
    assert problem.isprintable()
    assert len(problem) < 300


@pytest.mark.parametrize("text", GOOD, ids=lambda text: text[:20])
def test_what_platforms_call_their_carts_is_a_key(text: str) -> None:
    assert usable_id(text)
    assert id_problem(text, "a key") == ""


def test_a_platform_may_allow_fewer_characters() -> None:
    assert usable_id("k" * 32, 32)
    assert id_problem("k" * 33, "a session_id", 32) == "33 characters, but a session_id has at most 32"


# What a shop answers

ANSWERS: dict[str, list[dict[str, Any] | list[Any]]] = {
    "3dcart": [
        [{"Key": "OrderKey", "Value": "ID", "Status": "201", "Message": ""}],
        [{"Key": "CartItemID", "Value": "ID", "Status": "201", "Message": ""}],
        [{"OrderKey": "ID", "CartItemList": [{"CartItemID": "ID", "CatalogID": 1, "ItemQuantity": 1}]}],
    ],
    "tray": [
        {"message": "Created", "code": 201, "id": "ID", "session_id": "ID", "cart_url": "http://x/"},
        {"message": "Created", "code": 201, "id": "7", "session_id": "ID"},
        [{"Cart": {"session_id": "ID", "product_id": "1", "variant_id": "0", "quantity": "1", "id": "ID"}}],
        {"Cart": {"session_id": "ID", "Products": [{"id": "1", "cart_id": "ID", "quantity": "1"}]}},
    ],
    "shoplo": [
        {"status": "ok", "cart": {"id": "ID", "user_key": "ID", "variant_id": 1, "quantity": 1}},
        {"status": "ok", "cart": {"id": "7", "user_key": "ID", "variant_id": 1, "quantity": 1}},
        {"carts": [{"id": "ID", "user_key": "KEY", "variant_id": 1, "quantity": 1}]},
        {"carts": [{"id": "ID", "user_key": "ID", "variant_id": 1, "quantity": 1}]},
    ],
}
DATA = {
    "3dcart": {"CatalogID": 1, "ItemQuantity": 1},
    "tray": {"product_id": 1, "quantity": 1},
    "shoplo": {"variant_id": 1, "quantity": 1},
}


def _operation(platform: str, kind: OperationKind) -> Operation:
    item = "i1" if kind.targets_item else None
    table = PLATFORMS[platform].operations[kind].data_schema
    fields = table.__struct_fields__ if table is not None else ()
    data = {name: value for name, value in DATA[platform].items() if name in fields}
    return Operation(1, kind, "acme", cart="c", item=item, data=json.dumps(data).encode() if table else b"")


def _led(platform: str, kind: OperationKind, known: CartContext, bodies: list[bytes]) -> list[Any]:
    """Every step that an adapter takes through these answers, with a first request that got lost or did not."""
    cell, operation, steps = PLATFORMS[platform].operations[kind], _operation(platform, kind), []
    for lost in (False, True):
        request, past = cell.build(operation, known), History()
        for body in bodies:
            if lost and request.writes and not past:
                past = (LostWrite(request, "cut", 0.0),)
                step = cell.recover(operation, known, past)
                request = step if isinstance(step, Request) else request
            past = (*past, Exchange(request, Response(200, body)))
            step = cell.interpret(operation, known, past)
            steps.append(step)
            then = step.then if isinstance(step, Unavailable) else step
            if not isinstance(then, Request):
                break
            request = then
    return steps


@pytest.mark.parametrize(
    "text", [text for text in BAD if "\udc80" not in text and len(text) < 1000], ids=lambda text: ascii(text[:20])
)
@pytest.mark.parametrize("platform", CLOSELY_KNOWN)
def test_what_a_shop_calls_a_thing_and_can_be_no_key_never_ends_an_operation_or_stands_in_an_address(
    platform: str, text: str
) -> None:
    spelt = [json.dumps(answer).replace('"ID"', json.dumps(text)).encode() for answer in ANSWERS[platform]]
    for kind in PLATFORMS[platform].operations:
        for known in (
            CartContext(None, "newkey"),
            CartContext("KEY", "", {"i1": "9"}),
            CartContext("KEY", "", {"i1": "9"}, {"lines": "known"}),
        ):
            for one in spelt:
                for other in spelt:
                    for step in _led(platform, kind, known, [one, other, other]):
                        if isinstance(step, Succeeded):
                            assert usable_id(step.cart_id or "KEY"), (kind, one)
                            assert usable_id(step.item_id or "9"), (kind, one)
                            assert all(usable_id(name or "9") for name in step.names.values() if name != "http://x/")
                        elif isinstance(step, Request) and text.strip(".") and text not in {"%", " "}:
                            assert quote(text, safe="")[:500] not in step.path


# What a job, an operator, a file says


@pytest.mark.parametrize("text", ["..", "a/../b", "a\n", "%2e%2e", " a", "k" * 201, "a\u202eb"], ids=ascii)
def test_a_job_that_names_no_key_sends_nothing(shop: Cli, text: str) -> None:
    lines: list[Line] = [
        {"op": "cart.get", "account": "acme", "cart_id": text},
        {"op": "item.delete", "account": "acme", "cart_id": "k", "item_id": text},
        {"op": "cart.delete", "account": "loja", "cart_id": text},
        {"op": "item.get", "account": "sklep", "item_id": text},
        create("sklep", "c2", data={"variant_id": 5, "quantity": 1, "user_key": text}),
    ]
    shop.job(lines)
    ended = command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=2)
    places = ("1: cart_id: ", "2: item_id: ", "3: cart_id: ", "4: item_id: ", "5: data.user_key: ")
    assert [place in ended.err for place in places] == [True] * 5, ended.err
    assert shop.requests() == 0


def test_an_operator_cannot_settle_a_line_with_what_is_no_key(shop: Cli) -> None:
    shop.job([create("acme"), add("acme", item="x")])
    shop.hook("acme", "reset-after")
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=1)
    for text in ("..", "a/b", "k" * 201, "\udcff", ""):
        ended = command(
            "settle", "job.results.jsonl", "--line", "1", "--done", f"OrderKey={text}", folder=shop.folder, code=2
        )
        assert "--done" in ended.err or "give its key" in ended.err
    assert shop.statuses()[1] == "in_doubt"
    command("settle", "job.results.jsonl", "--line", "1", "--done", "OrderKey=K1", folder=shop.folder)
    assert shop.statuses()[1] == "ok"


def _rename(shop: Cli, number: int, text: str) -> None:
    """Have the journal say that the cart of this line is called so."""
    with closing(sqlite3.connect(shop.folder / "job.results.jsonl.journal")) as journal:
        for seq, raw in journal.execute("SELECT seq, text FROM result WHERE line = ?", (number,)).fetchall():
            changed = json.dumps({**json.loads(raw), "cart_id": text}).encode()
            journal.execute("UPDATE result SET text = ? WHERE seq = ?", (changed, seq))
        journal.execute("INSERT INTO meta VALUES ('rewrite', '1')")
        until = 0
        for seq, raw in journal.execute("SELECT seq, text FROM result ORDER BY seq").fetchall():
            until += len(raw) + 1
            journal.execute("UPDATE result SET until = ? WHERE seq = ?", (until, seq))
        journal.commit()


@pytest.mark.parametrize("account", ["acme", "loja", "sklep"])
@pytest.mark.parametrize("text", ["..", "a/b", "k" * 300])
def test_one_such_cart_is_kept_and_the_others_are_taken_back(shop: Cli, account: str, text: str) -> None:
    shop.job([create(account, f"c{number}") for number in range(3)])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    _rename(shop, 2, text)
    words = ("undo", "job.results.jsonl", "-o", "undo.jsonl", "--progress", "none")
    command(*words, folder=shop.folder, code=1)
    back = [json.loads(text) for text in (shop.folder / "undo.jsonl").read_text().splitlines()]
    keys = [one["cart_id"] for one in shop.results() if one["line"] != 2]
    assert sorted(one["cart_id"] for one in back) == sorted(keys)
    (kept,) = [json.loads(text) for text in (shop.folder / "undo.jsonl.kept.jsonl").read_text().splitlines()]
    assert (kept["line"], kept["kind"]) == (2, "impossible")
    assert kept["message"].startswith("it cannot be taken back: cart_id: ")


@pytest.mark.parametrize("account", ["acme", "loja", "sklep"])
def test_one_such_cart_of_a_result_file_is_named_and_the_others_are_exported(shop: Cli, account: str) -> None:
    shop.job([create(account, f"c{number}") for number in range(3)])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    keys = [one["cart_id"] for one in shop.results()]
    results = shop.folder / "job.results.jsonl"
    for text, others in (("..", keys[1:]), ("k" * 300, keys[1:]), ("a/b", [])):
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        renamed = [one | {"cart_id": one["cart_id"] if one["cart_id"] in others else text} for one in lines]
        results.write_text("".join(json.dumps(one) + "\n" for one in renamed))
        words = ("export", account, "--from", "job.results.jsonl", "-o", "carts.jsonl", "--progress", "none")
        command(*words, folder=shop.folder, code=1)
        carts = [json.loads(line)["id"] for line in (shop.folder / "carts.jsonl").read_text().splitlines()]
        (unread,) = [json.loads(line) for line in (shop.folder / "carts.unread.jsonl").read_text().splitlines()]
        assert sorted(carts) == sorted(others)
        assert unread["cart_id"] == text[:200]
        assert unread["why"].startswith("cart_id: ")
        (shop.folder / "carts.jsonl").unlink()


def test_a_listed_cart_that_has_no_key_is_named_and_the_others_are_exported(shop: Cli) -> None:
    shop.job([create("sklep", f"c{number}") for number in range(3)])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    held = shop.endpoint("sklep").shop
    for text in ("..", "a\nb", "k" * 300):
        key = next(iter(held.carts))
        cart = held.carts[text] = held.carts.pop(key)
        held.owners |= dict.fromkeys(cart["items"], text)
        for item in cart["items"].values():
            item["user_key"] = text
    command("export", "sklep", "-o", "carts.jsonl", "--progress", "none", folder=shop.folder, code=1)
    assert (shop.folder / "carts.jsonl").read_text() == ""
    unread = [json.loads(line) for line in (shop.folder / "carts.unread.jsonl").read_text().splitlines()]
    assert sorted(one["cart_id"] for one in unread) == sorted(["..", "a\nb", "k" * 200])


def test_a_new_cart_that_has_no_key_cannot_be_read_back_and_the_others_are_compared(shop: Cli) -> None:
    brought(shop, "loja", 3)
    results = shop.folder / "in.results.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    renamed = [one | ({"cart_id": "k" * 33} if one["cart"] == "cart-1" else {}) for one in lines]
    results.write_text("".join(json.dumps(one) + "\n" for one in renamed))
    words = ("verify", "origin.jsonl", "in.results.jsonl", "--map", "in.csv", "--progress", "none")
    command(*words, folder=shop.folder, code=1)
    rows = {row["cart"]: row for row in map(json.loads, (shop.folder / "in.parity.jsonl").read_text().splitlines())}
    assert {name: row["status"] for name, row in rows.items()} == {
        "cart-0": "equal",
        "cart-1": "cannot be read",
        "cart-2": "equal",
    }
    assert rows["cart-1"]["why"] == "cart_id: 33 characters, but a key has at most 32"
