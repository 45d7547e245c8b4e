"""`--log` appends what a person must see as JSON lines, never one per operation, never with a secret."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from cli_harness import KEYS, Cli, create, until

from batchcart import run
from batchcart.model.events import QuotaUsedUp, RunFinished, TokenRenewed
from batchcart.runs.event_log import log_line, open_event_log

Line = dict[str, Any]


def logged(shop: Cli) -> list[Line]:
    return [json.loads(line) for line in (shop.folder / "run.log").read_text().splitlines()]


def kinds(shop: Cli) -> list[str]:
    return [line["event"] for line in logged(shop)]


def test_a_line_of_the_log_says_when_how_bad_what_and_about_whom() -> None:
    line = json.loads(log_line(QuotaUsedUp("loja", "10000/day", 1_800_000_000.0), 1_790_000_000.5, Path("r.jsonl")))

    assert line.pop("message").startswith("account 'loja': 10000/day is used up")
    assert line == {
        "time": "2026-09-21T14:13:20.500Z",
        "level": "warning",
        "event": "quota_used_up",
        "results": "r.jsonl",
        "account": "loja",
        "limit": "10000/day",
        "until": "2027-01-15T08:00:00.000Z",
    }


def test_a_run_logs_its_beginning_and_end_and_not_its_lines(shop: Cli) -> None:
    shop.job([create("acme", f"c{number}") for number in range(60)])
    shop.run("--log", "run.log", code=0)
    began, finished = logged(shop)

    assert (began["event"], began["lines"], began["accounts"], began["job"]) == ("run_began", 60, 1, "job.jsonl")
    assert (finished["event"], finished["ok"], finished["results"]) == ("run_finished", 60, "job.results.jsonl")


def test_names_of_files_that_are_no_text_are_logged_all_the_same(shop: Cli) -> None:
    name = os.fsdecode(b"job-\xff.jsonl")
    shop.job([create("acme")], name)
    shop.run("--log", "run.log", job=name, code=0)

    assert [line["results"] for line in logged(shop)] == ["job-\\udcff.results.jsonl"] * 2


def test_the_next_run_appends_to_the_log_and_says_that_it_goes_on(shop: Cli) -> None:
    shop.job([create("acme"), create("sklep")])
    shop.hook("sklep", "401")
    shop.run("--log", "run.log", code=3)
    shop.hook("sklep", "")
    shop.run("--log", "run.log", code=0)

    assert kinds(shop) == ["run_began", "account_closed", "run_stopped", "run_resumed", "run_finished"]
    stopped = logged(shop)[-3]
    assert (stopped["level"], stopped["not_attempted"], stopped["ok"]) == ("warning", 1, 1)


def test_a_refused_job_is_logged_with_its_first_problem(shop: Cli) -> None:
    shop.job([create("acme"), {"op": "cart.cretae", "account": "acme"}, {"op": "nothing"}])
    shop.run("--log", "run.log", code=2)
    (refused,) = logged(shop)

    assert (refused["event"], refused["level"]) == ("run_refused", "error")
    assert refused["why"].startswith("job.jsonl:2: ")
    assert refused["more"] >= 1


def test_no_credential_gets_into_the_log_or_the_metrics(shop: Cli) -> None:
    shop.job([create(account, f"c{number}") for number in range(3) for account in ("acme", "loja", "sklep")])
    for account in ("acme", "loja", "sklep"):
        shop.hook(account, "401")
    shop.run("--log", "run.log", "--metrics", "run.prom", code=3)
    texts = (shop.folder / "run.log").read_text() + (shop.folder / "run.prom").read_text()

    assert kinds(shop).count("account_closed") == 3
    for keys in KEYS.values():
        for name in ("private_key", "token", "access_token", "refresh_token"):
            assert keys.get(name, "-no-key-") not in texts


@pytest.mark.parametrize(("option", "place"), [("--log", "no/run.log"), ("--metrics", "no/run.prom")])
def test_a_file_that_cannot_be_written_ends_the_run_before_it_sends(shop: Cli, option: str, place: str) -> None:
    shop.job([create("acme")])
    ended = shop.run(option, place, code=2)

    assert place in ended.err
    assert option in ended.err
    assert shop.requests() == 0


@pytest.mark.parametrize("option", ["--log", "--metrics"])
@pytest.mark.parametrize("place", ["job.jsonl", "job.results.jsonl", "./job.results.jsonl.journal"])
def test_a_file_of_the_run_itself_is_not_written_over(shop: Cli, option: str, place: str) -> None:
    job = shop.job([create("acme")])
    before = job.read_bytes()
    ended = shop.run(option, place, code=2)

    assert "choose another file" in ended.err
    assert job.read_bytes() == before
    assert shop.requests() == 0


def test_a_killed_run_leaves_a_log_and_metrics_that_can_be_read(shop: Cli) -> None:
    shop.job([create("acme", f"c{number}") for number in range(400)])
    shop.hook("acme", "delay")
    metrics, results = shop.folder / "run.prom", shop.folder / "job.results.jsonl"
    with shop.started("run", "job.jsonl", "--log", "run.log", "--metrics", "run.prom", "--progress", "none") as process:
        until(lambda: metrics.exists() and results.exists() and results.stat().st_size)
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert kinds(shop) == ["run_began"]
    assert metrics.read_text().endswith("\n")
    shop.hook("acme", "")
    shop.run("--log", "run.log", code=1)  # creates that were on their way are in doubt
    assert kinds(shop) == ["run_began", "run_resumed", "run_finished"]


def test_a_line_that_a_full_disk_cut_short_spoils_no_other(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text('{"time":"2026-')
    with open_event_log(log, Path("r.jsonl")) as tell:
        tell(TokenRenewed("loja"))
        tell(RunFinished(1, 1))
    torn, *whole = log.read_text().splitlines()

    assert torn == '{"time":"2026-'
    assert [json.loads(line)["event"] for line in whole] == ["token_renewed", "run_finished"]


def test_a_run_from_python_keeps_a_log_and_metrics_too(tmp_path: Path) -> None:
    operations = [create("acme") | {"account": "sandbox-3dcart"}]
    log, metrics = tmp_path / "run.log", tmp_path / "run.prom"
    config = tmp_path / "batchcart.toml"
    config.write_text("")
    with run(operations, results=tmp_path / "r.jsonl", config=config, log=log, metrics=metrics) as going:
        assert [result.status for result in going] == ["ok"]

    assert re.findall(r'"event":"(\w+)"', log.read_text()) == ["run_began", "run_finished"]
    assert "batchcart_run_alive 0" in metrics.read_text()
