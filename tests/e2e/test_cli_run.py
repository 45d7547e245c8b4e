"""`batchcart run` as its user meets it: exit codes, files, resuming, refusals, signals, kills."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from cli_harness import Cli, add, batchcart, create, get, line, until

FIGURES = ("lines", "ok", "failed", "skipped", "in_doubt", "not_attempted")
MIXED = [create("acme"), create("loja"), create("sklep"), add("acme"), add("loja"), add("sklep"), get("acme")]
MISSING = line("acme", "cart.get", cart_id="nosuchcart")
del MISSING["cart"]


def files(folder: Path, pattern: str = "job.results.jsonl*") -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob(pattern)}


# Exit codes and the figures


def test_a_run_where_every_line_is_ok_ends_with_0(shop: Cli) -> None:
    shop.job(MIXED)
    ended = shop.run(code=0)
    assert set(shop.statuses().values()) == {"ok"}
    assert "7" in ended.out
    assert "job.results.jsonl" in ended.out


def test_a_run_where_a_line_is_not_ok_ends_with_1(shop: Cli) -> None:
    shop.job([create("acme"), MISSING])
    shop.run(code=1)
    assert shop.statuses() == {1: "ok", 2: "failed"}


def test_json_has_the_figures_of_the_run_and_of_each_account(shop: Cli) -> None:
    shop.job([create("acme"), MISSING, create("sklep"), add("sklep"), create("loja")])
    figures = shop.run("--json", code=1).figures
    assert tuple(figures) == (*FIGURES, "accounts", "reasons", "next")
    assert figures["lines"] == 5 == sum(figures[name] for name in FIGURES[1:])
    assert set(figures["accounts"]) == {"acme", "sklep", "loja"}
    for account in figures["accounts"].values():
        assert tuple(account) == (*FIGURES, "state", "reason")
        assert account["lines"] == sum(account[name] for name in FIGURES[1:])
        assert (account["state"], account["reason"]) == ("done", "")
    assert figures["accounts"]["acme"]["failed"] == 1


def test_stdout_holds_nothing_but_the_json(shop: Cli) -> None:
    shop.job([create("acme")])
    ended = batchcart("run", "job.jsonl", "--json", "--progress", "plain", folder=shop.folder, code=0)
    assert ended.out.startswith("{\n")
    assert ended.figures["ok"] == 1


# Where the job comes from and where results go


def test_results_do_not_take_the_place_of_a_pipe_or_a_device(shop: Cli) -> None:
    shop.job([create("acme")])
    os.mkfifo(shop.folder / "pipe")
    ended = shop.run("-o", "pipe", code=2)

    assert "pipe is not a regular file and was not changed" in ended.err
    assert (shop.folder / "pipe").is_fifo()
    assert shop.requests() == 0


def test_results_go_to_the_current_folder_under_the_jobs_name(shop: Cli) -> None:
    (shop.folder / "jobs").mkdir()
    shop.job([create("acme")], "jobs/first.jsonl")
    shop.run(job="jobs/first.jsonl", code=0)
    assert shop.statuses("first.results.jsonl") == {1: "ok"}
    assert not list((shop.folder / "jobs").glob("*results*"))


def test_a_job_can_come_by_stdin_and_go_on_by_stdin(shop: Cli) -> None:
    text = shop.job([create("acme")]).read_bytes()
    shop.run(job="-", given=text, code=0)
    assert shop.statuses("stdin.results.jsonl") == {1: "ok"}
    assert "finished" in shop.run(job="-", given=text, code=0).out


@pytest.mark.parametrize(("ending", "packed"), [(".gz", gzip.compress), (".zst", zstd.compress)])
def test_a_packed_job_runs_as_it_is(shop: Cli, ending: str, packed: Callable[[bytes], bytes]) -> None:
    text = shop.job([create("acme"), add("acme")]).read_bytes()
    (shop.folder / f"packed.jsonl{ending}").write_bytes(packed(text))
    shop.run(job=f"packed.jsonl{ending}", code=0)
    assert shop.statuses("packed.results.jsonl") == {1: "ok", 2: "ok"}


def test_results_go_where_o_says_and_account_names_the_nameless(shop: Cli) -> None:
    (shop.folder / "out").mkdir()
    shop.job([{"op": "cart.create", "cart": "c"}])
    shop.run("-o", "out/r.jsonl", "--account", "acme", code=0)
    assert [result["account"] for result in shop.results("out/r.jsonl")] == ["acme"]
    assert shop.endpoint("acme").saw.effects["create"] == 1


def test_the_job_itself_is_not_taken_as_result_file(shop: Cli) -> None:
    before = shop.job([create("acme")]).read_bytes()
    for option in ("--in-order", "--fresh"):
        assert "is the job itself" in shop.run("-o", "job.jsonl", option, code=2).err
    assert (shop.folder / "job.jsonl").read_bytes() == before
    assert shop.requests() == 0


def test_in_order_sorts_the_results_by_line(shop: Cli) -> None:
    shop.hook("acme", "delay")
    shop.job([create("acme"), create("loja"), create("sklep")])
    shop.run("--in-order", code=0)
    assert [result["line"] for result in shop.results()] == [1, 2, 3]
    before = files(shop.folder)
    shop.run("--in-order", code=0)
    assert files(shop.folder) == before


# Nothing is sent


def test_every_bad_line_is_listed_and_nothing_is_sent(shop: Cli) -> None:
    shop.job([create("acme"), line("acme", "cart.make"), line("loja", "discount.set", item="x"), get("nobody")])
    ended = shop.run(code=2)
    *told, end = ended.err.splitlines()
    assert end == "batchcart: 3 of 4 lines in job.jsonl are wrong; nothing was sent"
    assert sorted({text.partition(": ")[0] for text in told}) == ["job.jsonl:2", "job.jsonl:3", "job.jsonl:4"]
    assert "did you mean" in told[0]
    assert "tray has no discount operation" in told[1]
    assert "'nobody'" in told[-1]
    assert ended.out == ""
    assert shop.requests() == 0
    assert {path.name for path in shop.folder.iterdir()} == {"job.jsonl", "batchcart.toml"}


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "nosuch/r.jsonl"],
        ["-o", "/proc/r.jsonl"],
        ["-o", "job.jsonl/r.jsonl"],
        ["--config", "nosuch.toml"],
        ["--config", "."],
        ["--concurrency", "0"],
        ["--patience", "nan"],
        ["--patience", "-1"],
        ["--progress", "loud"],
        ["--retry-faild"],
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(shop: Cli, words: list[str]) -> None:
    shop.job([create("acme")])
    ended = shop.run(*words, code=2)
    assert len(ended.err) > 20
    assert shop.requests() == 0


def test_a_job_with_a_name_in_no_encoding_runs(shop: Cli) -> None:
    name = os.fsdecode(b"job-\xff.jsonl")
    shop.job([create("acme")], name)
    assert "job-" in shop.run(job=name, code=0).out


# Starting over, going on, opening again


def test_a_finished_run_says_so_and_changes_nothing(shop: Cli) -> None:
    shop.job([create("acme"), MISSING])
    shop.run(code=1)
    before, sent = files(shop.folder), shop.requests()
    assert "this run is finished; nothing was sent" in shop.run(code=1).out
    assert shop.run("--json", code=1).figures["failed"] == 1
    assert (files(shop.folder), shop.requests()) == (before, sent)


def test_retry_failed_of_a_run_without_failures_changes_nothing(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    before = files(shop.folder)
    shop.run("--retry-failed", code=0)
    assert files(shop.folder) == before


def test_fresh_starts_over_and_keeps_the_old_files_under_a_number(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    first = files(shop.folder)
    shop.run("--fresh", code=0)
    shop.run("--fresh", code=0)
    kept = files(shop.folder)
    assert kept["job.results.jsonl.1"][0] == first["job.results.jsonl"][0]
    assert {"job.results.jsonl.journal.1", "job.results.jsonl.2", "job.results.jsonl.journal.2"} <= set(kept)
    assert shop.endpoint("acme").saw.effects["create"] == 3
    assert shop.statuses() == {1: "ok"}


def test_fresh_with_a_bad_job_leaves_the_old_files_alone(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    before = files(shop.folder)
    shop.job([line("acme", "cart.make")])
    shop.run("--fresh", code=2)
    assert files(shop.folder) == before


def test_retry_failed_puts_new_results_in_the_place_of_the_old(shop: Cli) -> None:
    shop.job([MISSING, create("acme"), create("acme", "c2", data={"CustomerId": 7})])
    shop.run(code=1)
    sent = shop.requests()
    shop.endpoint("acme").shop.carts["nosuchcart"] = dict(next(iter(shop.endpoint("acme").shop.carts.values())))
    shop.run("--retry-failed", code=0)
    assert shop.statuses() == {1: "ok", 2: "ok", 3: "ok"}
    assert shop.requests() == sent + 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace(b"c2", b"c3"), "line 2"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:2]), "line 3"),
        (lambda text: b"".join(text.splitlines(keepends=True)[1:]), "line 1"),
        (lambda text: b"\n" + text, "line 1"),
        (lambda text: text + b"\n", "a blank line or a line end"),
        (lambda text: text.replace(b"\n", b"\r\n"), "a blank line or a line end"),
    ],
    ids=["changed", "last-removed", "first-removed", "blank-first", "blank-last", "line-ends"],
)
def test_a_changed_job_is_refused_with_the_first_line_that_differs(
    shop: Cli, change: Callable[[bytes], bytes], told: str
) -> None:
    path = shop.job([create("acme", cart) for cart in ("c1", "c2", "c3")])
    text = path.read_bytes()
    shop.run(code=0)
    before, sent = files(shop.folder), shop.requests()
    path.write_bytes(change(text))
    assert f"the first difference is {told}" in shop.run(code=2).err
    assert (files(shop.folder), shop.requests()) == (before, sent)
    path.write_bytes(text)
    shop.run(code=0)


def test_an_account_that_points_elsewhere_is_refused_with_both_places(shop: Cli) -> None:
    shop.job([create("loja"), MISSING])
    shop.run(code=1)
    shop.configure(loja={"shop": "another"})
    err = shop.run("--retry-failed", code=2).err
    assert f"tray/{shop.shop}/web_api" in err
    assert "tray/another/web_api" in err


def test_results_of_another_job_are_refused(shop: Cli) -> None:
    shop.job([create("acme")])
    shop.run(code=0)
    shop.job([create("acme", "other")], "other.jsonl")
    before = files(shop.folder)
    assert "the first difference is line 1" in shop.run("-o", "job.results.jsonl", job="other.jsonl", code=2).err
    (shop.folder / "someones.jsonl").write_text("a letter\n")
    assert "--fresh" in shop.run("-o", "someones.jsonl", code=2).err
    assert files(shop.folder) == before


# Two at once


def test_a_second_run_on_the_same_results_is_told_the_pid(shop: Cli) -> None:
    shop.hook("acme", "delay")
    shop.job([create("acme", f"c{number}") for number in range(200)])
    with shop.started("run", "job.jsonl", "--concurrency", "1") as first:
        until(lambda: shop.endpoint("acme").saw.requests)
        ended = shop.run(code=2)
        assert "the result file job.results.jsonl is in use" in ended.err
        assert f"pid {first.pid}" in ended.err
        other = shop.run("-o", "other.jsonl", code=2)
        assert "account 'acme' is in use" in other.err
        assert f"pid {first.pid}" in other.err


def test_the_lock_of_a_killed_run_is_taken_over(shop: Cli) -> None:
    shop.hook("acme", "delay")
    shop.job([create("acme", f"c{number}") for number in range(60)])
    with shop.started("run", "job.jsonl", "--concurrency", "1") as first:
        until(lambda: shop.endpoint("acme").saw.requests)
        first.kill()
    assert (shop.folder / "job.results.jsonl.lock").read_text() == str(first.pid)
    shop.hook("acme", "")
    shop.run()
    assert list(shop.statuses()) == list(range(1, 61))
    assert not (shop.folder / "job.results.jsonl.lock").exists()


# Stopping and going on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_within_the_requests_in_flight(shop: Cli, number: signal.Signals) -> None:
    shop.hook("loja", "delay")
    shop.job([create("loja", f"c{count}") for count in range(200)])
    with shop.started("run", "job.jsonl", "--concurrency", "2", "--json") as process:
        until(lambda: shop.endpoint("loja").saw.effects["create"] >= 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert number.name.encode() in err
    done = shop.endpoint("loja").saw.effects["create"]
    assert len(shop.results()) == done < 200
    assert f'"not_attempted": {200 - done}'.encode() in out
    shop.hook("loja", "")
    shop.run(code=0)
    assert shop.endpoint("loja").saw.effects["create"] == 200
    assert len(shop.statuses()) == 200


def test_a_second_signal_ends_at_once(shop: Cli) -> None:
    shop.configure(loja={"timeout": 100})
    shop.hook("loja", "hang")
    shop.job([create("loja")])
    with shop.started("run", "job.jsonl") as process:
        until(lambda: shop.endpoint("loja").saw.requests)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert time.monotonic() - began < 20
    assert process.returncode == 3
    shop.hook("loja", "")
    shop.run(code=0)
    assert shop.endpoint("loja").saw.effects["create"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_is_sent_ends_at_once(shop: Cli, number: signal.Signals) -> None:
    os.mkfifo(shop.folder / "job.jsonl")
    with shop.started("run", "job.jsonl") as process, (shop.folder / "job.jsonl").open("wb"):
        until((shop.folder / "job.results.jsonl.lock").exists)
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"stopped before anything was sent" in err
    assert b"Traceback" not in err
    assert {path.name for path in shop.folder.iterdir()} == {"job.jsonl", "batchcart.toml"}


def test_accounts_that_are_refused_stay_open_while_others_finish(shop: Cli) -> None:
    refused = {"on": True}
    shop.hook("sklep", lambda _call: "401" if refused["on"] else None)
    shop.job([create("sklep"), add("sklep"), create("acme"), add("acme")])
    figures = shop.run("--json", code=3).figures
    closed = figures["accounts"]["sklep"]
    assert (closed["not_attempted"], closed["state"]) == (2, "closed")
    assert "Shoplo" in closed["reason"]
    assert figures["accounts"]["acme"]["ok"] == 2
    assert shop.statuses() == {3: "ok", 4: "ok"}
    refused["on"] = False
    figures = shop.run("--json", code=0).figures
    assert figures["accounts"]["sklep"] | {"reason": ""} == figures["accounts"]["sklep"]
    assert figures["accounts"]["sklep"]["state"] == "done"


def test_an_unreachable_account_is_given_up_after_patience(shop: Cli) -> None:
    shop.configure(sklep={"base_url": "http://127.0.0.1:1"})
    shop.job([create("sklep"), create("acme")])
    figures = shop.run("--json", "--patience", "0.01", code=3).figures
    closed = figures["accounts"]["sklep"]
    assert (closed["not_attempted"], closed["state"]) == (1, "unreachable")
    assert "127.0.0.1:1" in closed["reason"]
    assert figures["accounts"]["acme"]["ok"] == 1


def test_output_that_nobody_reads_does_not_stop_a_run(shop: Cli) -> None:
    shop.hook("sklep", "401")
    shop.job([create("sklep"), *(create("acme", f"c{number}") for number in range(5))])
    with shop.started("run", "job.jsonl") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stderr.close()
        process.wait(60)
    assert process.returncode == 3
    assert shop.statuses() == dict.fromkeys(range(2, 7), "ok")


def test_stop_after_ends_an_account_whose_lines_fail_in_a_row_and_0_lets_it_go_on(shop: Cli) -> None:
    update = {"op": "item.update", "account": "sklep", "data": {"quantity": 2}}
    gone = [{**update, "item_id": f"{9100 + number}"} for number in range(20)]
    shop.job([*gone, create("loja")])

    ended = shop.run("--stop-after", "4", "--concurrency", "1", "--json", code=3)
    assert ended.figures["accounts"]["sklep"]["state"] == "stopped", ended.figures
    assert "4 lines in a row did not end ok, and for the same reason" in ended.figures["accounts"]["sklep"]["reason"]
    assert "--stop-after 0" in ended.figures["accounts"]["sklep"]["reason"]
    assert ended.figures["accounts"]["loja"]["ok"] == 1
    before = len(shop.results())
    assert ended.figures["not_attempted"] == len(gone) + 1 - before > 0

    ended = shop.run("--stop-after", "0", "--json", code=1)
    assert ended.figures["not_attempted"] == 0
    assert len(shop.results()) == len(gone) + 1


def test_a_number_of_lines_that_is_none_is_refused(shop: Cli) -> None:
    shop.job([create("loja")])
    assert "--stop-after" in shop.run("--stop-after", "-1", code=2).err
    assert shop.requests() == 0


def test_a_field_that_the_documents_lack_goes_to_the_shop_where_that_is_allowed(shop: Cli) -> None:
    shop.job([{**create("acme"), "data": {"BillingFirstName": "Ann", "Colour": "red"}}])
    assert "job.jsonl:1: data.Colour: " in shop.run(code=2).err

    shown = batchcart("check", "job.jsonl", "--allow-unknown-fields", "--show-requests", folder=shop.folder, code=0)
    assert '"Colour": "red"' in shown.out
    shop.run("--allow-unknown-fields")
    assert shop.requests() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_is_loaded_ends_it_without_a_word(number: signal.Signals) -> None:
    script = f"""
