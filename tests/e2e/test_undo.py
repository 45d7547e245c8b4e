"""Taking a run back: the shops hold afterwards what they held before, and what cannot come back is listed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_harness import (
    SAMPLE_ITEMS,
    Cli,
    Ended,
    Line,
    ShopServer,
    add,
    batchcart,
    create,
    environment,
    line,
    open_cli_here,
    until,
)
from click.testing import CliRunner

from batchcart.cli.commands.undo import command
from batchcart.journal.summary import Summary
from batchcart.model.adapter import CartSnapshot
from batchcart.model.errors import UsageError
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.platforms import load_adapters
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.runner import run_job
from batchcart.sandbox.messages import Call
from batchcart.sandbox.readings import deviate
from batchcart.undo.history import summarize
from batchcart.undo.model import CartEffects, FieldChanged, ItemAdded, KeptReason, Unread
from batchcart.undo.model import CompletedLine as EndedLine
from batchcart.undo.revert import plan_revert

SUPPORT = Path(__file__).parents[1] / "support"

DYING = SUPPORT / "kill_before_commit.py"


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A command line whose commands run in this process, in its folder."""
    return open_cli_here(shop_server, tmp_path, monkeypatch)


def run(job: str = "job.jsonl", *, code: int = 0, one_by_one: bool = False) -> Summary:
    summary = asyncio.run(run_job(RunOptions(job, concurrency=1 if one_by_one else None), RunMonitor()))
    assert summary.exit_code == code, summary
    return summary


def undo(*words: str, code: int, results: str = "job.results.jsonl", ago: float = 60.0) -> Ended:
    """Undo a run that ended so many seconds ago."""
    with suppress(FileNotFoundError):
        os.utime(results, (then := time.time() - ago, then))
    done = CliRunner().invoke(
        command, [results, "-o", "undo.jsonl", "--progress", "none", *words], standalone_mode=False
    )
    if done.exception is not None:
        raise done.exception
    assert done.return_value == code, done.output
    return Ended(done.return_value, done.stdout, done.stderr)


def held(shop: Cli) -> dict[str, Any]:
    """What its shops hold, but for the times at which it was touched."""
    state = {
        account: json.loads(json.dumps(shop.endpoint(account).shop.carts)) for account in ("acme", "loja", "sklep")
    }
    for cart in state["acme"].values():
        del cart["updated"]
    return state


def old_carts(shop: Cli) -> dict[str, Line]:
    """A cart of two items in each shop, made before the run by somebody else; their keys and their items' ids."""
    person = {"BillingFirstName": "Zofia", "ShipmentCity": "Łódź", "CustomerId": 7}
    lines = [
        line("acme", "cart.create", data=person),
        add("acme", item="a"),
        add("acme", item="b"),
        create("loja", item="a"),
        line("loja", "cart.update", data={"email": "zofia@example.com", "user_id": "7"}),
        create("sklep", item="a"),
        add("sklep", item="b"),
    ]
    shop.job(lines, "old.jsonl")
    run("old.jsonl")
    found: dict[str, Line] = {}
    for result in shop.results("old.results.jsonl"):
        cart = found.setdefault(result["account"], {"cart_id": result["cart_id"]})
        if "item" in result:
            cart[result["item"]] = result["item_id"]
    return found


def old(account: str, op: str, cart: Line, item: str = "", **keys: Any) -> Line:
    ids = {"cart_id": cart["cart_id"]} | ({"item_id": cart[item]} if item else {})
    return {"op": op, "account": account, **ids, **keys}


def undone(shop: Cli) -> list[Line]:
    return [json.loads(text) for text in (shop.folder / "undo.jsonl").read_text().splitlines()]


def kept(shop: Cli) -> list[Line]:
    return [json.loads(text) for text in (shop.folder / "undo.jsonl.kept.jsonl").read_text().splitlines()]


