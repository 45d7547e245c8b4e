"""`settle` reads accounts side by side, and what it found of a cart is kept at once."""

import json
from collections.abc import Callable

from cli_harness import Cli, add, batchcart, create, until
from crafted_run import loose

from batchcart.sandbox.messages import Call


def meddle(shop: Cli, account: str, change: int) -> None:
    """Another client adds to the carts, or (with a negative ``change``) takes back what it added."""
    for key, cart in shop.endpoint(account).shop.carts.items():
        items = cart["items"]
        first = next(iter(items.values()))
        if account == "loja":
            first["quantity"] = str(int(first["quantity"]) + change)
            continue
        for number in (901, 902):
            items.pop(str(number), None)
            shop.endpoint(account).shop.owners.pop(str(number), None)
            if change > 0:
                items[str(number)] = {**first, "id": number}
                shop.endpoint(account).shop.owners[str(number)] = key


def loses_second_add(shop: Cli, account: str) -> Callable[[Call], str | None]:
    """The second add of the account is answered by nothing, and somebody else adds the same just then."""
    adds: list[Call] = []

    def meet(call: Call) -> str | None:
        if call.method == "POST":
            adds.append(call)
            return "reset-after" if len(adds) == 2 else None
        if len(adds) == 2:
            adds.append(call)
            meddle(shop, account, 7)
        return None

    return meet


def counts(shop: Cli, account: str) -> dict[str, int]:
    shown = batchcart("status", "job.results.jsonl", "--json", folder=shop.folder)
    found: dict[str, int] = json.loads(shown.out)["accounts"][account]
    return found


def test_a_shop_that_never_answers_holds_up_no_other_and_a_kill_forgets_nothing_that_was_settled(shop: Cli) -> None:
    for account in ("loja", "sklep"):
        shop.hook(account, loses_second_add(shop, account))
    shop.job([create("loja"), add("loja", item="i"), create("sklep"), add("sklep", item="i")])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "in_doubt", 3: "ok", 4: "in_doubt"}
    for account in ("loja", "sklep"):
        meddle(shop, account, -7)
    shop.configure(loja={"timeout": 300})
    shop.hook("loja", "hang")
    shop.hook("sklep", "")

    with shop.started("settle", "job.results.jsonl") as process:
        until(lambda: counts(shop, "sklep")["ok"] == 2)
        assert process.poll() is None
        process.kill()
        process.wait()

    shop.configure()
    shop.hook("loja", "")
    shop.hook("sklep", "401")  # its line needs no second look
    batchcart("settle", "job.results.jsonl", folder=shop.folder, code=0)
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "ok", 4: "ok"}
    assert "finished" in shop.run(code=0).out


def test_a_journal_that_cannot_be_read_for_one_account_ends_settling_in_words_where_another_waits(shop: Cli) -> None:
    for account in ("loja", "sklep"):
        shop.hook(account, loses_second_add(shop, account))
    shop.job([create("loja"), add("loja", item="i"), create("sklep"), add("sklep", item="i")])
    shop.run(code=1)
    with loose(shop.folder / "job.results.jsonl.journal") as journal:
        journal.execute("UPDATE send SET at = unixepoch() WHERE line = 2")  # it was sent just now: wait before a look
        journal.execute("UPDATE send SET request = CAST(x'5bff' AS TEXT) WHERE line = 4")
    ended = batchcart("settle", "job.results.jsonl", folder=shop.folder)
    assert ended.code == 3
    assert "is damaged, in its table send" in ended.err
    assert "Traceback" not in ended.err
