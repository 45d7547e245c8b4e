"""The end of a run says why lines are not ok, root causes first, and which commands lead on."""

import json
import re
import shlex
import signal
import tracemalloc
from pathlib import Path

import pytest
from cli_harness import Cli, add, batchcart, create, line, until
from msgspec import structs
from pseudo_terminal import terminal
from report_samples import report_on, result

from batchcart.cli.reasons_text import reasons_text
from batchcart.cli.report_text import report_text
from batchcart.journal.summary import AccountSummary, Summary
from batchcart.report.error_groups import ErrorGroups, ErrorKey, Occurrence
from batchcart.runs.commands import RunCommands, default_results, next_steps
from batchcart.runs.options import RunOptions
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress, TlsFiles

COMMANDS = RunCommands(Path("job.results.jsonl"), "job.jsonl")


def cart_without_luck(shop: Cli) -> None:
    """Three carts; that of lines 1 to 3 is in doubt, and the one of line 7 does not exist."""
    shop.hook(
        "acme",
        lambda call: (
            "reset-after" if call.route == "POST Cart" and not shop.endpoint("acme").saw.requests["POST Cart"] else None
        ),
    )
    shop.job([
        create("acme", "c1"), add("acme", "c1", item="i"), line("acme", "item.delete", "c1", item="i"),
        create("acme", "c2"), add("acme", "c2", item="i"), line("acme", "item.delete", "c2", item="i"),
        {"op": "cart.get", "account": "acme", "cart_id": "nix"},
    ])  # fmt: skip


def test_a_run_says_at_its_end_why_lines_are_not_ok_and_what_to_type_next(shop: Cli) -> None:
    cart_without_luck(shop)
    out = shop.run(code=1).out
    said = re.sub(r"\s+", " ", out)

    assert "1 failed: 3dcart has no such cart or item (HTTP 404) (line 7)" in said
    assert re.search(r"1 in doubt: POST \S+ was sent and not answered .* \(line 1\)\. 2 skipped because of it", said)
    assert "skipped:" not in said
    # 3dcart makes the key of a new cart, so no read of the shop can find it.
    assert "1 in doubt: nobody could say whether it happened. Look it up yourself, with a table to fill in:\n" in out
    assert "Read the shops again" not in out
    assert out.index("  batchcart settle job.results.jsonl --todo job.doubts.csv\n") < out.index(
        "3 lines failed or were skipped. Once no line is in doubt, try them again:\n"
        "  batchcart run job.jsonl --retry-failed\n"
    )


def test_what_a_read_may_settle_is_read_again_before_a_person_has_to_look() -> None:
    doubt = AccountSummary({"in_doubt": 2}, {("cart.create", "in_doubt"): 1, ("item.add", "in_doubt"): 1})
    keyless = structs.replace(COMMANDS, keyless=frozenset({"acme"}))
    steps = next_steps(Summary({"acme": doubt}, "job.results.jsonl"), keyless)

    assert [step.command for step in steps] == [COMMANDS.settle(), COMMANDS.todo()]


def test_lines_to_which_the_shop_said_no_are_to_be_corrected_before_they_are_tried_again(shop: Cli) -> None:
    shop.job([{"op": "cart.get", "account": "acme", "cart_id": "nix"}, create("acme")])
    out = shop.run(code=1).out

    assert out.index("  batchcart rest job.results.jsonl ") < out.index("  batchcart run job.jsonl --retry-failed\n")
    assert "1 line failed or was skipped. Put it into a job that you can correct and run:\n" in out


def test_an_account_that_closed_is_named_where_its_lines_are_left(shop: Cli) -> None:
    shop.hook("sklep", "401")
    shop.job([create("acme"), create("sklep")])

    out = shop.run(code=3).out
    assert (
        "1 line left. Correct what is said of sklep above (credentials of sklep: access_token from batchcart.toml), "
        "and look whether all is well:\n  batchcart doctor sklep\n" in out
    )
    assert "When it is in order again, run the same command again to resume:\n  batchcart run job.jsonl\n" in out


def test_an_address_that_leads_to_no_shop_is_to_be_corrected_under_its_key(shop: Cli) -> None:
    shop.configure(loja={"api_address": f"{shop.shop_server.sandbox.origin}/nothing/web_api"})
    shop.job([{"op": "cart.get", "account": "loja", "cart_id": "k"}])
    shop.run("--patience", "0.5", code=3)
    where = "(address: api_address of loja in batchcart.toml)"

    assert where in batchcart("status", "job.results.jsonl", folder=shop.folder, code=3).out
    (shop.folder / "batchcart.toml").rename(shop.folder / "elsewhere.toml")
    assert where not in batchcart("status", "job.results.jsonl", folder=shop.folder, code=3).out