def varied(carts: dict[str, Line]) -> dict[str, list[Line]]:
    """A run by account: it makes carts, and works on one that was there before."""
    acme, loja, sklep = carts["acme"], carts["loja"], carts["sklep"]
    percent = {"discount_type": "2", "discount_value": "30"}
    return {
        "acme": [
            create("acme"),
            add("acme", item="x"),
            line("acme", "item.update", item="x", data={"ItemQuantity": "3.50"}),
            old("acme", "cart.get", acme),
            old("acme", "item.add", acme, data={"CatalogID": 9, "ItemQuantity": 1}),
            old("acme", "item.update", acme, "a", data={"ItemQuantity": 7}),
            old("acme", "item.update", acme, "a", data={"ItemQuantity": 8}),
            old("acme", "cart.update", acme, data={"ShipmentCity": "Kraków", "CustomerId": 8}),
            old("acme", "cart.update", acme, data={"BillingFirstName": "Anna", "ShipmentCity": "Gdańsk"}),
            create("acme", "c2"),
            line("acme", "cart.delete", "c2"),
        ],
        "loja": [
            create("loja"),
            add("loja"),
            create("loja", "c2", cart_id="a-key-of-the-authors-own"),
            old("loja", "cart.get", loja),
            old("loja", "cart.update", loja, data={"email": "anna@example.com"}),
        ],
        "sklep": [
            create("sklep"),
            add("sklep", item="x"),
            line("sklep", "discount.set", item="x", data=percent),
            create("sklep", "c2", cart_id="a-key-of-the-authors-own"),
            old("sklep", "item.add", sklep, data=SAMPLE_ITEMS["sklep"]),
            old("sklep", "item.update", sklep, "b", data={"quantity": 9}),
            old("sklep", "discount.set", sklep, "a", data={**percent, "properties": {"Zestaw": "1"}}),
            {**old("sklep", "discount.set", sklep, "b", data=percent), "id": "for all of them"},
        ],
    }


@pytest.mark.parametrize("account", ["acme", "loja", "sklep"])
def test_the_shop_holds_what_it_held_before(shop: Cli, account: str) -> None:
    carts = old_carts(shop)
    before = held(shop)
    shop.job(varied(carts)[account])
    run()
    assert held(shop) != before

    undo(code=0)

    assert not (shop.folder / "undo.jsonl.kept.jsonl").exists()
    assert all(re.fullmatch(r"undo of line \d+", one["id"]) and "cart_id" in one for one in undone(shop))
    batchcart("check", "undo.jsonl", folder=shop.folder, code=0)
    run("undo.jsonl")
    assert held(shop) == before
    assert run("undo.jsonl").nothing_to_do


def test_what_came_last_is_taken_back_first(shop: Cli) -> None:
    carts = old_carts(shop)
    shop.job(varied(carts)["acme"])
    run(one_by_one=True)

    undo(code=0)

    lines = [int(one["id"].removeprefix("undo of line ")) for one in undone(shop)]
    assert lines == sorted(lines, reverse=True)
    assert [one["op"] for one in undone(shop)][-1] == "cart.delete"


def test_a_discount_is_taken_from_all_lines_that_got_it(shop: Cli) -> None:
    sklep = old_carts(shop)["sklep"]
    before = held(shop)
    shop.job([old("sklep", "discount.set", sklep, "a", data={"discount_type": 2, "discount_value": 5})])
    run()

    undo(code=0)

    assert [one["item_id"] for one in undone(shop)] == [sklep["a"], sklep["b"]]
    run("undo.jsonl")
    assert held(shop) == before


def test_lines_that_name_an_item_alone_are_about_its_cart(shop: Cli) -> None:
    sklep = old_carts(shop)["sklep"]
    before = held(shop)
    alone = {"account": "sklep", "item_id": sklep["b"]}
    shop.job(
        [
            old("sklep", "item.add", sklep, data=SAMPLE_ITEMS["sklep"]),
            {"op": "item.get", **alone},
            {"op": "item.update", **alone, "data": {"quantity": 8}},
            {"op": "discount.set", **alone, "data": {"discount_type": 2, "discount_value": 5}},
        ]
    )
    run()

    undo(code=0)

    run("undo.jsonl")
    assert held(shop) == before


