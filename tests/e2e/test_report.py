"""The report: what it folds out of result files, and what its text, its document and its page say."""

import json
import math
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_harness import Cli, Line, batchcart, get, until
from cli_harness import Ended as Process
from engine_harness import Harness
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory_shops import Shops
from report_samples import CONFIG, T0, busy_report, report_on, result, written

from batchcart.cli.report_text import report_text
from batchcart.journal.changes import reopen
from batchcart.journal.schema import open_existing
from batchcart.journal.summary import STATUSES
from batchcart.model.events import (
    Event,
    LimitLowered,
    Paused,
    RunResumed,
    RunStarted,
    ShopDown,
    ShopUp,
    ThrottlingEnded,
)
from batchcart.model.outcome import ErrorKind
from batchcart.model.reasons import normalize
from batchcart.model.text import duration, format_timestamp
from batchcart.report.aggregate import MOST_DOUBTS, Aggregates, ResultRow, results_in
from batchcart.report.collect import Report, collect
from batchcart.report.error_groups import MOST_REASONS, ErrorKey, advice, hint
from batchcart.report.histogram import RELATIVE_ERROR, Durations, merge
from batchcart.report.html.axes import heights, moments
from batchcart.report.html.page import page
from batchcart.report.json_document import document
from batchcart.report.pauses import MOST_SPANS, PauseStats
from batchcart.report.time_series import MOST, WIDTHS, TimeSeries
from batchcart.runs.commands import RunCommands
from batchcart.runs.paths import journal_path

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "report.md").read_text()


def told(folder: Path, *words: str | Path, code: int) -> Process:
    return batchcart("report", *words, folder=folder, code=code)


