"""A fault of ours over one cart's answer is a sentence about that cart or account: every other is done as ever."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_harness import KEYS, Cli, add, create
from msgspec.structs import replace
from neutral_carts import brought, command
from test_export import CARTS, filled

from batchcart.model.adapter import Adapter, CartSnapshot
from batchcart.model.operation import OperationKind
from batchcart.platforms import load_adapters

FAULT = "batchcart met a fault of its own while "


class Fault(Exception):
    """What nobody thought of."""


class Odd:
    """What is neither true nor false."""

    def __bool__(self) -> bool:
        raise Fault


def _fails_at(key: str, read: Callable[..., Any]) -> Callable[..., Any]:
    """The reader, which fails over every answer that names the key."""

    def read_or_fail(*given: Any) -> Any:
        if key in repr(given):
            raise Fault(key)
        return read(*given)

    return read_or_fail


def _misread(adapter: Adapter, key: str) -> Adapter:
    """The platform, whose carts of that key mean nothing that we expected."""
    assert adapter.migration is not None
    return replace(
        adapter, migration=replace(adapter.migration, to_neutral=_fails_at(key, adapter.migration.to_neutral))
    )


@pytest.fixture
def break_adapter(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[Adapter], Adapter]], None]:
    """Gives a platform another adapter for the length of the test."""

    def change(platform: str, bend: Callable[[Adapter], Adapter]) -> None:
        monkeypatch.setitem(load_adapters(), platform, bend(load_adapters()[platform]))

    return change


Break = Callable[[str, Callable[[Adapter], Adapter]], None]


def _rows(shop: Cli, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (shop.folder / name).read_text().splitlines()]


def _verify(shop: Cli) -> dict[str, dict[str, Any]]:
    """What verify says of each cart, not all of which are equal."""
    words = ("verify", "origin.jsonl", "in.results.jsonl", "--map", "in.csv", "--progress", "none")
    command(*words, folder=shop.folder, code=1)
    return {row["cart"]: row for row in _rows(shop, "in.parity.jsonl")}


@pytest.mark.parametrize("account", ["acme", "loja"])
def test_an_export_names_the_cart_over_whose_answer_it_failed(shop: Cli, account: str, break_adapter: Break) -> None:
    keys = filled(shop, account, 4)
    platform = {"acme": "3dcart", "loja": "tray"}[account]
    break_adapter(platform, lambda adapter: _misread(adapter, keys[1]))

    ended = command("export", account, "-o", CARTS, "--from", "job.results.jsonl", folder=shop.folder, code=1)

    assert {cart["id"] for cart in _rows(shop, CARTS)} == {*keys} - {keys[1]}
    (unread,) = _rows(shop, "carts.unread.jsonl")
    assert unread["cart_id"] == keys[1]
    assert f"{FAULT}reading its answer: Fault" in unread["why"]
    assert "Traceback" not in ended.err


def test_a_list_of_carts_that_we_fail_over_ends_in_a_sentence(shop: Cli, break_adapter: Break) -> None:
    keys = filled(shop, "sklep", 3)

    def bend(adapter: Adapter) -> Adapter:
        assert adapter.listing is not None
        return replace(adapter, listing=replace(adapter.listing, merge=_fails_at(keys[0], adapter.listing.merge)))

    break_adapter("shoplo", bend)
    command("export", "sklep", "-o", CARTS, folder=shop.folder, code=1)
    assert {cart["id"] for cart in _rows(shop, CARTS)} == {*keys[1:]}
    assert FAULT in _rows(shop, "carts.unread.jsonl")[0]["why"]

    def bend_more(adapter: Adapter) -> Adapter:
        assert adapter.listing is not None
        return replace(adapter, listing=replace(adapter.listing, lines=_fails_at(keys[0], adapter.listing.lines)))

    break_adapter("shoplo", bend_more)
    ended = command("export", "sklep", "-o", "more.jsonl", folder=shop.folder, code=3)
    assert f"account 'sklep': its list of carts cannot be read: {FAULT}" in ended.err


def test_a_cart_over_whose_answer_verify_fails_cannot_be_read_and_the_others_are_equal(
    shop: Cli, break_adapter: Break
) -> None:
    brought(shop, "loja", 4)
    made = {one["cart"]: one["cart_id"] for one in shop.results("in.results.jsonl") if one["op"] == "cart.create"}

    def bend(adapter: Adapter) -> Adapter:
        assert adapter.snapshot is not None
        missing = _fails_at(made["cart-0"], adapter.snapshot.is_missing)
        return _misread(replace(adapter, snapshot=replace(adapter.snapshot, is_missing=missing)), made["cart-1"])

    break_adapter("tray", bend)
    found = _verify(shop)

    assert {name: row["status"] for name, row in found.items()} == {
        "cart-0": "cannot be read",
        "cart-1": "cannot be read",
        "cart-2": "equal",
        "cart-3": "equal",
    }
    assert all(FAULT in found[name]["why"] for name in ("cart-0", "cart-1"))


@pytest.mark.parametrize("part", ["read", "compare", "facts"])
def test_an_undo_keeps_the_cart_over_whose_answer_it_failed(shop: Cli, part: str, break_adapter: Break) -> None:
    shop.job([one for account in ("loja", "sklep") for one in (create(account), add(account))])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    kept = next(result["cart_id"] for result in shop.results() if result["account"] == "loja")

    def bend(adapter: Adapter) -> Adapter:
        if part == "read":
            assert adapter.snapshot is not None
            return replace(adapter, snapshot=replace(adapter.snapshot, read=_fails_at("", lambda: None)))
        if part == "compare":
            assert adapter.snapshot is not None
            unlisted = CartSnapshot(Odd())  # type: ignore[arg-type]
            return replace(adapter, snapshot=replace(adapter.snapshot, read=lambda _body: unlisted))
        return replace(adapter, create_adds_item=Odd())

    break_adapter("tray", bend)
    command("undo", "job.results.jsonl", "-o", "undo.jsonl", folder=shop.folder, code=1)

    assert {row["account"] for row in _rows(shop, "undo.jsonl")} == {"sklep"}
    rows = _rows(shop, "undo.jsonl.kept.jsonl")
    assert {row["account"] for row in rows} == {"loja"}
    assert rows
    assert all(row["kind"] == "unreadable" and FAULT in row["message"] for row in rows), (kept, rows)


@pytest.mark.parametrize("command_name", ["doctor", "init"])
def test_a_trial_of_credentials_that_we_fail_over_says_so(
    shop: Cli, command_name: str, break_adapter: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_adapter(
        "tray", lambda adapter: replace(adapter, errors=replace(adapter.errors, classify=_fails_at("", lambda: None)))
    )
    if command_name == "doctor":
        ended = command("doctor", folder=shop.folder, code=1)
        assert ended.out.count("the shop took the credentials") == 2
        said = ended.out
    else:
        address = shop.shop_server.sandbox.address("tray", shop.shop)
        words = ("--platform", "tray", "--account", "neu", "--address", address, "--access-token", "env:TOKEN")
        monkeypatch.setenv("TOKEN", KEYS["tray"]["access_token"])
        said = command("init", *words, folder=shop.folder, code=1).err
        assert "neu" in (shop.folder / "batchcart.toml").read_text()
    assert f"{FAULT}reading the shop's answer: Fault" in said


class Unspoken(str):
    """A field's name that can be looked up and not be written."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        raise Fault(str(self))