def test_a_second_undo_finds_everything_as_it_was(shop: Cli) -> None:
    carts = old_carts(shop)
    shop.job([one for lines in varied(carts).values() for one in lines])
    run()
    undo(code=0)
    run("undo.jsonl")
    (shop.folder / "undo.jsonl").unlink()

    figures = undo("--json", code=0).figures

    # A discount is shown by no read, so that one is tried again.
    assert set(figures["accounts"]) <= {"sklep"}
    assert figures["gone"] >= 9


# What somebody else did


@pytest.mark.parametrize("account", ["acme", "loja", "sklep"])
def test_a_cart_that_somebody_changed_is_kept_unless_forced(shop: Cli, account: str) -> None:
    before = held(shop)
    shop.job([create(account), add(account), create(account, "c2")])
    run()
    theirs = {
        "acme": {"CatalogID": 77, "ItemQuantity": 1},
        "loja": {"product_id": 77, "quantity": 1},
        "sklep": {"variant_id": 77, "quantity": 1},
    }
    cart_id = next(one["cart_id"] for one in shop.results() if one["line"] == 1)
    shop.job([{"op": "item.add", "account": account, "cart_id": cart_id, "data": theirs[account]}], "x.jsonl")
    run("x.jsonl")

    told = undo(code=1).out

    assert "somebody changed the cart since: item" in told
    assert "was added; --force takes it back all the same" in told
    assert "  line 1: " in told
    assert "undo that run first" in told
    assert [(one["line"], one["kind"], one["cart_id"]) for one in kept(shop)] == [(1, "changed", cart_id)]
    assert [one["id"] for one in undone(shop)] == ["undo of line 3"]
    (shop.folder / "undo.jsonl").unlink()
    undo("--force", code=0)
    run("undo.jsonl")
    assert held(shop) == before


def test_an_old_cart_that_somebody_changed_is_kept_unless_forced(shop: Cli) -> None:
    carts = old_carts(shop)
    before = held(shop)
    shop.job(
        [
            old("sklep", "item.add", carts["sklep"], data=SAMPLE_ITEMS["sklep"]),
            old("sklep", "item.update", carts["sklep"], "a", data={"quantity": 5}),
        ]
    )
    run()
    shop.job([old("sklep", "item.update", carts["sklep"], "b", data={"quantity": 6})], "x.jsonl")
    run("x.jsonl")

    undo(code=1)

    assert not (shop.folder / "undo.jsonl").exists()
    assert [(one["line"], one["op"], one["kind"]) for one in kept(shop)] == [
        (2, "item.update", "changed"),
        (1, "item.add", "changed"),
    ]
    undo("--force", code=0)
    run("undo.jsonl")
    before["sklep"][carts["sklep"]["cart_id"]]["items"][carts["sklep"]["b"]]["quantity"] = 6
    assert held(shop) == before


def test_a_field_that_somebody_changed_is_kept(shop: Cli) -> None:
    carts = old_carts(shop)
    shop.job(
        [
            old("acme", "cart.get", carts["acme"]),
            old("acme", "cart.update", carts["acme"], data={"ShipmentCity": "Kraków", "BillingFirstName": "Anna"}),
        ]
    )
    run()
    shop.job([old("acme", "cart.update", carts["acme"], data={"ShipmentCity": "Poznań"})], "x.jsonl")
    run("x.jsonl")

    told = undo(code=1).out

    assert "somebody changed ShipmentCity since" in told
    assert [one["data"] for one in undone(shop)] == [{"BillingFirstName": "Zofia"}]