class Tags(HTMLParser):
    """Every element of a page with its attributes, and the text in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


COMMANDS = RunCommands(Path("job.results.jsonl"), "job.jsonl")


# --- folding

Row = tuple[str, str, str, int, float, float]
ROWS: st.SearchStrategy[Row] = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["cart.get", "item.add"]),
    st.sampled_from(["ok", "failed", "skipped", "in_doubt"]),
    st.integers(1, 5),
    st.integers(0, 10**9).map(lambda ms: T0 + ms / 1000),
    st.integers(0, 10**7).map(lambda tenths: tenths / 10),
)


def line_of(number: int, row: Row) -> Line:
    account, op, status, attempts, at, ms = row
    times = {} if status == "skipped" else {"sent_at": format_timestamp(at), "elapsed_ms": ms}
    return result(number, account, status, op=op, attempts=attempts, **times)


@settings(max_examples=60, deadline=None)
@given(endings=st.lists(ROWS, max_size=60))
def test_folding_gives_what_counting_by_hand_gives(
    endings: Sequence[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fold") / "r"
    written(path, [line_of(number, row) for number, row in enumerate(endings, 1)])
    figures = Aggregates()
    counts = figures.fold(results_in(path), 0)

    assert counts.by == Counter((account, op, status) for account, op, status, *_ in endings)
    sent = [one for one in endings if one[2] != "skipped"]
    steps: Counter[int] = Counter(int(round(at, 3) // figures.sent.width) for *_, at, _ in sent)
    assert sum((Counter(found) for found in figures.sent.counts.values()), Counter()) == steps
    assert len(figures.sent.steps) == (max(steps) - min(steps) + 1 if steps else 0) <= MOST
    by_attempts = defaultdict(list)
    for *_, attempts, _at, ms in sent:
        by_attempts[attempts].append(ms)
    assert {tries: (one.count, one.longest) for tries, one in figures.tries.items()} == {
        tries: (len(found), max(found)) for tries, found in by_attempts.items()
    }
    bad = [one for one in endings if one[2] != "ok"]
    assert sum(reason.count for _, reason in figures.reasons.rank()) == len(bad)
    assert figures.in_doubt == len(figures.doubts) == sum(1 for one in endings if one[2] == "in_doubt")


@given(st.lists(st.floats(0, 10**8), min_size=1, max_size=200), st.sampled_from([1, 50, 90, 95, 99, 99.9, 100]))
def test_percentiles_lie_within_the_stated_error(values: list[float], percent: float) -> None:
    durations = Durations()
    for value in values:
        durations.add(value)
    true = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]

    assert durations.percentile(percent) == pytest.approx(true, rel=RELATIVE_ERROR + 1e-9, abs=0.05)
    assert durations.mean == pytest.approx(sum(values) / len(values))


def test_the_bars_of_the_latency_chart_hold_every_line_without_gaps() -> None:
    halves = Durations(), Durations()
    for number in range(1000):
        halves[number % 2].add(0.0 if number == 5 else 1.7 ** (number % 30))
    bars = merge(halves).spread(10)

    assert sum(bars.values()) == 1000
    assert list(bars) == list(range(min(bars), max(bars) + 1))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.randoms())
def test_steps_are_as_short_as_they_can_be_in_any_order(moments_seen: list[int], rng: Any) -> None:
    steps: TimeSeries[str] = TimeSeries()
    rng.shuffle(moments_seen)
    for at in moments_seen:
        steps.add("a", at)

    def needed(width: int) -> int:
        return max(moments_seen) // width - min(moments_seen) // width + 1

    assert len(steps.steps) == needed(steps.width) <= MOST
    shorter = [width for width in WIDTHS if width < steps.width]
    assert not shorter or needed(shorter[-1]) > MOST
    assert steps.counts["a"] == Counter(at // steps.width for at in moments_seen)


def test_a_span_of_centuries_still_fits_into_the_steps() -> None:
    steps: TimeSeries[str] = TimeSeries()
    for at in (0.0, 1e10, 5e9):
        steps.add("a", at)

    assert len(steps.steps) <= MOST
    assert steps.counts["a"].total() == 3


def test_what_is_kept_does_not_grow_with_the_results() -> None:
    def lines(count: int) -> Iterable[ResultRow]:
        words = "abcdefghijklmnopqrstuvwxyz"
        for n in range(count):
            message = f"{words[n % 26]}{words[n // 26 % 26]}{words[n // 676 % 26]} is wrong"
            yield from_line(
                result(n, status="in_doubt", error={"kind": "unknown", "message": message}, elapsed_ms=n * 7.0)
            )

    figures = Aggregates()
    figures.fold(lines(20_000), 0)

    assert len(figures.doubts) == MOST_DOUBTS
    assert len(figures.reasons.found) <= MOST_REASONS + 1
    assert sum(reason.count for _, reason in figures.reasons.rank()) == figures.in_doubt == 20_000
    assert all(len(reason.first) <= 10 for _, reason in figures.reasons.rank())
    assert len(figures.sent.counts["a", False]) <= MOST
    assert len(figures.durations["a", "cart.get"].counts) < 1000


def from_line(line: Line) -> ResultRow:
    return msgspec.convert(line, ResultRow)


@pytest.mark.parametrize(
    ("message", "same"),
    [
        ("cart 17 not found", "cart N not found"),
        ("the shop answered HTTP 404 with an empty body", "the shop answered HTTP 404 with an empty body"),
        ("Shoplo said: Not found (error 404, HTTP 200)", "Shoplo said: Not found (error 404, HTTP 200)"),
        ("GET /carts/6F027F81ggx48to/complete failed", "GET /carts/…/complete failed"),
        ("POST /3dCartWebAPI/v1/Cart was sent", "POST /3dCartWebAPI/v1/Cart was sent"),
        ('a web page ("502 Bad Gateway")', "a web page (“…”)"),
        ("first sent 2026-11-21T18:00:00.123Z", "first sent …"),
        ("key 6F027F81ggx48to is gone", "key … is gone"),
    ],
)
def test_messages_that_differ_in_ids_alone_are_one_reason(message: str, same: str) -> None:
    assert normalize(message) == same


@pytest.mark.parametrize("kind", [reason.value for reason in ErrorKind])
def test_every_kind_of_error_comes_with_something_to_do(kind: str) -> None:
    for http_status in (None, 401, 404, 422):
        assert re.search("--retry-failed|settle", advice(ErrorKey("failed", kind, http_status, ""), COMMANDS))


def test_very_many_pauses_keep_their_totals_and_become_few_spans() -> None:
    pausing = PauseStats()
    events: list[tuple[float, Event]] = [(T0, RunStarted("j", 1, 1))]
    for n in range(5000):
        at = T0 + n * 10
        events += [(at, Paused("a", at + 2, "429")), (at + 2, ThrottlingEnded("a", at, at + 2, 3, 2.0))]
    pausing.take(events)
    paused = pausing.by["a", "throttled"]

    assert (paused.count, paused.refusals) == (5000, 15_000)
    assert paused.seconds == pytest.approx(10_000)
    assert len(paused.spans) <= MOST_SPANS
    assert sum(span.refusals for span in paused.spans) == 15_000


def test_axes_are_marked_at_round_numbers() -> None:
    assert heights(53, 6) == [0, 10, 20, 30, 40, 50]
    assert [text for _, text in moments(T0, T0 + 200, 5)] == ["08:00", "08:01", "08:02", "08:03"]
    assert [text for _, text in moments(T0, T0 + 4 * 86400, 5)][:2] == ["16 Jan", "17 Jan"]
    durations = {0.8: "0.8 ms", 120: "120 ms", 1400: "1.4 s", 226_000: "3 min 46 s", 7_500_000: "2 h 5 min"}
    assert {ms: duration(ms / 1000) for ms in durations} == durations


# --- the document and the text


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quickstart job was run."""
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "quickstart.jsonl").write_text((ROOT / "jobs" / "quickstart.jsonl").read_text())
    batchcart("run", "jobs/quickstart.jsonl", "--progress", "none", folder=folder, code=0)
    return folder