def test_an_undo_keeps_the_cart_whose_line_it_cannot_write_and_takes_back_the_others(
    shop: Cli, break_adapter: Break
) -> None:
    shop.job([create("sklep", item="i"), create("loja")])
    command("run", "job.jsonl", "--progress", "none", folder=shop.folder, code=0)
    made = {result["account"]: result for result in shop.results()}
    old = {"account": "sklep", "cart_id": made["sklep"]["cart_id"]}
    update = {"op": "item.update", **old, "item_id": made["sklep"]["item_id"], "data": {"quantity": 7}}
    shop.job([{"op": "cart.get", **old}, update, create("loja", "c2")], "second.jsonl")
    command("run", "second.jsonl", "--progress", "none", folder=shop.folder, code=0)

    break_adapter(
        "shoplo", lambda adapter: replace(adapter, keys=replace(adapter.keys, quantity=Unspoken(adapter.keys.quantity)))
    )
    command("undo", "second.results.jsonl", "-o", "undo.jsonl", folder=shop.folder, code=1)

    assert {row["account"] for row in _rows(shop, "undo.jsonl")} == {"loja"}
    (row,) = _rows(shop, "undo.jsonl.kept.jsonl")
    assert (row["account"], row["kind"]) == ("sklep", "unreadable")
    assert f"{FAULT}comparing it with what the run left: Fault" in row["message"]


def test_a_page_of_a_list_that_we_fail_over_closes_the_account_in_a_sentence(shop: Cli, break_adapter: Break) -> None:
    filled(shop, "sklep", 3)

    def bend(adapter: Adapter) -> Adapter:
        cell = adapter.operations[OperationKind.CART_LIST]
        broken = replace(cell, interpret=_fails_at("", lambda: None))
        return replace(adapter, operations={**adapter.operations, OperationKind.CART_LIST: broken})

    break_adapter("shoplo", bend)
    ended = command("export", "sklep", "-o", CARTS, folder=shop.folder, code=3)
    assert "account 'sklep': its list of carts cannot be read: " in ended.err
    assert f"{FAULT}reading page 1: Fault" in ended.err
    assert not (shop.folder / CARTS).exists()


def test_a_cart_that_we_fail_to_convert_again_cannot_be_read_and_the_others_are_equal(
    shop: Cli, break_adapter: Break
) -> None:
    brought(shop, "loja", 3)

    def bend(adapter: Adapter) -> Adapter:
        assert adapter.migration is not None
        failing = _fails_at("'cart-1'", adapter.migration.from_neutral)
        return replace(adapter, migration=replace(adapter.migration, from_neutral=failing))

    break_adapter("tray", bend)
    found = _verify(shop)

    assert {name: row["status"] for name, row in found.items()} == {
        "cart-0": "equal",
        "cart-1": "cannot be read",
        "cart-2": "equal",
    }
    assert f"{FAULT}converting it: Fault" in found["cart-1"]["why"]


def test_a_benchmark_of_a_shop_whose_answers_we_fail_over_ends_in_a_sentence(shop: Cli, break_adapter: Break) -> None:
    shop.configure(loja={"allow_bench": True})
    failing = _fails_at("", lambda: None)

    def bend(adapter: Adapter) -> Adapter:
        cells = {kind: replace(cell, interpret=failing) for kind, cell in adapter.operations.items()}
        return replace(adapter, operations=cells)

    break_adapter("tray", bend)
    words = ("--account", "loja", "--product", "5", "--carts", "3", "--progress", "none")
    ended = command("bench", *words, folder=shop.folder, code=3)

    assert FAULT in ended.err
    assert "running the command" not in ended.err
    assert "Its lines stay pending" in ended.err


def test_a_fault_of_ours_anywhere_else_is_a_sentence_and_never_exit_code_1(shop: Cli, break_adapter: Break) -> None:
    break_adapter("tray", lambda adapter: replace(adapter, limits=Odd()))
    ended = command("platforms", folder=shop.folder, code=3)
    assert f"{FAULT}running the command: TypeError" in ended.err
    assert "Traceback" not in ended.err