def test_fields_that_an_update_emptied_are_filled_again(shop: Cli) -> None:
    shop.endpoint("acme").shop.readings = deviate("3dcart", {"3dcart.cart_update": "replace"})
    carts = old_carts(shop)
    before = held(shop)["acme"][carts["acme"]["cart_id"]]
    shop.job(
        [
            old("acme", "cart.get", carts["acme"]),
            old("acme", "cart.update", carts["acme"], data={"ShipmentCity": "Kraków"}),
            old("acme", "cart.update", carts["acme"], data={"BillingState": "MA"}),
        ]
    )
    run()
    assert held(shop)["acme"][carts["acme"]["cart_id"]]["fields"] == {"BillingState": "MA"}

    undo(code=0)
    run("undo.jsonl")

    after = held(shop)["acme"][carts["acme"]["cart_id"]]
    assert {name: value for name, value in after["fields"].items() if value} == before["fields"]


def test_what_somebody_wrote_into_an_emptied_cart_stays(shop: Cli) -> None:
    shop.endpoint("acme").shop.readings = deviate("3dcart", {"3dcart.cart_update": "replace"})
    carts = old_carts(shop)
    shop.job(
        [
            old("acme", "cart.get", carts["acme"]),
            old("acme", "cart.update", carts["acme"], data={"ShipmentCity": "Kraków"}),
        ]
    )
    run()
    fields = {"ShipmentCity": "Kraków", "BillingCity": "Kraków"}
    shop.job([old("acme", "cart.update", carts["acme"], data=fields)], "x.jsonl")
    run("x.jsonl")

    undo(code=0)
    run("undo.jsonl")

    after = held(shop)["acme"][carts["acme"]["cart_id"]]["fields"]
    assert after == {"CustomerId": "7", "BillingFirstName": "Zofia", "ShipmentCity": "Łódź", "BillingCity": "Kraków"}


def test_a_cart_that_a_shop_does_not_show_right_after_the_run_is_not_taken_for_gone(shop: Cli) -> None:
    shop.job([create("acme")])
    run()
    carts, ended = shop.endpoint("acme").shop.carts, time.monotonic()
    hidden = dict(carts)
    carts.clear()

    def lag(_call: Call) -> str:
        carts.update(hidden if time.monotonic() - ended > 3.0 else {})
        return ""

    shop.hook("acme", lag)
    undo(code=0, ago=0.0)
    assert [row["op"] for row in shop.results("undo.jsonl")] == ["cart.delete"]


def test_carts_that_are_gone_need_no_line(shop: Cli) -> None:
    shop.job([create(account) for account in SAMPLE_ITEMS])
    run()
    for account in SAMPLE_ITEMS:
        shop.endpoint(account).shop.carts.clear()
        shop.endpoint(account).shop.owners.clear()

    told = undo(code=0).out

    assert "There is nothing to take back" in told
    assert "3 carts, items or values already gone" in told
    assert not (shop.folder / "undo.jsonl").exists()


def test_a_cart_that_cannot_be_looked_at_is_kept_unless_forced() -> None:
    adapter = load_adapters()["3dcart"]
    added = ItemAdded(4, OperationKind.ITEM_ADD, "77")
    made = CartEffects("KEY", made=(3, OperationKind.CART_CREATE), complete=True)
    was_there = CartEffects("KEY", effects=(added,), lines={"77": Decimal(1)})

    for now in (Unread("it cannot be read: the shop answered HTTP 500"), CartSnapshot(None)):
        for left, number, kind in ((made, 3, OperationKind.CART_DELETE), (was_there, 4, OperationKind.ITEM_DELETE)):
            kept = plan_revert(left, now, adapter, force=False)
            assert [(one.line, one.why) for one in kept.kept] == [(number, KeptReason.UNREADABLE)]
            assert not kept.reverts
            forced = plan_revert(left, now, adapter, force=True)
            assert [(one.line, one.kind) for one in forced.reverts] == [(number, kind)]
            assert not forced.kept


# What cannot come back


