"""Accounts don't wait for one another, carts don't either, and what fails takes down exactly what needs it."""

import time
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from cli_harness import KEYS, Cli, Line, add, create, get, line

from batchcart.sandbox.messages import Call

CARTS = 8
FAST = [f"fast{number}" for number in range(9)]


def chain(account: str, platform: str, cart: str) -> list[Line]:
    form = {"3dcart": "acme", "tray": "loja", "shoplo": "sklep"}[platform]
    return [{**one, "account": account} for one in (create(form, cart), add(form, cart), get(form, cart))]


def spans(results: list[Line]) -> dict[str, float]:
    """From each account's first sending to its last, in seconds."""
    times: dict[str, list[datetime]] = {}
    for result in results:
        times.setdefault(result["account"], []).append(datetime.fromisoformat(result["sent_at"]))
    return {account: (max(found) - min(found)).total_seconds() for account, found in times.items()}


def ten_accounts(shop: Cli) -> None:
    """Nine fast accounts and a tenth, `bad`, whose lines stand before, between and after the others'."""
    names = dict(zip([*FAST, "bad"], list(KEYS) * 4, strict=False))
    entries = [
        shop.entry(name, platform=platform, shop=f"{shop.shop}-{name}", concurrency=2, timeout=1)
        for name, platform in names.items()
    ]
    shop.configure(*entries)
    chains = [chain(name, platform, f"c{number}") for number in range(CARTS) for name, platform in names.items()]
    first = chain("bad", names["bad"], "first")
    shop.job([*first, *(one for lines in reversed(chains) for one in lines)])


@pytest.mark.parametrize("trouble", ["slow", "hanging", "closed"])
def test_a_bad_account_delays_no_other_one(shop: Cli, trouble: str) -> None:
    ten_accounts(shop)
    shop.run("-o", "good.jsonl", code=0)
    alone = spans(shop.results("good.jsonl"))
    bad = shop.shop_server.sandbox.shop("3dcart", f"{shop.shop}-bad")
    kinds = {"slow": "delay", "hanging": "hang"}
    shop.shop_server.hooks[f"3dcart/{shop.shop}-bad"] = lambda _call: kinds.get(trouble)
    bad.down = "reset" if trouble == "closed" else ""
    began = time.monotonic()
    ended = shop.run("-o", "bad.jsonl", "--patience", "0.03", "--json")
    took = time.monotonic() - began
    with_bad = spans([result for result in shop.results("bad.jsonl") if result["account"] != "bad"])
    figures = ended.figures["accounts"]
    assert all(figures[name]["ok"] == figures[name]["lines"] for name in FAST)
    for name in FAST:
        assert with_bad[name] < 3 * max(alone.values()) + 0.3, (name, alone, with_bad)
    assert took > max(with_bad.values()) + 1
    assert ended.code == (0 if trouble == "slow" else 3 if trouble == "closed" else ended.code)


def test_carts_of_one_account_run_side_by_side_and_a_carts_lines_in_order(shop: Cli) -> None:
    shop.hook("sklep", "delay")
    job = [one for number in range(8) for one in (create("sklep", f"c{number}"), add("sklep", f"c{number}"))]
    shop.job(job)
    began = time.monotonic()
    shop.run(code=0)
    assert time.monotonic() - began < 16 * 0.3
    saw = shop.endpoint("sklep").saw
    assert [log.overlapped for log in saw.carts.values()] == [False] * 8
    for log in saw.carts.values():
        assert [effect.verb for _, effect in log.effects] == ["create", "add"]


def test_a_cart_that_is_not_made_skips_its_lines_and_no_others(shop: Cli) -> None:
    shop.job(
        [
            create("acme", "c1"),
            create("acme", "c2"),
            add("acme", "c1", item="i"),
            add("acme", "c2"),
            line("acme", "item.delete", "c1", item="i"),
            get("acme", "c1"),
        ]
    )
    shop.hook("acme", lambda call: "500-before" if b'"c1"' in call.body and call.method == "POST" else None)
    shop.run(code=1)
    found = {result["line"]: result for result in shop.results()}
    assert shop.statuses() == {1: "in_doubt", 2: "ok", 3: "skipped", 4: "ok", 5: "skipped", 6: "skipped"}
    for number in (3, 5, 6):
        error: dict[str, Any] = found[number]["error"]
        assert (error["kind"], error["line"]) == ("dependency", 1)
        assert found[number]["attempts"] == 0


def test_an_item_that_is_not_added_skips_the_lines_on_it_and_no_others(shop: Cli) -> None:
    lines = [
        create("acme"),
        add("acme", item="bad", data={"CatalogID": 404404, "ItemQuantity": 1}),
        add("acme", item="good"),
        line("acme", "item.update", item="bad", data={"ItemQuantity": 3}),
        line("acme", "item.update", item="good", data={"ItemQuantity": 3}),
        line("acme", "item.delete", item="bad"),
        get("acme"),
    ]
    shop.job(lines)
    carts = shop.endpoint("acme").shop.carts
    away: dict[str, Any] = {}

    def refuse(call: Call) -> None:
        """The shop does not know the cart, just for that one add."""
        (away if b"404404" in call.body else carts).update(carts or away)
        (carts if b"404404" in call.body else away).clear()

    shop.hook("acme", refuse)
    shop.run(code=1)
    found = {result["line"]: result for result in shop.results()}
    assert (found[2]["status"], found[2]["error"]["kind"]) == ("failed", "rejected")
    assert {number: one["status"] for number, one in found.items() if number != 2} == {
        1: "ok",
        3: "ok",
        4: "skipped",
        5: "ok",
        6: "skipped",
        7: "ok",
    }
    assert {(found[number]["error"]["kind"], found[number]["error"]["line"]) for number in (4, 6)} == {
        ("dependency", 2)
    }


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_holds_its_account_back_as_long_as_it_asks_and_no_other(shop: Cli, form: str) -> None:
    endpoint = shop.endpoint("loja")
    endpoint.retry_after = "seconds" if form == "seconds" else "date"
    seen: list[float] = []

    def throttled(call: Call) -> str | None:
        seen.append(time.monotonic())
        return "429" if len(seen) == 3 else None

    shop.hook("loja", throttled)
    lines = [one for number in range(6) for one in (create("loja", f"c{number}"), create("acme", f"c{number}"))]
    shop.job(lines)
    shop.configure(loja={"concurrency": 1}, acme={"concurrency": 1})
    shop.run(code=0)
    gaps = [later - earlier for earlier, later in pairwise(seen)]
    assert gaps[2] > (0.9 if form == "seconds" else 0.5)
    assert sum(gaps) - gaps[2] < 1
    assert spans(shop.results())["acme"] < 1
    assert sum(result["attempts"] for result in shop.results() if result["account"] == "loja") == 7
    assert endpoint.saw.effects["create"] == 6