def holds(whole: Any, part: Any) -> bool:
    """Whether every key of ``part`` stands in ``whole`` with the same value."""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    return bool(whole == part)


def test_the_document_holds_what_status_tells(quickstart: Path) -> None:
    status = batchcart("status", "quickstart.results.jsonl", "--json", folder=quickstart, code=0).figures
    found = told(quickstart, "quickstart.results.jsonl", "--json", code=0).figures
    assert (status.pop("reasons"), status.pop("next")) == ([], [])

    assert holds(found, status)
    assert holds(found["runs"][0], status)


def test_the_counts_of_a_report_add_up(quickstart: Path) -> None:
    found = told(quickstart, "quickstart.results.jsonl", "--json", code=0).figures

    assert found["lines"] == sum(found[status] for status in STATUSES) == 28
    assert sum(sum(counts.values()) for counts in found["operations"].values()) == 28
    sent = found["throughput"]["accounts"].values()
    assert sum(sum(one["ok"]) + sum(one["not_ok"]) for one in sent) == 28
    assert found["latency_ms"]["all"]["count"] == sum(one["count"] for one in found["attempts"]) == 28


def test_the_text_is_the_summary_and_how_long_lines_took(quickstart: Path) -> None:
    out = told(quickstart, "quickstart.results.jsonl", code=0).out

    assert re.search(r"^all +28$", out, flags=re.MULTILINE)
    assert "From a line's first request to its end" in out


def test_several_runs_are_told_one_by_one_and_together(tmp_path: Path) -> None:
    first = written(tmp_path / "one.jsonl", [result(1), result(2, status="failed")])
    second = written(tmp_path / "two.jsonl", [result(1, "b"), result(2, "a"), result(3, status="in_doubt")])

    found = told(tmp_path, first, second, "--json", code=1).figures

    assert [run["lines"] for run in found["runs"]] == [2, 3]
    assert (found["lines"], found["ok"], found["failed"], found["in_doubt"]) == (5, 3, 1, 1)
    assert found["accounts"]["a"]["lines"] == 4
    assert [one["results"] for one in found["doubts"]["first"]] == [str(second)]
    assert "All 2 runs together" in told(tmp_path, first, second, code=1).out