def test_what_cannot_come_back_is_listed_with_the_reason(shop: Cli) -> None:
    carts = old_carts(shop)
    acme, loja, sklep = carts["acme"], carts["loja"], carts["sklep"]
    shop.job([create("sklep", cart_id="another-old-cart")], "x.jsonl")
    run("x.jsonl")
    shop.job(
        [
            old("loja", "item.add", loja, data=SAMPLE_ITEMS["loja"]),
            old("acme", "item.update", acme, "a", data={"ItemQuantity": 7}),
            old("acme", "cart.update", acme, data={"ShipmentCity": "Kraków"}),
            old("acme", "item.delete", acme, "b"),
            {"op": "item.update", "account": "sklep", "item_id": sklep["a"], "data": {"quantity": 4}},
            {"op": "cart.delete", "account": "sklep", "cart_id": "another-old-cart"},
        ]
    )
    run()

    told = undo(code=1).out

    reasons = {one["line"]: (one["kind"], one["message"].partition(":")[0]) for one in kept(shop)}
    assert reasons == {
        1: ("impossible", "tray has no item.delete, and the cart was there before the run"),
        2: ("unknown", "how many the item held before is not known"),
        3: ("unknown", "what ShipmentCity held before is not known"),
        4: ("impossible", "an item that was deleted does not come back"),
        5: ("unknown", "how many the item held before is not known"),
        6: ("impossible", "a cart that was deleted does not come back"),
    }
    assert "6 kept, listed in undo.jsonl.kept.jsonl:" in told
    assert "tray has no item.delete" in told


def test_a_line_in_doubt_is_listed_and_the_others_go(shop: Cli) -> None:
    shop.job([create("acme"), create("acme", "c2")])

    def lost(call: Call) -> str | None:
        return "reset-after" if b'"c2"' in call.body else None

    shop.hook("acme", lost)
    run(code=1)

    told = undo(code=1).out

    assert "it is in doubt: settle it first" in told
    assert [(one["line"], one["kind"]) for one in kept(shop)] == [(2, "in_doubt")]
    assert [one["id"] for one in undone(shop)] == ["undo of line 1"]


def test_a_cart_whose_lines_a_doubt_may_explain_is_kept_until_it_is_settled(shop: Cli) -> None:
    shop.job([create("acme"), add("acme"), add("acme", data={"CatalogID": 6, "ItemQuantity": 1})])

    def unclear(call: Call) -> str | None:
        if b"6" in call.body and call.method == "POST":
            # Somebody adds the same at the same moment, so that nobody can say whose it is.
            next(iter(shop.endpoint("acme").shop.carts.values()))["items"]["999"] = {
                "CatalogID": "6",
                "ItemQuantity": "1",
            }
            return "reset-after"
        return None

    shop.hook("acme", unclear)
    run(code=1)
    shop.hook("acme", "")
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "in_doubt"}

    told = undo(code=1).out

    assert "by somebody else, or by a line that is in doubt" in told
    assert [(one["line"], one["kind"]) for one in kept(shop)] == [(1, "in_doubt")]
    undo("--force", code=0)
    assert [one["op"] for one in undone(shop)] == ["cart.delete"]


@pytest.mark.parametrize(
    ("known", "now"),
    [
        ({"1": Decimal(2), "2": Decimal(1)}, {"1": Decimal(2), "2": Decimal(1), "9": Decimal(1)}),
        ({}, {"2": Decimal(5)}),
    ],
    ids=["a new line", "another quantity"],
)
def test_nobody_is_blamed_for_what_a_line_in_doubt_may_have_done_to_a_cart_that_was_there(
    known: dict[str, Decimal], now: dict[str, Decimal]
) -> None:
    added, changed = ItemAdded(4, OperationKind.ITEM_ADD, "2"), FieldChanged(5, "email", b'"a@x.pl"', b'"b@x.pl"')
    held = CartSnapshot(now, {"email": b'"c@x.pl"'})

    for unsure, why in ((True, KeptReason.IN_DOUBT), (False, KeptReason.CHANGED)):
        left = CartEffects("K", effects=(added, changed), lines=known, complete=bool(known), unsure=unsure)
        kept = plan_revert(left, held, load_adapters()["shoplo"], force=False).kept
        assert {(one.line, one.why) for one in kept} == {(4, why), (5, why)}
        assert all(("somebody changed" in one.message) is not unsure for one in kept)
        assert all(("by a line that is in doubt, was under way" in one.message) is unsure for one in kept)