import os, sys

class WhenItIsLoaded:
    def find_spec(self, name, path=None, target=None):
        if name == "batchcart.cli":
            os.kill(os.getpid(), {number.value})

sys.meta_path.insert(0, WhenItIsLoaded())
import batchcart.__main__
batchcart.__main__.main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_work_leaves_the_exit_code(number: signal.Signals) -> None:
    script = f"""
import os, sys
import batchcart.__main__

class WhenModulesAreTornDown:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, {number.value})

late = WhenModulesAreTornDown()
sys.argv = ["batchcart", "platforms"]
batchcart.__main__.main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_the_program_ends_once_all_is_written_and_is_not_taken_apart() -> None:
    script = """
import os, sys
import batchcart.__main__

class WhenModulesAreTornDown:
    def __del__(self, write=os.write):
        write(2, b"torn down")

late = WhenModulesAreTornDown()
sys.argv = ["batchcart", *sys.argv[1:]]
batchcart.__main__.main()
"""
    told = subprocess.run([sys.executable, "-c", script, "platforms"], capture_output=True, check=False, timeout=30)
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout.endswith(b"\n")
    refused = subprocess.run([sys.executable, "-c", script, "run"], capture_output=True, check=False, timeout=30)
    assert refused.returncode == 2
    assert b"torn down" not in refused.stderr
