"""Every line is reachable from the report: on the page with what led to its end, and in a table."""

import csv
import json
import re
import sqlite3
import stat
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from cli_harness import Cli, Line, add, batchcart, create, get
from report_samples import T0, report_on, result, written

from batchcart.model.events import AccountClosed, Event, RunFinished, RunResumed, RunStarted, RunStopped
from batchcart.report.collect import collect
from batchcart.report.html.page import page
from batchcart.report.line_table import COLUMNS
from batchcart.report.lines import MOST_DETAILS, MOST_LINES
from batchcart.report.timeline import MOST_ENTRIES, read_timeline

RESULTS = "job.results.jsonl"


def unknown(account: str, number: int) -> Line:
    """A line that its shop refuses: the cart is not there."""
    return {"op": "cart.get", "account": account, "cart_id": f"nix{number}"}


def table_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def row_of(html: str, line: int, run: int = 0) -> str:
    """The words of a line's row on the page."""
    found = re.search(rf'<tr id="l{run}-{line}".*?</tr>', html, flags=re.DOTALL)
    assert found is not None
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


def test_a_failure_leads_to_its_job_line_its_request_and_the_answer(shop: Cli) -> None:
    shop.job([create("loja"), get("loja"), unknown("loja", 1), unknown("acme", 2)])
    shop.run(code=1)
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder, code=1)
    html = (shop.folder / "r.html").read_text()

    told = row_of(html, 3)
    assert 'job.jsonl:3 {"op": "cart.get", "account": "loja", "cart_id": "nix1"}' in told
    assert f"Request, without credentials GET {shop.shop_server.sandbox.address('tray', shop.shop)}/carts/nix1" in told
    assert re.search(r'Answer, HTTP 404 {.*"code":404', told)
    assert '<a href="#l0-3">line 3</a>' in html
    assert "job line" not in row_of(html, 1)
    assert html.index('id="l0-3"') < html.index('id="l0-1"')


def test_a_request_names_the_cart_that_an_earlier_line_made(shop: Cli) -> None:
    shop.hook("acme", lambda call: "401" if call.route.endswith("/Item") else None)
    shop.job([create("acme"), add("acme")])
    shop.run(code=3)
    key = shop.results()[0]["cart_id"]
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder)

    assert f"/Cart/{key}/Item" in row_of((shop.folder / "r.html").read_text(), 2)


def test_what_was_settled_by_hand_is_told_as_that_and_no_run_was_killed(shop: Cli) -> None:
    shop.hook("acme", "reset-after")
    shop.job([create("acme", "c1")])
    shop.run(code=1)
    batchcart("settle", RESULTS, "--line", "1", "--done", "OrderKey=abc", folder=shop.folder, code=0)
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder, code=0)
    html = (shop.folder / "r.html").read_text()

    assert "settled by hand" in row_of(html, 1)
    assert "1 line in doubt settled by hand: 1 happened, 0 did not" in html
    assert "then it was killed" not in html


def test_secrets_of_the_config_are_taken_out_of_job_lines_too(shop: Cli) -> None:
    shop.job([{**unknown("loja", 1), "id": "an-access-token"}, unknown("acme", 2)])
    shop.run(code=1)
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder, code=1)

    assert '"id": "***"' in row_of((shop.folder / "r.html").read_text(), 1)


def test_without_its_job_a_line_still_tells_what_was_answered(shop: Cli) -> None:
    shop.job([unknown("loja", 1)])
    shop.run(code=1)
    (shop.folder / "job.jsonl").unlink()
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder, code=1)
    told = row_of((shop.folder / "r.html").read_text(), 1)

    assert "Answer, HTTP 404" in told
    assert "job.jsonl" not in told


def test_a_page_has_room_for_some_thousand_lines_and_says_where_the_others_are(tmp_path: Path) -> None:
    good = MOST_LINES * 3
    bad = MOST_DETAILS + 20
    lines = [result(n) for n in range(1, good)] + [result(n, status="failed") for n in range(good, good + bad)]
    html = page(report_on(tmp_path, lines))

    assert len(re.findall('<tr id="l0-', html)) == MOST_LINES
    assert len(re.findall('<tr id="l0-[0-9]+" class="failed"', html)) == bad
    assert f"{MOST_LINES:,} of {good + bad - 1:,} lines, those that are not ok first" in html
    assert "--csv" in html
    assert len(html) < 2_500_000