def test_the_same_file_given_twice_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [result(1)])

    assert collect([path, path], None).total.lines == 1


def test_a_run_without_its_journal_is_told_with_what_is_missing(tmp_path: Path) -> None:
    report = report_on(tmp_path, [result(1)])

    assert report.exit_code == 0
    assert "has no journal" in report.runs[0].notes[0]
    assert report.total.accounts["a"].state == "unknown"
    assert "there is none" in page(report)


def unfinished(folder: Path) -> Harness:
    """A run that was stopped in its middle."""
    lines = [get("local-tray", f"c{n}") | {"cart_id": f"k{n}"} for n in range(40)]
    shop = Harness(folder, [{k: v for k, v in line.items() if k != "cart"} for line in lines], Shops(), concurrency=1)
    shop.run(stop_after=1.0)
    return shop


def test_an_unfinished_run_says_what_was_not_attempted(tmp_path: Path) -> None:
    shop = unfinished(tmp_path)
    report = collect([shop.results], None)

    assert report.exit_code == 3
    assert 0 < report.total.totals["not_attempted"] < 40
    assert report.total.lines == 40
    assert "left. Run the same command again to resume" in page(report)


def test_results_that_are_missing_from_the_file_are_noted(tmp_path: Path) -> None:
    shop = unfinished(tmp_path)
    whole = shop.results.read_text().splitlines(keepends=True)
    shop.results.write_text("".join(whole[:-2]))

    report = collect([shop.results], None)

    assert f"holds {len(whole) - 2} results, but {len(whole)} lines have ended" in report.runs[0].notes[0]
    assert report.total.lines == 40


def test_a_run_whose_results_are_gone_is_told_from_its_journal(tmp_path: Path) -> None:
    shop = unfinished(tmp_path)
    shop.results.unlink()

    assert collect([shop.results], None).total.lines == 40
    assert "Nothing was sent" in page(collect([shop.results], None))


def test_a_damaged_journal_does_not_stop_the_report(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [result(1)])
    journal_path(path).write_bytes(b"no database" * 500)

    assert "cannot be read" in collect([path], None).runs[0].notes[0]


def test_a_last_line_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [result(1)])
    path.write_text(path.read_text() + json.dumps(result(2))[:40])

    assert collect([path], None).total.lines == 1


@pytest.mark.parametrize(
    "text", ['{"op":"cart.get","account":"a"}\n', "[]\n", "nonsense\n", "[" * 100_000 + "\n", "\xff\n"]
)
def test_a_file_that_holds_no_results_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "r.jsonl", [result(1)])
    path.write_bytes(path.read_bytes() + text.encode("latin-1") + json.dumps(result(2)).encode() + b"\n")

    err = told(tmp_path, "r.jsonl", code=2).err

    assert err.startswith("batchcart: r.jsonl:2: not a result line: ")
    assert "not its job file" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.jsonl"], "gone.jsonl does not exist"),
        (["."], ". is not a file"),
        (["r.jsonl", "--html", "r.jsonl"], "the existing file is not a web page"),
        (["r.jsonl", "--html", "notes.txt"], "the existing file is not a web page"),
        (["r.jsonl", "--html", "no/such/folder.html"], "cannot write there"),
        (["r.jsonl", "--config", "gone.toml"], "config file gone.toml does not exist"),
    ],
)
def test_what_cannot_be_reported_is_said_in_a_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    written(tmp_path / "r.jsonl", [result(1)])
    (tmp_path / "notes.txt").write_text("mine")

    assert said in told(tmp_path, *words, code=2).err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_broken_config_that_was_not_asked_for_costs_only_the_limits(tmp_path: Path) -> None:
    written(tmp_path / "r.jsonl", [result(1)])
    (tmp_path / "batchcart.toml").write_text("[accounts")

    assert "The limits are not shown" in told(tmp_path, "r.jsonl", code=0).out


