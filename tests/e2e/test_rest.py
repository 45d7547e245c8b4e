"""What did not end well becomes a job that can be corrected and run, and the two runs are one in the report."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_harness import SAMPLE_ITEMS, Cli, Line, add, batchcart, create, line, until

from batchcart.jobs.json_schema import job_line_schema

RESULTS = "job.results.jsonl"


def rest(shop: Cli, code: int, output: str = "fix.jsonl") -> tuple[list[Line], str]:
    """The lines of the new job, and what was said."""
    out = batchcart("rest", RESULTS, "-o", output, folder=shop.folder, code=code).out
    path = shop.folder / output
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else [], out


def plain(job_line: Line) -> Line:
    """The line without its reason."""
    return {key: value for key, value in job_line.items() if key != "why"}


def ids(shop: Cli) -> dict[int, Line]:
    return {result["line"]: result for result in shop.results()}


def unlucky(account: str) -> Line:
    """A line that its shop refuses: the cart is not there."""
    return {"op": "cart.get", "account": account, "cart_id": "nix", "id": "mine"}


def test_what_failed_stands_in_its_order_with_the_reason_beside_it(shop: Cli) -> None:
    shop.job([create("acme"), unlucky("acme"), add("acme"), {**unlucky("acme"), "cart_id": "nix2"}])
    shop.run(code=1)
    lines, said = rest(shop, 0)

    assert [plain(one) for one in lines] == [unlucky("acme"), {**unlucky("acme"), "cart_id": "nix2"}]
    assert [one["why"]["line"] for one in lines] == [2, 4]
    assert {(one["why"]["status"], one["why"]["results"]) for one in lines} == {("failed", RESULTS)}
    assert lines[0]["why"]["message"].startswith("3dcart has no such cart")
    assert "Wrote fix.jsonl: 2 lines (2 failed)\n" in said
    assert "  batchcart run fix.jsonl\n  batchcart report job.results.jsonl fix.results.jsonl\n" in said


@pytest.mark.parametrize("name", ["fix.csv", "fix.XLSX", "fix.jsonl.gz"])
def test_a_job_is_not_written_under_a_name_that_run_would_misread(shop: Cli, name: str) -> None:
    shop.job([create("acme"), unlucky("acme")])
    shop.run(code=1)
    commands: list[tuple[str, ...]] = [("undo", RESULTS), ("convert", RESULTS, "--to", "acme", "--map", "m.csv")]
    if name.endswith(".gz"):  # rest writes sheets
        commands.append(("rest", RESULTS))
    for words in commands:
        said = batchcart(*words, "-o", name, folder=shop.folder, code=2).err
        assert "a job is written as JSON Lines" in said
        assert "give it a name that ends in .jsonl" in said
    assert not (shop.folder / name).exists()


def test_results_are_not_written_under_a_sheets_name(shop: Cli) -> None:
    shop.job([create("acme")])
    assert "batchcart results RESULTS --to keys.csv" in shop.run("-o", "keys.csv", code=2).err
    assert not list(shop.folder.glob("keys.csv*"))


def test_the_next_command_names_the_config_it_was_given(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run()
    (shop.folder / "batchcart.toml").rename(shop.folder / "other.toml")
    said = batchcart("undo", RESULTS, "-o", "undo.jsonl", "--config", "other.toml", folder=shop.folder, code=0).out
    assert "Next: batchcart run undo.jsonl --config other.toml" in said


def test_carts_and_items_that_exist_are_named_by_the_shops_own_keys(shop: Cli) -> None:
    refused = {"on": True}
    shop.hook("acme", lambda call: "429" if refused["on"] and call.route.startswith("PUT") else None)
    update = line("acme", "item.update", item="i", data={"ItemQuantity": 9})
    shop.job([create("acme"), add("acme", item="i"), update])
    shop.run("--patience", "0.001", code=3)
    lines, _ = rest(shop, 0)
    made = ids(shop)
    key, item = made[1]["cart_id"], made[2]["item_id"]

    assert lines
    assert all(one["cart_id"] == key for one in lines)
    first = plain(lines[0])
    assert first == {"op": "item.update", "account": "acme", "cart": "c1", "cart_id": key, "item_id": item,
                     "data": {"ItemQuantity": 9}}  # fmt: skip
    refused["on"] = False
    assert shop.run(job="fix.jsonl", code=0).code == 0


def test_lines_whose_cart_was_never_made_keep_the_line_that_makes_it(shop: Cli) -> None:
    shop.hook("sklep", "429")
    job = [create("sklep", item="i"), line("sklep", "item.update", item="i", data={"quantity": 9}), add("sklep")]
    shop.job(job)
    shop.run("--patience", "0.001", code=3)
    lines, said = rest(shop, 0)

    assert [plain(one) for one in lines] == job
    assert {one["why"]["status"] for one in lines} == {"not_attempted"}
    assert "Do not resume the first run as well" in said
    shop.hook("sklep", "")
    shop.run(job="fix.jsonl", code=0)


def test_what_is_in_doubt_is_left_out_and_named_with_what_needs_it(shop: Cli) -> None:
    faults = iter(["reset-after"])
    shop.hook("acme", lambda call: next(faults, None) if call.route == "POST Cart" else None)
    shop.job([create("acme"), add("acme"), unlucky("acme")])
    shop.run(code=1)
    lines, said = rest(shop, 1)

    assert [one["why"]["line"] for one in lines] == [3]
    assert (
        "Left out: 1 in doubt (line 1), and 1 line that needs it. Settle first:\n  batchcart settle job.results" in said
    )


def test_a_write_that_a_kill_left_on_its_way_is_not_sent_by_another_job(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    shop.job([create("acme"), add("acme")])
    with shop.started("run", "job.jsonl") as process:
        until(lambda: shop.endpoint("acme").saw.requests)
        process.kill()
        process.wait()
    lines, said = rest(shop, 1)

    assert lines == []
    assert "No line is left to correct" in said
    assert "Left out: 1 line on the way when the run stopped. Resume it first:\n  batchcart run job.jsonl" in said


def test_the_corrected_run_is_one_with_the_first_in_the_report(shop: Cli) -> None:
    shop.job([create("acme"), unlucky("acme"), {**unlucky("acme"), "cart_id": "nix2"}, create("loja")])
    shop.run(code=1)
    lines, _ = rest(shop, 0)
    key = ids(shop)[1]["cart_id"]
    shop.job([{**lines[0], "cart_id": key}, lines[1]], "fix.jsonl")
    shop.run(job="fix.jsonl", code=1)
    both = batchcart("report", RESULTS, "fix.results.jsonl", "--json", folder=shop.folder, code=1).figures

    assert (both["lines"], both["ok"], both["failed"]) == (4, 3, 1)
    assert [run["taken_up"] for run in both["runs"]] == [2, 0]
    assert [(one["count"], one["first"][0]["results"]) for one in both["reasons"]] == [(1, "fix.results.jsonl")]
    said = batchcart("report", RESULTS, "fix.results.jsonl", folder=shop.folder, code=1).out
    assert "2 of its lines were done again by another of these runs, and count there" in said
    assert "batchcart run job.jsonl --retry-failed" not in said
    nothing = batchcart("rest", RESULTS, "fix.results.jsonl", "-o", "no.jsonl", folder=shop.folder, code=0).out
    assert "No line is left to correct" in nothing
    # A third time, on what is left of the second.
    batchcart("rest", "fix.results.jsonl", "-o", "fix2.jsonl", folder=shop.folder, code=0)
    last = json.loads((shop.folder / "fix2.jsonl").read_text())
    shop.job([{**last, "cart_id": key}], "fix2.jsonl")
    shop.run(job="fix2.jsonl", code=0)
    names = [RESULTS, "fix.results.jsonl", "fix2.results.jsonl"]
    assert batchcart("report", *names, "--json", folder=shop.folder, code=0).figures["ok"] == 4


def test_nothing_of_why_is_sent_and_whatever_it_holds_is_taken(shop: Cli) -> None:
    whys: list[Any] = ["words", 5, None, {"run": 1}, ["canary-why"], {"run": "other", "line": 3}]
    shop.job([create("acme", f"c{n}") | {"why": why} for n, why in enumerate(whys)])
    shop.run(code=0)

    assert "canary-why" not in (shop.folder / f"{RESULTS}.journal").read_bytes().decode(errors="replace")
    assert "why" in job_line_schema()["properties"]


def test_no_secret_stands_in_the_new_job(shop: Cli) -> None:
    shop.job([unlucky(account) for account in SAMPLE_ITEMS])
    shop.run()
    rest(shop, 0)
    text = (shop.folder / "fix.jsonl").read_text()

    assert not [secret for secret in ("a-private-key", "a-token-of", "an-access-token", "a-bearer") if secret in text]


def test_a_file_that_is_there_is_not_overwritten_and_a_finished_run_leaves_none(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    assert rest(shop, 0) == ([], "No line is left to correct\n")
    shop.job([unlucky("acme")], "two.jsonl")
    shop.run(job="two.jsonl", code=1)
    (shop.folder / "mine.jsonl").write_text("by hand\n")

    for words in (["-o", "mine.jsonl"], ["-o", "two.jsonl"], ["-o", "two.results.jsonl"]):
        ended = batchcart("rest", "two.results.jsonl", *words, folder=shop.folder, code=2)
        assert "choose another file with -o" in ended.err
    assert (shop.folder / "mine.jsonl").read_text() == "by hand\n"


def test_numbers_and_unknown_keys_of_a_line_come_through_as_they_were_written(shop: Cli) -> None:
    text = '{"op":"item.add","account":"acme","cart_id":"nix","data":{"CatalogID":5,"ItemQuantity":2.50}}'
    (shop.folder / "job.jsonl").write_text(text + "\n")
    shop.run(code=1)
    rest(shop, 0)

    assert b'{"CatalogID":5,"ItemQuantity":2.50}' in (shop.folder / "fix.jsonl").read_bytes()


def test_a_job_that_changed_or_is_gone_cannot_be_taken_from(shop: Cli) -> None:
    shop.job([unlucky("acme")])
    shop.run(code=1)
    shop.job([{**unlucky("acme"), "cart_id": "abc"}])
    assert "job.jsonl:1: it is not what it was" in batchcart("rest", RESULTS, "-o", "f", folder=shop.folder, code=2).err
    shop.job([unlucky("acme"), unlucky("acme")])
    shop.run("--fresh", code=1)
    shop.job([unlucky("acme"), {**unlucky("acme"), "cart_id": "abc"}])
    assert "job.jsonl:2: it is not what it was" in batchcart("rest", RESULTS, "-o", "f", folder=shop.folder, code=2).err
    assert not Path(shop.folder / "f").exists(), "a job that lacks lines is left"
    (shop.folder / "job.jsonl").unlink()
    assert "does not exist" in batchcart("rest", RESULTS, "-o", "f", folder=shop.folder, code=2).err
    assert not Path(shop.folder / "f").exists()


@pytest.mark.parametrize("account", ["loja", "sklep"])
def test_a_cart_whose_key_the_client_chose_is_named_by_it(shop: Cli, account: str) -> None:
    shop.job([create(account), line(account, "cart.get"), add(account)])
    refused = {"on": True}
    shop.hook(account, lambda call: "429" if refused["on"] and shop.endpoint(account).saw.effects["create"] else None)
    shop.run("--patience", "0.001", code=3)
    lines, _ = rest(shop, 0)
    refused["on"] = False

    assert {one["cart_id"] for one in lines} == {ids(shop)[1]["cart_id"]}
    shop.run(job="fix.jsonl", code=0)
    assert msgspec.json.decode((shop.folder / "fix.results.jsonl").read_bytes().splitlines()[0])["status"] == "ok"


def test_a_run_of_a_platform_that_is_not_here_any_more_is_told_as_that(shop: Cli) -> None:
    shop.job([create("acme"), unlucky("acme")])
    shop.run(code=1)
    with closing(sqlite3.connect(shop.folder / f"{RESULTS}.journal")) as journal, journal:
        journal.execute("UPDATE account SET platform = 'gone'")

    said = batchcart("rest", RESULTS, "-o", "fix.jsonl", folder=shop.folder, code=2).err
    assert "platform 'gone' is not known" in said
    assert not (shop.folder / "fix.jsonl").exists()