def test_deleting_what_is_gone_already_is_no_alarm(shop: Cli) -> None:
    shop.job([{"op": "cart.delete", "account": "acme", "cart_id": "nix"}])
    with terminal("run", "job.jsonl", folder=shop.folder, stdout=True) as shown:
        shown.process.wait(60)
        shown.reader.join(10)
        assert "It is gone already, so there is nothing to delete" in shown.text
        assert b"\x1b[31mfailed" not in shown.written
    shop.job([{"op": "cart.get", "account": "acme", "cart_id": "nix"}], "other.jsonl")
    with terminal("run", "other.jsonl", folder=shop.folder, stdout=True) as shown:
        shown.process.wait(60)
        shown.reader.join(10)
        assert b"\x1b[31mfailed" in shown.written


def test_status_settle_and_report_say_the_same_as_the_run(shop: Cli) -> None:
    cart_without_luck(shop)
    ended = shop.run(code=1).out
    said = ended[ended.index("Why lines are not ok:") :].splitlines()

    for words in (["status"], ["report"]):
        out = batchcart(*words, "job.results.jsonl", folder=shop.folder, code=1).out
        assert [text for text in said if text not in out.splitlines()] == [], words
    settled = batchcart("settle", "job.results.jsonl", "--line", "1", "--not-done", folder=shop.folder, code=1).out
    assert "1 failed: settled by hand: it did not happen" in settled
    assert "You said that it did not happen" in settled
    assert "check network" not in settled