def test_charts_and_templates_are_imported_only_for_a_page(tmp_path: Path) -> None:
    written(tmp_path / "r.jsonl", [result(1)])
    script = (
        "import sys; from batchcart.cli import cli;"
        "cli.main(['report', 'r.jsonl', *sys.argv[1:]], standalone_mode=False);"
        "print(sorted({'jinja2', 'pygal', 'aiohttp', 'rich'} & set(sys.modules)))"
    )

    def imported(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()[-1]

    assert imported("--json") == "[]"
    assert imported("--html", "p.html") == "['jinja2', 'pygal']"


def test_the_charts_leave_pythons_own_import_as_it_was() -> None:
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


# --- the page


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(tmp_path)
    return busy_report(tmp_path)


def test_the_page_loads_nothing_and_runs_one_script_of_its_own(busy: Report) -> None:
    text = page(busy)
    tags = Tags(text)

    assert tags.all("script") == [{}]
    assert not {tag for tag, _ in tags.tags} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert set(re.findall(r"https?://[^\s\"'<)]*", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    for _, attributes in tags.tags:
        assert not {name for name in attributes if name.startswith("on") or name in {"style", "src", "xlink:href"}}
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import", text)


def test_the_policy_lets_in_the_pages_own_style_sheet_and_script_alone(busy: Report) -> None:
    text = page(busy)
    policy = next(
        one["content"] for one in Tags(text).all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    sheets = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)

    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(re.findall("<style", text)) == len(sheets) == 1
    assert len(re.findall("<script", text)) == len(scripts) == 1
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in (sheets[0], scripts[0]))
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; "
        "form-action 'none'"
    )


def test_every_chart_has_a_name_and_every_heading_of_a_table_its_scope(busy: Report) -> None:
    tags = Tags(page(busy))
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]

    assert len(ids) == len(set(ids))
    charts = tags.all("svg")
    assert len(charts) == 2 * 8  # wide and narrow: accounts, operations, 3 rates, latency, attempts, pauses
    for chart in charts:
        assert chart["role"] == "img"
        assert set(chart["aria-labelledby"].split()) <= set(ids)
    assert all(heading.get("scope") in {"row", "col"} for heading in tags.all("th"))
    assert {link["href"][1:] for link in tags.all("a")} <= set(ids)


def test_the_numbers_of_the_charts_stand_in_tables(busy: Report) -> None:
    text = re.sub(r"\s+", " ", page(busy))

    for words in ("Operations begun, a", "Operations begun, b", "Lines by latency", "Lines by attempts", "Each pause"):
        assert f"<caption>{words}" in text
    begun = re.search(r"<caption>Operations begun, All accounts.*?</table>", text)
    assert begun is not None
    numbers = re.findall(r'<tr> ?<th scope="row">[^<]*</th><td class="n">([\d,]+)<', begun[0])
    assert sum(int(number.replace(",", "")) for number in numbers) == 199 + 15 + 4


def test_limits_stand_beside_the_throughput_where_the_config_has_them(busy: Report) -> None:
    text = page(busy)

    assert "limit, 2 per second" in text
    assert "Limits: 120/min, 10000/day." in text
    assert "A limit over a longer time than the chart is not drawn." in text
    assert "limit learnt from 429s" in text
    assert "Learnt from 429s: from 2027-01-15 08:00:30 1.5 per second, from 2027-01-15 08:01:40 the config" in text


def test_the_text_says_once_what_several_reasons_call_for_and_when_a_shop_is_down_still(tmp_path: Path) -> None:
    report = report_on(tmp_path, [result(1, status="failed"), result(2, status="skipped")])
    other = ErrorKey("failed", "rejected", None, "another reason")
    report.figures.reasons.found[other] = report.figures.reasons.rank()[0][1]
    report.pausing.take([(T0, RunStarted("job.jsonl", 9, 1)), (T0, ShopDown("a", "refused", T0, T0, T0 + 9))])
    text = report_text(report)

    assert text.count(hint(other)) == 1
    assert re.search(r"a: the shop was down, one pause, one of them since .* without an end yet", text)


