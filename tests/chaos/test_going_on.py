"""Going on where the cart's lines did not end in the file's order, or were settled while a later one was under way."""

from collections.abc import Sequence

import kill_storm
import pytest
from cli_harness import Cli, add, batchcart, create, until

from batchcart.sandbox.messages import Call


def adds_meet(shop: Cli, account: str, *kinds: str) -> None:
    """What the account's adds meet, one after the other: a fault, "" for none, or "gone": there is no such cart."""
    left, carts = list(kinds), shop.endpoint(account).shop.carts

    def meets(call: Call) -> str | None:
        if "away" in carts:
            cart = carts.pop("away")
            carts[cart["key"]] = cart
        if call.method != "POST" or call.route == "POST Cart" or not left:
            return None
        kind = left.pop(0)
        if kind != "gone":
            return kind
        (key,) = carts
        carts["away"] = {**carts.pop(key), "key": key}
        return None

    shop.hook(account, meets)


def killed_at(shop: Cli, line: int, method: str, *words: str, until_held: int = 0) -> None:
    """Go on until the shop has such a request of this line, hangs, and the cart holds so many lines; then SIGKILL."""
    query = f"SELECT count(*) FROM send WHERE line = {line} AND state = 'sent' AND request LIKE '[\"{method}%'"
    with shop.started("run", "job.jsonl", "--progress", "none", *words) as process:

        def on_its_way() -> bool:
            assert process.poll() is None, process.communicate()
            met = shop.endpoint("acme").saw.faults
            on_it = kill_storm.written(shop.folder / "job.results.jsonl", query) > 0 and met["hang"] + met["hang-after"]
            return bool(on_it) and held(shop, "acme") >= until_held

        until(on_its_way)
        process.kill()


def held(shop: Cli, account: str) -> int:
    (cart,) = shop.endpoint(account).shop.carts.values()
    return len(cart["items"])


def test_a_retried_line_that_was_under_way_goes_on_with_what_was_known_when_it_was_sent(shop: Cli) -> None:
    shop.job([create("acme"), *(add("acme", item=name) for name in "ijk")])
    adds_meet(shop, "acme", "429", "gone", "", "gone")
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "failed", 3: "ok", 4: "failed"}
    adds_meet(shop, "acme", "429", "gone", "hang")
    killed_at(shop, 4, "POST", "--retry-failed")
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "failed", 3: "ok", 4: "ok"}
    assert held(shop, "acme") == 2


def others_lines(shop: Cli, account: str, *, there: bool) -> None:
    """Lines of the same products that somebody else puts into the cart, or takes out again."""
    (cart,) = shop.endpoint(account).shop.carts.values()
    for number, product in {"901": "5", "902": "5", "903": "6", "904": "6"}.items():
        cart["items"].pop(number, None)
        if there:
            cart["items"][number] = {"CatalogID": product, "ItemQuantity": "2"}


def looks_find(shop: Cli, account: str, adds: Sequence[str], looks: Sequence[str]) -> None:
    """What adds meet, and what looks at the cart find: others' lines, "" for none, or the fault that they meet."""
    left = {"POST": list(adds), "GET": list(looks)}

    def meets(call: Call) -> str | None:
        if (
            not left.get(call.method)
            or call.route == "POST Cart"
            or call.keys[0] not in shop.endpoint(account).shop.carts
        ):
            return None
        kind = left[call.method].pop(0)
        if call.method == "GET":
            others_lines(shop, account, there=kind == "others")
        return None if kind == "others" else kind

    shop.hook(account, meets)


def settle(shop: Cli) -> None:
    shop.hook("acme", "")
    others_lines(shop, "acme", there=False)
    batchcart("settle", "job.results.jsonl", folder=shop.folder)


def test_a_line_that_was_under_way_goes_on_after_one_before_it_was_settled(shop: Cli) -> None:
    shop.job([create("acme"), *(add("acme", item=name) for name in "ij")])
    looks_find(shop, "acme", ["reset-after"], ["others", "others", "hang"])
    killed_at(shop, 3, "GET")
    settle(shop)
    assert shop.statuses() == {1: "ok", 2: "ok"}
    shop.run(code=0)
    assert held(shop, "acme") == 2


@pytest.mark.parametrize("second", ["reset-before", "reset-after"])
def test_settling_does_not_take_one_add_for_two(shop: Cli, second: str) -> None:
    shop.job([create("acme"), *(add("acme", item=name) for name in "ij")])
    looks_find(shop, "acme", ["reset-before", second], ["others", "others", "", "others", "others"])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "in_doubt"}
    settle(shop)
    happened = second == "reset-after"
    assert shop.statuses() == {1: "ok", 2: "in_doubt" if happened else "failed", 3: "ok" if happened else "failed"}


@pytest.mark.parametrize(("first", "becomes"), [("reset-before", "failed"), ("reset-after", "ok")])
def test_two_adds_of_different_products_are_both_settled(shop: Cli, first: str, becomes: str) -> None:
    other = {"CatalogID": 6, "ItemQuantity": 2}
    shop.job([create("acme"), add("acme", item="i"), add("acme", item="j", data=other)])
    looks_find(shop, "acme", [first, "reset-after"], ["others", "others", "", "others", "others"])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "in_doubt"}
    settle(shop)
    assert shop.statuses() == {1: "ok", 2: becomes, 3: "ok"}


def test_settling_does_not_take_an_add_that_is_under_way_for_the_one_in_doubt(shop: Cli) -> None:
    shop.job([create("acme"), *(add("acme", item=name) for name in "ij")])
    looks_find(shop, "acme", ["reset-before", "hang-after"], ["others", "others", ""])
    killed_at(shop, 3, "POST", until_held=1)
    settle(shop)
    assert shop.statuses() == {1: "ok", 2: "in_doubt"}
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "ok"}
    assert held(shop, "acme") == 1