def test_the_table_has_every_line_also_those_that_were_not_attempted(shop: Cli) -> None:
    shop.job([create("loja"), unknown("loja", 2), *(unknown("acme", n) for n in range(3, 9))])
    shop.run("--stop-after", "2", "--concurrency", "1", code=3)
    batchcart("report", RESULTS, "--csv", "lines.csv", folder=shop.folder)
    rows = table_of(shop.folder / "lines.csv")

    assert tuple(rows[0]) == COLUMNS
    assert [row["line"] for row in rows] == [str(n) for n in range(1, 9)]
    assert rows[1]["status"] == "failed"
    assert rows[1]["error"].startswith("Tray said: Not Found")
    assert rows[7]["status"] == "not_attempted"
    assert rows[7]["account"] == "acme"
    assert stat.S_IMODE((shop.folder / "lines.csv").stat().st_mode) == 0o600


def test_the_table_of_a_run_whose_journal_is_damaged_has_no_line_twice(shop: Cli) -> None:
    shop.job([create("loja", f"c{number}") for number in range(4)])
    shop.run()
    with closing(sqlite3.connect(shop.folder / f"{RESULTS}.journal")) as journal, journal:
        journal.execute("UPDATE result SET text = CAST('{' AS BLOB) WHERE line = 3")
    batchcart("report", RESULTS, "--csv", "lines.csv", folder=shop.folder)

    assert sorted(row["line"] for row in table_of(shop.folder / "lines.csv")) == ["1", "2", "3", "4"]


def test_no_cell_of_the_table_is_worked_out_by_a_spreadsheet(tmp_path: Path) -> None:
    error = {"kind": "rejected", "message": "@SUM(A1)"}
    written(tmp_path / RESULTS, [result(1, cart="=1+1", id="+5"), result(2, status="failed", error=error)])
    batchcart("report", RESULTS, "--csv", "lines.csv", folder=tmp_path, code=1)
    rows = table_of(tmp_path / "lines.csv")

    assert (rows[0]["cart"], rows[0]["id"], rows[1]["error"]) == ("'=1+1", "'+5", "'@SUM(A1)")


def test_the_table_replaces_a_table_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path / RESULTS, [result(1)])
    (tmp_path / "mine.csv").write_text("a,b\n")
    for _ in range(2):
        batchcart("report", RESULTS, "--csv", "lines.csv", folder=tmp_path, code=0)
    said = batchcart("report", RESULTS, "--csv", "mine.csv", folder=tmp_path, code=2).err

    assert "--csv mine.csv: the existing file is not a table of lines; choose another name" in said
    assert (tmp_path / "mine.csv").read_text() == "a,b\n"


# --- what happened

STARTED = (T0, RunStarted("job.jsonl", 9, 2))


def timeline(*told: tuple[float, Event], alive: bool = False) -> list[tuple[float, str]]:
    found = read_timeline(0, [STARTED, *told], lambda ended: T0 + (50 if ended is None else ended), alive=alive)
    return [(entry.at - T0, entry.kind) for entry in found.entries]


@pytest.mark.parametrize(
    ("told", "alive", "kinds"),
    [
        ([(T0 + 9, RunFinished(9, 9))], False, [(0, "started"), (9, "finished")]),
        ([], True, [(0, "started")]),
        ([], False, [(0, "started"), (50, "killed")]),
        ([(T0 + 9, RunResumed("job.jsonl", 9, 4))], True, [(0, "started"), (4, "killed"), (9, "resumed")]),
        (
            [(T0 + 5, AccountClosed("a", "closed", "refused")), (T0 + 6, RunStopped(9, 3)),
             (T0 + 9, RunResumed("job.jsonl", 9, 6)), (T0 + 10, RunFinished(9, 9))],
            False,
            [(0, "started"), (5, "closed"), (6, "stopped"), (9, "resumed"), (10, "finished")],
        ),
    ],
    ids=["finished", "alive", "killed", "killed and resumed", "stopped and resumed"],
)  # fmt: skip
def test_a_start_without_an_end_was_killed(
    told: list[tuple[float, Event]], kinds: list[tuple[float, str]], *, alive: bool
) -> None:
    assert timeline(*told, alive=alive) == kinds