def test_pauses_and_doubts_and_reasons_are_listed(busy: Report) -> None:
    text = " ".join(" ".join(Tags(page(busy)).text).split())

    assert "b the shop was down 1 45 s" in text
    assert "a the shop answered 429 1 3 s 4" in text
    assert "15 failed · rejected, HTTP 404 no such cart N" in text
    assert "line 223 a · cart.get no such cart 223" in text


def test_doubts_beyond_some_hundreds_are_counted_and_can_be_listed(tmp_path: Path) -> None:
    report = report_on(tmp_path, [result(n, status="in_doubt") for n in range(1, MOST_DOUBTS + 8)])
    text = page(report)
    command = re.search(r"and 7 more; all of them are in the table of <code>(batchcart .*?)</code>", text)

    assert command is not None
    assert document(report)["doubts"]["count"] == MOST_DOUBTS + 7
    assert "--csv job.lines.csv" in command[1]


HOSTILE = '</style></svg><script>alert(1)</script><img src=x onerror=alert(2)>" onload="x ]]> {{ 7*7 }} `<b>` \x00'


def test_whatever_a_shop_or_a_job_says_stays_text(tmp_path: Path) -> None:
    error = {"kind": HOSTILE, "message": HOSTILE}
    lines = [
        result(1, HOSTILE, status="in_doubt", error=error, cart=HOSTILE, op=HOSTILE, platform=HOSTILE),
        result(2, HOSTILE, status="failed", error=error, attempts=3),
    ]
    report = report_on(tmp_path, lines)
    report.pausing.take([(T0, RunStarted("j", 1, 1)), (T0, ShopDown(HOSTILE, HOSTILE, T0, T0, T0))])
    tags = Tags(page(report))

    assert not {tag for tag, _ in tags.tags} & {"img", "b>"}
    assert tags.all("script") == [{}]
    assert not [attributes for _, attributes in tags.tags if {"onload", "onerror"} & set(attributes)]
    assert "<script>alert(1)</script>" in "".join(tags.text)
    assert "{{ 7*7 }}" in "".join(tags.text)


def test_no_text_of_a_shop_steers_the_terminal(tmp_path: Path) -> None:
    error = {"kind": "rejected", "message": "a\x1b]0;title\x07 \x9b31m \x1b[31m red \u202e back", "http_status": 400}
    written(tmp_path / "r.jsonl", [result(1) | {"status": "failed", "error": error}])
    shown = told(tmp_path, "r.jsonl", code=1).out
    found = json.loads(told(tmp_path, "r.jsonl", "--json", code=1).out)

    assert not set(shown) & set("\x1b\x07\x9b\u202e")
    assert "\\u001b]" in shown
    assert "\x9b" in found["reasons"][0]["first"][0]["message"]


def test_a_name_that_is_no_text_does_not_stop_the_report(tmp_path: Path) -> None:
    name = os.fsdecode(b"r\xff.jsonl")
    written(tmp_path / name, [result(1), result(2, status="in_doubt")])

    found = told(tmp_path, name, "--json", "--html", "p.html", code=1).figures

    assert found["runs"][0]["results"] == "r\\udcff.jsonl"
    assert "r\\udcff.jsonl" in (tmp_path / "p.html").read_text()


def test_a_learnt_limit_ends_with_its_run() -> None:
    pausing = PauseStats()
    pausing.take(
        [(T0, RunStarted("j", 1, 1)), (T0 + 1, LimitLowered("a", "2/s", 1.0)), (T0 + 9, RunResumed("j", 1, 0))]
    )

    assert pausing.learnt["a"] == [(T0 + 1, 1.0), (T0 + 9, None)]


