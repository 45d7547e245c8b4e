"""Many lines in doubt are settled by a table: written with what helps to look them up, taken back all or none."""

import csv
from pathlib import Path

from cli_harness import Cli, add, batchcart, create

from batchcart.runs.doubts import key_columns

RESULTS, TABLE = "job.results.jsonl", "doubts.csv"
PERSON = {"BillingFirstName": "=HYPERLINK(1)", "BillingLastName": "Nowak", "BillingEmail": "+anna@example.com"}


def doubtful(shop: Cli, count: int) -> None:
    """Carts on lines 1, 3, 5 and so on that nobody knows of, and between them as many that were made."""
    faults = iter(["reset-after", None] * count)
    shop.hook("acme", lambda call: next(faults, None) if call.route == "POST Cart" else None)
    shop.job([create("acme", f"c{n}", id=f"order-{n}", data=PERSON) for n in range(2 * count)])
    shop.run("--concurrency", "1", "--patience", "0.5", code=1)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def answer(path: Path, answers: dict[int, dict[str, str]], delimiter: str = ",") -> None:
    """Write the table again as a person's spreadsheet does."""
    filled = [row | answers.get(int(row["line"]), {}) for row in rows(path)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(filled[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(filled)


def settle(shop: Cli, *words: str, code: int) -> str:
    ended = batchcart("settle", RESULTS, *words, folder=shop.folder, code=code)
    return ended.out + ended.err


def test_the_table_has_what_a_person_needs_and_nothing_that_a_spreadsheet_runs(shop: Cli) -> None:
    doubtful(shop, 2)
    said = settle(shop, "--todo", TABLE, code=1)
    found = rows(shop.folder / TABLE)

    assert "Wrote doubts.csv: 2 lines in doubt." in said
    assert f"\n  batchcart settle {RESULTS} --from {TABLE}\n" in said
    assert [row["line"] for row in found] == ["1", "3"]
    first = found[0]
    assert (first["answer"], first["account"], first["op"], first["id"]) == ("", "acme", "cart.create", "order-0")
    assert (first["email"], first["names"]) == ("'+anna@example.com", "'=HYPERLINK(1) Nowak")
    assert first["sent_at"].endswith("Z")
    assert "was sent and not answered" in first["evidence"]
    assert (
        f"{TABLE} already exists and was not overwritten; fill it in, then `batchcart settle {RESULTS} --from {TABLE}`"
        in (settle(shop, "--todo", TABLE, code=2))
    )


def test_the_table_says_which_of_the_shops_words_goes_where(shop: Cli) -> None:
    doubtful(shop, 1)

    assert "Then:" in (said := settle(shop, "--todo", TABLE, code=1))
    assert "3dcart's OrderKey goes under cart_id." in said
    assert "CartItemID" not in said
    assert key_columns([("3dcart", "item.add"), ("3dcart", "cart.create"), ("3dcart", "cart.create")]) == [
        "3dcart's OrderKey goes under cart_id",
        "3dcart's CartItemID goes under item_id",
    ]
    assert key_columns([("tray", "cart.create"), ("3dcart", "cart.update"), ("uninstalled", "cart.create")]) == []


def test_a_table_that_is_there_is_to_be_filled_in(shop: Cli) -> None:
    doubtful(shop, 1)
    settle(shop, "--todo", "job.doubts.csv", code=1)
    out = batchcart("status", RESULTS, folder=shop.folder, code=1).out

    assert f"job.doubts.csv is there; fill it in, then:\n  batchcart settle {RESULTS} --from job.doubts.csv\n" in out
    assert "--todo" not in out


def test_the_answers_are_taken_and_what_was_done_is_told(shop: Cli) -> None:
    doubtful(shop, 3)
    settle(shop, "--todo", TABLE, code=1)
    answer(shop.folder / TABLE, {1: {"answer": "Yes", "cart_id": '="6F027F81ggx48to"'}, 3: {"answer": "no"}}, ";")
    said = settle(shop, "--from", TABLE, code=1)

    assert "Read 3 rows of doubts.csv. 3 lines in doubt: 2 settled, 1 remains in doubt" in said
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "failed", 4: "ok", 5: "in_doubt", 6: "ok"}
    assert next(one for one in shop.results() if one["line"] == 1)["cart_id"] == "6F027F81ggx48to"
    # The same table with one answer more, another day.
    answer_more = (shop.folder / TABLE).read_text().replace("\n;;;5;", "\nno;;;5;")
    (shop.folder / TABLE).write_text(answer_more)
    assert "(2 of them were settled before). 1 line in doubt: 1 settled, none remains" in settle(
        shop, "--from", TABLE, code=1
    )


WRONG = [
    ({"answer": "maybe"}, "'maybe' is neither yes nor no"),
    ({"answer": "yes"}, "created a cart: give its key, 3dcart's OrderKey, under cart_id"),
    ({"answer": "yes", "cart_id": "6.02E+15"}, "cart_id: '6.02E+15' is a rounded number"),
    ({"answer": "yes", "cart_id": "=A1"}, "cart_id: '=A1' is a formula"),
    ({"answer": "no", "cart_id": "k"}, "there is no id"),
    ({"cart_id": "k"}, "an id is given without an answer"),
    ({"answer": "no", "run": "another"}, "is of another run"),
    ({"answer": "no", "line": "x"}, "'x' is not a line number"),
    ({"answer": "no", "line": "4"}, "line 4 is ok; only lines in doubt"),
]


def test_a_row_that_is_wrong_is_named_and_nothing_is_settled(shop: Cli) -> None:
    doubtful(shop, 3)
    settle(shop, "--todo", TABLE, code=1)
    asked = (shop.folder / TABLE).read_text(encoding="utf-8-sig")
    for wrong, told in WRONG:
        (shop.folder / TABLE).write_text(asked, encoding="utf-8-sig")
        answer(shop.folder / TABLE, {1: {"answer": "no"}, 3: wrong})
        said = settle(shop, "--from", TABLE, code=2)

        assert f"{TABLE}:3: " in said
        assert told in said
        assert said.endswith("batchcart: nothing was settled; correct this row, and give the table again\n")
        assert shop.statuses()[1] == "in_doubt"


def test_settling_by_the_shops_says_what_it_did(shop: Cli) -> None:
    doubtful(shop, 2)
    said = settle(shop, code=1)

    assert "The shops were asked about 2 lines in doubt: 0 settled, 2 remain in doubt" in said
    assert "use one of them" in settle(shop, "--todo", TABLE, "--line", "1", "--not-done", code=2)
    assert "does not exist" in settle(shop, "--from", "nix.csv", code=2)


def test_an_answer_that_contradicts_an_earlier_one_is_named(shop: Cli) -> None:
    doubtful(shop, 2)
    settle(shop, "--todo", TABLE, code=1)
    answer(shop.folder / TABLE, {1: {"answer": "no"}})
    settle(shop, "--from", TABLE, code=1)
    answer(shop.folder / TABLE, {1: {"answer": "yes", "cart_id": "k1"}})

    assert "line 1 was settled as failed before" in settle(shop, "--from", TABLE, code=2)
    assert shop.statuses()[1] == "failed"


def test_a_number_beyond_all_lines_is_no_line_number(shop: Cli) -> None:
    doubtful(shop, 1)
    settle(shop, "--todo", TABLE, code=1)
    answer(shop.folder / TABLE, {1: {"answer": "no", "line": "9" * 20}})

    assert "is not a line number" in settle(shop, "--from", TABLE, code=2)
    assert "is outside of" in settle(shop, "--line", "9" * 20, "--not-done", code=2)


def test_lines_that_a_doubt_held_up_say_how_it_was_settled(shop: Cli) -> None:
    shop.hook("acme", lambda call: "reset-after" if call.route == "POST Cart" else None)
    shop.job([create("acme", cart) if new else add("acme", cart) for cart in ("c1", "c2") for new in (True, False)])
    shop.run("--patience", "0.5", code=1)
    settle(shop, "--line", "1", "--done", "cart_id=k1", code=1)
    said = settle(shop, "--line", "3", "--not-done", code=1)
    needed = {one["line"]: one["error"]["message"] for one in shop.results() if one["status"] == "skipped"}

    assert needed == {
        2: "line 1 was in doubt and is ok by now; run with --retry-failed",
        4: "line 3 was in doubt and did not happen; run with --retry-failed",
    }
    assert "Nothing stands in their way any more: try them again" in said