def test_a_timeline_keeps_its_latest_entries() -> None:
    closed: list[tuple[float, Event]] = [(T0 + n, AccountClosed(f"a{n}", "closed", "refused")) for n in range(400)]
    found = read_timeline(0, [STARTED, *closed], lambda _ended: None, alive=True)

    assert len(found.entries) == MOST_ENTRIES
    assert found.dropped == 401 - MOST_ENTRIES
    assert found.entries[-1].account == "a399"


def test_the_report_says_when_a_run_stopped_and_went_on(shop: Cli) -> None:
    shop.job([unknown("acme", n) for n in range(6)])
    shop.run("--stop-after", "2", "--concurrency", "1", code=3)
    shop.run("--stop-after", "0", code=1)
    said = batchcart("report", RESULTS, "--json", folder=shop.folder, code=1).figures
    text = batchcart("report", RESULTS, folder=shop.folder, code=1).out

    assert [one["what"] for one in said["runs"][0]["timeline"]] == [
        "started",
        "closed",
        "stopped",
        "resumed",
        "finished",
    ]
    assert re.search(r"What happened:\n +[-\d]+ [:\d]+  started: 6 lines for 1 account\n", text)
    assert "resumed: " in text


# --- several runs


def test_several_runs_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = [result(n, status="failed") for n in range(1, 4)] + [result(n) for n in range(4, 30)]
    written(tmp_path / "a.jsonl", first)
    written(tmp_path / "b.jsonl", [result(n, elapsed_ms=1000.0, attempts=2) for n in range(1, 30)])
    out = batchcart("report", "a.jsonl", "b.jsonl", "--json", "--html", "r.html", folder=tmp_path, code=1).figures
    text = batchcart("report", "a.jsonl", "b.jsonl", folder=tmp_path, code=1).out
    html = (tmp_path / "r.html").read_text()

    assert [run["latency_ms"]["p50"] for run in out["runs"]] == pytest.approx([120, 1000], rel=0.02)
    assert [run["requests"] for run in out["runs"]] == [29, 58]
    assert out["reasons"][0]["runs"] == [3, 0]
    assert re.search(r"\nrun 1 +run 2 +why .*\n *3 +– +failed: no such cart N\n", text)
    assert re.search(r"\nrun 1 .* 120 ms +120 ms +120 ms\n", text)
    assert re.search(r"<th scope=.row.>2</th>\s*(<td[^>]*>)29</td>\s*\1(?:1 s)</td>", html)
    assert "How fast each run was" in html
    assert 'href="#compared"' in html
    assert 'href="#compared"' not in page(collect([tmp_path / "a.jsonl"], None))


def test_of_several_runs_an_account_is_told_by_the_run_that_knows_why_its_lines_are_left(shop: Cli) -> None:
    shop.job([create("acme"), create("loja")])
    shop.hook("acme", "401")
    shop.run(code=3)
    shop.run("-o", "later.jsonl", "--only", "loja", code=3)
    said = batchcart("report", RESULTS, "later.jsonl", "--html", "r.html", folder=shop.folder, code=3).out
    html = (shop.folder / "r.html").read_text()
    first = html[html.index('id="next"') : html.index("</section>", html.index('id="next"'))]

    assert re.search(r"\nWhy lines are not ok:\n  2 not attempted: acme: .*refused", said)
    assert re.search(r"<li>acme: .*refused", first)


def test_no_command_of_a_report_has_a_blank_to_fill_in(shop: Cli) -> None:
    shop.hook("acme", "500-after")
    shop.job([create("acme"), add("acme"), unknown("loja", 2)])
    shop.run("--patience", "0.001")
    batchcart("report", RESULTS, "--html", "r.html", folder=shop.folder)
    commands = re.findall(r"<code>(batchcart .*?)</code>", (shop.folder / "r.html").read_text())
    said = batchcart("report", RESULTS, "--json", folder=shop.folder).out

    assert commands
    assert not [command for command in commands if re.search(r"\b(N|KEY|VALUE|JOB|RESULTS|FILE)\b|[<>…]", command)]
    assert "KEY=VALUE" not in said
    json.loads(said)
