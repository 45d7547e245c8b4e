"""Lines that were appended to a job are told as such and can be run; starting over says what it makes again."""

import json
import os

from cli_harness import Cli, Line, add, batchcart, create, line, until
from pseudo_terminal import terminal

RESULTS = "job.results.jsonl"


def test_appended_lines_are_told_and_run_joined_to_the_same_results(shop: Cli) -> None:
    job = [create("acme", "c1"), add("acme", "c1", item="i")]
    shop.job(job)
    shop.run(code=0)
    more = [line("acme", "item.update", "c1", item="i", data={"ItemQuantity": 9}), create("loja")]
    shop.job(job + more)
    told = shop.run(code=2).err

    assert "job.jsonl: lines 1-2 are as before, lines 3-4 are new. Run with --append" in told
    shop.run("--append", code=0)
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "ok", 4: "ok"}
    assert (shop.endpoint("acme").saw.effects["create"], shop.endpoint("acme").saw.effects["item-update"]) == (1, 1)
    assert "this run is finished; nothing was sent" in shop.run("--append", code=0).out
    status = batchcart("status", RESULTS, "--json", folder=shop.folder, code=0).figures
    assert (status["lines"], status["accounts"]["loja"]["ok"]) == (4, 1)


def test_what_is_wrong_in_appended_lines_leaves_the_run_as_it_was(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    before = (shop.folder / f"{RESULTS}.journal").read_bytes()
    shop.job([create("acme"), create("acme")])

    assert "job.jsonl:2: cart: 'c1' is created twice" in shop.run("--append", code=2).err
    assert "line 1 is as before, line 2 is new" in shop.run(code=2).err
    shop.job([create("acme")])
    assert "nothing was sent" in shop.run(code=0).out
    assert len(before) <= len((shop.folder / f"{RESULTS}.journal").read_bytes())


def test_a_line_that_changed_is_no_appended_one(shop: Cli) -> None:
    shop.job([create("acme", "c1")])
    shop.run(code=0)
    shop.job([create("acme", "c2"), create("acme", "c3")])

    assert "the first difference is line 1" in shop.run("--append", code=2).err


def test_another_job_from_standard_input_does_not_take_the_results_of_the_first(shop: Cli) -> None:
    jobs = [json.dumps(create("acme", cart)).encode() + b"\n" for cart in ("c1", "c2")]
    shop.run(job="-", given=jobs[0], code=0)
    ended = shop.run(job="-", given=jobs[1], code=2)

    assert "standard input is another job than the one that stdin.results.jsonl.journal belongs to" in ended.err
    assert "-o" in ended.err
    assert "nothing was sent" in shop.run(job="-", given=jobs[0], code=0).out
    shop.run("-o", "second.jsonl", job="-", given=jobs[1], code=0)


def test_starting_over_says_what_it_makes_again_and_asks_at_a_terminal_alone(shop: Cli) -> None:
    shop.job([create("acme"), add("acme"), line("acme", "cart.get")])
    shop.run(code=0)
    with terminal("run", "job.jsonl", "--fresh", folder=shop.folder) as shown:
        until(lambda: "Start over?" in shown.text)
        assert "does again what the earlier run did: 1 × cart.create, 1 × item.add" in " ".join(shown.lines)

        os.write(shown.handle, b"n\n")
        assert shown.process.wait(60) == 2
    assert shop.endpoint("acme").saw.effects["create"] == 1
    told = shop.run("--fresh", code=0).err
    assert "1 × cart.create, 1 × item.add (job.results.jsonl)" in told
    assert shop.endpoint("acme").saw.effects["create"] == 2


def _without(line: Line) -> Line:
    return {key: value for key, value in line.items() if key != "account"}


def test_appending_under_another_account_than_the_run_began_with_changes_nothing(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run("--account", "acme", code=0)
    shop.job([create("acme"), _without(create("acme", "c2"))])

    assert "this run began with --account acme, not loja" in shop.run("--append", "--account", "loja", code=2).err
    shop.run("--append", code=0)
    assert shop.statuses() == {1: "ok", 2: "ok"}
    shop.run(code=0)


def test_the_account_of_appended_lines_without_one_is_kept(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    shop.job([create("acme"), _without(create("sklep"))])
    shop.run("--append", "--account", "sklep", code=0)

    assert shop.statuses() == {1: "ok", 2: "ok"}
    shop.run(code=0)