def test_json_has_the_reasons_beside_the_figures_of_the_contract(shop: Cli) -> None:
    cart_without_luck(shop)
    figures = shop.run("--json", code=1).figures
    doubt, missing = figures["reasons"]

    assert (figures["lines"], figures["skipped"], figures["accounts"]["acme"]["skipped"]) == (7, 2, 2)
    assert (doubt["status"], doubt["count"], doubt["skipped_because"], doubt["lines"]) == ("in_doubt", 1, 2, [1])
    assert (missing["status"], missing["http_status"], missing["lines"]) == ("failed", 404, [7])
    assert "`batchcart rest job.results.jsonl -o job.rest.jsonl` puts them into a job" in missing["what_to_do"]
    assert "batchcart run job.jsonl --retry-failed" in missing["what_to_do"]
    assert [step["command"] for step in figures["next"]] == [
        "batchcart settle job.results.jsonl --todo job.doubts.csv",
        "batchcart run job.jsonl --retry-failed",
        "batchcart rest job.results.jsonl -o job.rest.jsonl",
    ]
    status = batchcart("status", "job.results.jsonl", "--json", folder=shop.folder, code=1).figures
    assert status["reasons"] == figures["reasons"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_is_stopped_says_why_as_well(shop: Cli, times: int) -> None:
    shop.configure(loja={"timeout": 3 if times == 1 else 300})
    shop.hook("loja", "hang")
    shop.job(
        [{"op": "cart.get", "account": "acme", "cart_id": "nix"}, {"op": "cart.get", "account": "loja", "cart_id": "k"}]
    )
    with shop.started("run", "job.jsonl", "--progress", "none") as process:
        until(lambda: shop.endpoint("loja").saw.requests and (shop.folder / "job.results.jsonl").read_bytes())
        for count in range(times):
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            process.stderr.readline()  # the blank line before what is said
            assert b"SIGINT" in process.stderr.readline(), count
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert "1 failed: 3dcart has no such cart or item (HTTP 404) (acme, line 1)" in out.decode()
    assert "1 line left. Run the same command again to resume:\n  batchcart run job.jsonl\n" in out.decode()


def test_what_cannot_be_explained_by_a_line_that_was_read_is_a_reason_of_its_own(tmp_path: Path) -> None:
    needs = {"kind": "dependency", "message": "line 1 did not create the cart", "line": 1}
    rows = [result(1, status="failed"), *(result(n, status="skipped", error=needs) for n in (2, 3))]
    alone = [result(5, status="skipped", error={**needs, "message": "line 4 did not create the cart", "line": 4})]
    text = report_text(report_on(tmp_path, rows + alone))

    assert "1 failed: no such cart 1 (line 1). 2 skipped because of it" in text
    assert "1 skipped: line N did not create the cart" in text


def test_a_reason_of_many_lines_names_the_first_ones_and_no_word_that_differs_between_them() -> None:
    groups = ErrorGroups()
    for number in range(1, 31):
        cause = ErrorKey("failed", "rejected", 400, "no product N")
        groups.add(cause, Occurrence(0, number, "a", "item.add", "c", f"no product {number}"))
    told = reasons_text(groups, {"a": AccountSummary({"not_attempted": 0}, {})}, COMMANDS)

    assert told[1] == "  30 failed: no product N (lines 1, 2, 3, 4, 5, …)"


def test_accounts_that_ended_for_one_reason_are_told_together() -> None:
    closed = {
        f"shop{n}": AccountSummary({"not_attempted": 3}, {}, "closed", f"shop{n}: its shop refused the key")
        for n in range(12)
    }
    (_, told) = reasons_text(ErrorGroups(), closed, COMMANDS)

    assert told.startswith("  36 not attempted: shop0, shop1, ")
    assert " and 4 more accounts: " in told


def test_the_reasons_of_very_many_lines_take_bounded_memory() -> None:
    groups = ErrorGroups()
    tracemalloc.start()
    try:
        for number in range(60_000):
            cause = ErrorKey("failed", "rejected", 400, f"reason {number % 1000}")
            groups.add(cause, Occurrence(0, number, "a", "item.add", "c", f"message {number}"), number // 2)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(group.count for _, group in groups.rank()) == 60_000
    assert most < 40 << 20


@pytest.mark.parametrize("columns", [80, 200])
def test_sentences_are_folded_at_the_width_of_the_terminal_and_commands_stay_whole(shop: Cli, columns: int) -> None:
    cart_without_luck(shop)
    shop.run(code=1)
    name = "results-with-a-long-name-" + "x" * 60 + ".jsonl"
    for ending in ("", ".journal"):
        (shop.folder / f"job.results.jsonl{ending}").rename(shop.folder / f"{name}{ending}")
    with terminal("status", name, folder=shop.folder, columns=columns, rows=60, stdout=True) as shown:
        until(lambda: shown.process.poll() is not None)
        shown.reader.join(10)
    lines = bytes(shown.written).decode().replace("\r", "").split("\n")

    assert f"  batchcart settle {name} --todo {name.removesuffix('.jsonl')}.doubts.csv" in lines
    assert all(len(text) <= min(columns, 120) for text in lines if name not in text), lines
    assert any(text.startswith("    ") for text in lines)


@pytest.mark.parametrize(
    ("job", "results"),
    [
        ("a/job.jsonl.gz", "job.results.jsonl"),
        ("JOB.JSON", "JOB.results.jsonl"),
        ("-", "stdin.results.jsonl"),
    ],
)
def test_results_are_named_after_the_job(job: str, results: str) -> None:
    assert default_results(job) == Path(results)


def test_the_same_command_again_has_the_places_where_the_run_worked() -> None:
    files = TlsFiles(Path("ca.pem"), Path("our cert.pem"), Path("key.pem"))
    tls = (
        f"--tls-ca {Path.cwd()}/ca.pem",
        f"--tls-cert '{Path.cwd()}/our cert.pem'",
        f"--tls-key {Path.cwd()}/key.pem",
    )
    hub = HubAddress("10.0.0.1", 7333, files)
    spread = RunOptions(
        "job.jsonl", processes=4, seats_at=hub, cluster=SchedulerAddress(HubAddress("dask", 8786, files))
    )

    assert shlex.join(spread.places) == " ".join(
        ["--processes 4", "--seats-at 10.0.0.1:7333", "--cluster tls://dask:8786", *tls]
    )
    assert RunOptions("job.jsonl", seats_at=HubAddress("::1", 7333)).places == ("--seats-at", "[::1]:7333")
    assert RunOptions("job.jsonl").places == ()


def test_commands_name_what_is_needed_and_quote_what_a_shell_would_take_apart() -> None:
    odd = RunCommands(Path("out/my results.jsonl"), "my job.jsonl", Path("c.toml"))

    assert COMMANDS.run() == "batchcart run job.jsonl"
    assert odd.run("--retry-failed") == (
        "batchcart run 'my job.jsonl' -o 'out/my results.jsonl' --retry-failed --config c.toml"
    )
    assert json.loads(json.dumps(odd.settle())) == "batchcart settle 'out/my results.jsonl' --config c.toml"
