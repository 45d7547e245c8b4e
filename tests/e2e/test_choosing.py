"""A first try does some lines only: by account, operation or number; the others stay open for the same command."""

import json
import re
from pathlib import Path

import pytest
from cli_harness import PLATFORMS, Cli, add, batchcart, create, line

from batchcart import run as batchcart_run

RESULTS = "job.results.jsonl"


def three_shops(shop: Cli, carts: int = 4) -> None:
    """In each shop carts of two lines, one after the other: 2 lines × carts × 3 shops."""
    shop.job([make(account, f"c{n}") for n in range(carts) for account in PLATFORMS for make in (create, add)])


def done(shop: Cli) -> dict[str, int]:
    """Lines that ended ok, by account."""
    found: dict[str, int] = {}
    for result in shop.results():
        assert result["status"] == "ok"
        found[result["account"]] = found.get(result["account"], 0) + 1
    return found


def test_only_the_lines_of_some_accounts_are_done_and_the_rest_is_told_and_done_without_the_option(shop: Cli) -> None:
    three_shops(shop)
    out = shop.run("--only", "ac*", "--only", "loja", code=3).out

    assert done(shop) == {"acme": 8, "loja": 8}
    assert "Chosen for this run: 16 lines of 24" in out
    assert "8 lines left, as only some were chosen. Continue with all of them:\n  batchcart run job.jsonl\n" in out
    shop.run(code=0)
    assert done(shop) == {"acme": 8, "loja": 8, "sklep": 8}


def test_an_operation_is_chosen_with_the_lines_of_its_cart(shop: Cli) -> None:
    shop.job([create("acme", "c1"), add("acme", "c1"), create("acme", "c2"), line("acme", "cart.get", "c2")])
    shop.run("--only", "item.*", code=3)

    assert sorted(result["line"] for result in shop.results()) == [1, 2]


def test_a_limit_takes_whole_carts_in_file_order_and_the_next_call_the_next_ones(shop: Cli) -> None:
    three_shops(shop)
    shop.run("--limit", "5", code=3)
    assert sorted(result["line"] for result in shop.results()) == [1, 2, 3, 4]
    shop.run("--limit", "100", "--only", "acme", "--processes", "2", code=3)
    assert done(shop) == {"acme": 8, "loja": 2}


def test_a_sample_is_spread_over_every_account_and_the_whole_file(shop: Cli) -> None:
    three_shops(shop, carts=8)
    figures = shop.run("--sample", "4", "--json", code=3).figures

    assert done(shop) == dict.fromkeys(PLATFORMS, 4)
    assert {result["cart"] for result in shop.results()} == {"c0", "c4"}
    assert figures["next"][-1]["command"] == "batchcart run job.jsonl"


def test_a_word_that_no_open_line_has_sends_nothing(shop: Cli) -> None:
    three_shops(shop)
    ended = shop.run("--only", "acmee", code=2)

    assert "--only: no open line has the account or operation 'acmee'" in ended.err
    assert not list(shop.folder.glob("*.results.*"))


@pytest.mark.parametrize("words", [["--limit", "0"], ["--sample", "-1"]])
def test_numbers_below_one_are_refused(shop: Cli, words: list[str]) -> None:
    three_shops(shop)
    assert "is outside of" in shop.run(*words, code=2).err


def test_one_shop_of_a_run_is_undone(shop: Cli) -> None:
    three_shops(shop, carts=2)
    shop.run(code=0)
    ended = batchcart(
        "undo", RESULTS, "-o", "undo.jsonl", "--account", "acme", "--progress", "none", folder=shop.folder
    )
    taken = [json.loads(text) for text in (shop.folder / "undo.jsonl").read_text().splitlines()]
    wrong = batchcart("undo", RESULTS, "-o", "u2.jsonl", "--account", "amce", folder=shop.folder, code=2)

    assert ended.code == 0
    assert [(one["account"], one["op"]) for one in taken] == [("acme", "cart.delete")] * 2
    assert re.search(r"'amce' is not in this run; did you mean 'acme'\?", wrong.err)


def test_trying_again_with_a_choice_that_fits_nothing_or_another_account_leaves_the_results(shop: Cli) -> None:
    reads = {"acme": {"op": "cart.get", "cart_id": "gone"}, "sklep": {"op": "item.get", "item_id": "77"}}
    shop.job([*({"account": name} | read for name, read in reads.items()), create("loja")])
    shop.run(code=1)
    before = (shop.folder / RESULTS).read_text()
    shop.run("--retry-failed", "--only", "nothing", code=1)

    assert (shop.folder / RESULTS).read_text() == before
    shop.run("--retry-failed", "--only", "acme", code=1)
    assert shop.statuses() == {1: "failed", 2: "failed", 3: "ok"}
    assert next(one for one in before.splitlines() if '"line":2,' in one) in (shop.folder / RESULTS).read_text()


def test_one_pattern_from_python_is_one_pattern(tmp_path: Path) -> None:
    names = ("sandbox-3dcart", "sandbox-shoplo")
    data = {"sandbox-shoplo": {"variant_id": 5, "quantity": 1}}
    operations = [
        {"op": "cart.create", "account": name, "cart": "c", **({"data": data[name]} if name in data else {})}
        for name in names
    ]
    with batchcart_run(operations, results=tmp_path / "r.jsonl", only="*-shoplo") as run:
        assert [result.account for result in run] == ["sandbox-shoplo"]