def test_no_secret_of_the_config_is_in_any_report(tmp_path: Path) -> None:
    (tmp_path / "batchcart.toml").write_text(CONFIG)
    written(tmp_path / "r.jsonl", [result(1), result(2, "b", status="failed")])

    document_out = told(tmp_path, "r.jsonl", "--json", "--html", "p.html", code=1)
    text_out = told(tmp_path, "r.jsonl", code=1)

    for text in (document_out.out, document_out.err, text_out.out, (tmp_path / "p.html").read_text()):
        assert text
        assert "PLANTED" not in text
    assert "120/min" in document_out.out  # so the config was read


def test_a_run_of_no_lines_still_makes_a_page(tmp_path: Path) -> None:
    text = page(report_on(tmp_path, []))

    assert "0 of 0 lines ended ok" in text
    assert "Nothing was sent" in text


def test_the_pauses_in_a_journal_reach_the_page(tmp_path: Path) -> None:
    shop = unfinished(tmp_path)
    connection = open_existing(journal_path(shop.results))
    for at, event in ((T0, ShopDown("local-tray", "refused", T0, T0, T0 + 9)), (T0 + 60, ShopUp("local-tray", T0, 1))):
        note(connection, at, event)
    connection.close()

    assert collect([shop.results], None).pausing.by["local-tray", "unreachable"].seconds == pytest.approx(60)


def test_a_line_opened_again_counts_at_the_time_of_each_of_its_endings(shop: Cli) -> None:
    shop.job([get("acme") | {"cart": f"c{n}", "cart_id": f"nosuchcart{n}"} for n in range(3)])
    shop.run(code=1)
    first = shop.results()
    for _ in range(2):
        until(lambda: time.time() > int(seconds(shop.results()[-1])) + 2)
        shop.run("--retry-failed", code=1)
    found = told(shop.folder, "job.results.jsonl", "--json", code=1).figures

    sent = found["throughput"]["accounts"]["acme"]
    # The three lines of one start may lie on both sides of a step.
    assert [sum(group) for some, group in groupby(sent["not_ok"], bool) if some] == [3, 3, 3]
    assert not any(sent["ok"])
    assert found["failed"] == found["lines"] == found["latency_ms"]["all"]["count"] == 3
    assert found["runs"][0]["began"][:19] == min(one["sent_at"] for one in first)[:19]


def seconds(one: Line) -> float:
    return datetime.fromisoformat(one["sent_at"]).timestamp()


def test_a_journal_with_odd_earlier_endings_still_makes_a_report(tmp_path: Path) -> None:
    shop = unfinished(tmp_path)
    connection = open_existing(journal_path(shop.results))
    reopen(connection, [], lambda _account, _kind: True)
    odd = [
        ("failed", 1e300, 1.0),
        ("failed", -5.0, 1.0),
        ("failed", T0, 1e300),
        ("failed", T0, 1.0),
    ]
    connection.executemany("INSERT INTO ended_before VALUES (1, ?, ?, ?)", odd)
    before = sum(steps.total() for steps in collect([shop.results], None).figures.sent.counts.values())
    connection.execute("DELETE FROM ended_before")
    connection.close()

    assert sum(steps.total() for steps in collect([shop.results], None).figures.sent.counts.values()) == before - 1


def note(connection: Any, at: float, event: Event) -> None:
    connection.execute(
        "INSERT INTO event (at, account, kind, message, fields) VALUES (?, '', '', '', ?)",
        (at, msgspec.json.encode(event).decode()),
    )


# --- the documentation


def test_the_documentation_names_every_key_of_the_document(busy: Report) -> None:
    names: set[str] = set()

    def walk(found: Any, path: str = "") -> None:
        if isinstance(found, dict) and path not in {"accounts", "operations"}:
            names.update(found)
        for key, value in (
            found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
        ):
            walk(value, str(key))

    walk(document(busy))

    assert {name for name in names if f"`{name}`" not in DOC} <= {"a", "b"}