# Runs that are not over, files that are not what they should be


def test_of_a_run_that_was_stopped_that_is_taken_back_which_ended(shop: Cli) -> None:
    shop.job([create("acme", f"c{number}") for number in range(30)])
    dying = [sys.executable, str(DYING), "8", "run", "job.jsonl", "--progress", "none", "--concurrency", "2"]
    subprocess.run(dying, cwd=shop.folder, env=environment(shop.folder), capture_output=True, check=False)
    ended = len(shop.results())
    assert 0 < ended < 30

    ended_with = undo(code=1)

    assert "of the run not ended; only what has ended is taken back" in ended_with.out
    assert {one["kind"] for one in kept(shop)} == {"in_doubt"}
    assert "it was on its way when the run stopped" in ended_with.out
    assert len(undone(shop)) >= ended


def test_a_run_at_work_is_not_taken_back(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.job([create("acme")])
    shop.hook("acme", "hang")
    with shop.started("run", "job.jsonl", "--progress", "none") as process:
        until((shop.folder / "job.results.jsonl.journal").exists)

        with pytest.raises(UsageError, match=str(process.pid)):
            undo(code=2)


@pytest.mark.parametrize(
    ("results", "words", "told"),
    [
        ("nosuch.jsonl", [], "nosuch.jsonl has no journal nosuch.jsonl.journal"),
        ("job.jsonl", [], "job.jsonl has no journal"),
        ("bare.results.jsonl", [], "without it nobody can say what the run found"),
        ("broken", [], "cannot be read"),
        ("job.results.jsonl", ["-o", "job.jsonl"], "job.jsonl belongs to the run itself"),
        ("job.results.jsonl", ["-o", "job.results.jsonl"], "belongs to the run itself"),
        ("job.results.jsonl", ["-o", "there.jsonl"], "there.jsonl already exists and was not overwritten"),
        ("job.results.jsonl", ["--config", "other.toml"], "account 'acme' of this run is not in"),
    ],
)
def test_what_is_no_run_is_refused_in_a_sentence(shop: Cli, results: str, words: list[str], told: str) -> None:
    shop.job([create("acme")])
    run()
    given = {"bare.results.jsonl": "{}\n", "broken.journal": "no database" * 100, "there.jsonl": "precious"}
    for name, text in given.items():
        (shop.folder / name).write_text(text)
    (shop.folder / "other.toml").write_text("")

    with pytest.raises(UsageError, match=re.escape(told)):
        undo(*words, code=2, results=results)

    assert (shop.folder / "there.jsonl").read_text() == "precious"
    assert not list(shop.folder.glob("*.work"))


def test_on_the_command_line_a_refusal_is_a_sentence_and_exit_code_2(shop: Cli) -> None:
    refused = batchcart("undo", "nosuch", "-o", "undo.jsonl", folder=shop.folder, code=2)

    assert refused.err.startswith("batchcart: nosuch has no journal nosuch.journal")


def test_an_account_that_points_elsewhere_now_is_not_touched(shop: Cli) -> None:
    shop.job([create("acme")])
    run()
    shop.configure(acme={"shop": "another"})

    with pytest.raises(UsageError, match="account 'acme' pointed to"):
        undo(code=2)


def test_without_its_job_a_run_is_taken_back_as_far_as_its_journal_tells(shop: Cli) -> None:
    carts = old_carts(shop)
    lines = [create("acme"), add("acme"), old("acme", "cart.get", carts["acme"])]
    lines.append(old("acme", "cart.update", carts["acme"], data={"ShipmentCity": "Kraków"}))
    lines.append(old("sklep", "item.add", carts["sklep"], data=SAMPLE_ITEMS["sklep"]))
    job = shop.job(lines)
    run()
    job.unlink()

    told = undo(code=1).out

    assert "is not there, so what its lines said is not known" in told
    assert [(one["line"], one["kind"]) for one in kept(shop)] == [(4, "unknown")]
    assert sorted(one["op"] for one in undone(shop)) == ["cart.delete", "item.delete"]


def test_carts_of_the_built_in_sandbox_ended_with_their_run(shop: Cli) -> None:
    shop.job([{**create("loja"), "account": "sandbox-tray"}])
    run()

    told = undo(code=0).out

    assert "sandbox-tray: its shop, the built-in sandbox, ended with the run" in told


# Killed in between


def test_undo_and_its_run_go_on_after_sigkill(shop: Cli) -> None:
    carts = old_carts(shop)
    before = held(shop)
    shop.job([one for lines in varied(carts).values() for one in lines])
    run()

    kills = 0
    for words in (
        ["undo", "job.results.jsonl", "-o", "undo.jsonl", "--progress", "none"],
        ["run", "undo.jsonl", "--progress", "none"],
    ):
        for commit in range(2, 60, 4):
            dying = [sys.executable, str(DYING), str(commit), *words]
            done = subprocess.run(
                dying, cwd=shop.folder, env=environment(shop.folder), capture_output=True, check=False
            )
            if done.returncode != -signal.SIGKILL:
                assert done.returncode == 0, done.stderr.decode()
                break
            kills += 1

    assert kills >= 3
    assert held(shop) == before
    assert not list(shop.folder.glob("*.work*"))


def test_a_signal_stops_the_reading_and_the_same_command_goes_on(shop: Cli) -> None:
    shop.job([create("sklep", f"c{number}") for number in range(200)])
    run()
    shop.hook("sklep", "delay")
    with shop.started("undo", "job.results.jsonl", "-o", "undo.jsonl", "--progress", "none") as process:
        results = shop.folder / "undo.jsonl.work" / "reads.results.jsonl"
        until(lambda: process.poll() is not None or (results.exists() and results.stat().st_size))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 3
    assert b"carts are not read yet" in err
    assert not (shop.folder / "undo.jsonl").exists()
    shop.hook("sklep", "")
    seen = shop.requests()

    undo(code=0)

    assert len(undone(shop)) == 200
    assert 0 < shop.requests() - seen < 200


def test_the_page_names_every_kind_of_what_is_kept() -> None:
    page = (Path(__file__).parents[2] / "docs" / "undo.md").read_text()

    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)) == {why.value for why in KeptReason}


