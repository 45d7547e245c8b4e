"""Accounts don't wait for one another, carts don't either, and what fails takes down exactly what needs it."""

from typing import Any

from cli_harness import KEYS, PLATFORMS, Cli, add, create, get, line, until

from batchcart.sandbox.messages import Call

FAST = [f"fast{number}" for number in range(9)]


def test_an_account_whose_shop_hangs_delays_no_other_one(shop: Cli) -> None:
    platforms = dict(zip([*FAST, "bad"], list(KEYS) * 4, strict=False))
    entries = [
        shop.entry(name, platform=platform, shop=f"{shop.shop}-{name}", concurrency=2, timeout=300)
        for name, platform in platforms.items()
    ]
    shop.configure(*entries)
    forms = {platform: account for account, platform in PLATFORMS.items()}
    lines = [
        {**make(forms[platform], f"c{number}"), "account": name}
        for number in range(8)
        for name, platform in reversed(platforms.items())
        for make in (create, add, get)
    ]
    shop.job(lines)
    shop.shop_server.hooks[f"3dcart/{shop.shop}-bad"] = lambda _call: "hang"
    results = shop.folder / "job.results.jsonl"
    with shop.started("run", "job.jsonl", "--progress", "none"):
        until(lambda: results.exists() and results.read_bytes().count(b"\n") == 9 * 24)
    assert {(result["account"], result["status"]) for result in shop.results()} == {(name, "ok") for name in FAST}


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