def test_a_line_that_came_to_the_runs_own_cart_during_the_run_is_somebody_elses() -> None:
    adapter = load_adapters()["shoplo"]
    listed = {"lines": "known", "line:1": "5 2", "line:2": "5 1", "line:9": "6 1"}
    left = summarize(
        [
            EndedLine(
                1,
                OperationKind.CART_CREATE,
                Status.OK,
                "K",
                "1",
                {"lines": "known", "line:1": "5 2"},
                b"{}",
                fresh=True,
            ),
            EndedLine(2, OperationKind.ITEM_ADD, Status.FAILED, "K", None, {"lines": None}),
            EndedLine(3, OperationKind.ITEM_ADD, Status.OK, "K", "2", listed, b"{}"),
        ],
        adapter,
    )

    now = CartSnapshot({"1": Decimal(2), "2": Decimal(1), "9": Decimal(1)})

    assert [one.why for one in plan_revert(left, now, adapter, force=False).kept] == [KeptReason.CHANGED]


@pytest.mark.parametrize(
    ("said", "kept"),
    [(b'{"discount_type":2}', None), (b'{"properties":"{}"}', "1"), (None, None)],
    ids=["all", "one", "gone"],
)
def test_a_discount_in_doubt_that_may_lie_on_all_items_is_kept_for_the_whole_cart(
    said: bytes | None, kept: str | None
) -> None:
    doubt = EndedLine(7, OperationKind.DISCOUNT_SET, Status.IN_DOUBT, "K", "1", said=said, doubt="no answer")

    assert [one.item_id for one in summarize([doubt], load_adapters()["shoplo"]).kept] == [kept]
