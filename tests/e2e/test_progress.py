"""Progress shows a living run on a terminal, leaves nothing behind, and mixes with nothing."""

import json
import re
import signal
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from cli_harness import Cli, ShopServer, batchcart, create, open_cli, until
from pseudo_terminal import Terminal, ended, terminal

from batchcart.cli.terminal.bar import bar_text
from batchcart.cli.terminal.dashboard import Dashboard
from batchcart.cli.terminal.live_reasons import LiveReasons
from batchcart.cli.terminal.progress import plain_line
from batchcart.cli.terminal.throughput import Throughput
from batchcart.cli.terminal.wait_text import wait_text
from batchcart.model.text import near_time, short_duration
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.snapshot import AccountSnapshot

NOON = datetime(2026, 11, 21, 12, 0).astimezone().timestamp()
HEAD = re.compile(r"[\d,]+ of [\d,]+ lines \(")
RUN = ("run", "job.jsonl", "--concurrency", "4")
LINES = 400
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38|48)(?:;\d+)*m")


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path) -> Cli:
    """A command line with a job that takes half a minute, or none as soon as its shop is let go."""
    made = open_cli(shop_server, tmp_path)
    made.job([create(account, f"c{number}") for number in range(LINES) for account in ("acme", "loja")])
    made.hook("acme", "delay")
    return made


def let_go(shop: Cli) -> None:
    """What had to be seen was seen: the rest of the run takes no time."""
    shop.hook("acme", "")


def drawn(shown: Terminal) -> Callable[[], bool]:
    return lambda: HEAD.search(shown.text) is not None and "acme" in shown.text


def test_a_run_shows_a_row_for_each_account_and_leaves_none_of_it(shop: Cli) -> None:
    with terminal(*RUN, "--json", folder=shop.folder) as shown:
        until(drawn(shown))
        head, bar, names, acme, loja = shown.lines
        let_go(shop)
        done = ended(shown)

    assert HEAD.match(head)
    assert re.split("  +", names) == [
        "account",
        "lines",
        "requests/s",
        "in flight",
        "retries",
        "failed",
        "skipped",
        "in doubt",
        "left",
    ]
    assert re.fullmatch("[█▒░]{100}", bar)
    assert re.match(rf"acme +\d+/{LINES} ", acme)
    assert re.match(rf"loja +\d+/{LINES} ", loja)
    assert done.err == ""
    assert done.code == 0
    assert json.loads(done.out)["ok"] == 2 * LINES
    assert COLOUR.search(bytes(shown.written))


def test_ctrl_c_leaves_the_message_and_the_cursor_below_it(shop: Cli) -> None:
    with terminal(*RUN, folder=shop.folder) as shown:
        until(drawn(shown))
        shown.process.send_signal(signal.SIGINT)
        done = ended(shown)
        cursor = shown.screen.cursor

    assert done.code == 3
    assert done.err == "SIGINT: ending with the requests in flight; once more stops at once"
    assert "Stopped before the end: by a signal" in done.out
    assert (cursor.x, cursor.y, cursor.hidden) == (0, 1, False)


def test_a_second_ctrl_c_leaves_the_terminal_clean_too(shop: Cli) -> None:
    shop.configure(acme={"timeout": 300})
    shop.hook("acme", "hang")
    with terminal(*RUN, folder=shop.folder) as shown:
        until(lambda: re.search(r"acme +0/400 +\S+ +[1-9]", shown.text))  # something is in flight, and stays there
        shown.process.send_signal(signal.SIGINT)
        until(lambda: "SIGINT" in shown.text and drawn(shown)())
        shown.process.send_signal(signal.SIGINT)
        done = ended(shown)

    assert done.code == 3
    assert done.err.splitlines() == [
        "SIGINT: ending with the requests in flight; once more stops at once",
        "SIGINT again: stopped at once; run the same command again to resume",
    ]
    assert not shown.screen.cursor.hidden


def test_no_trick_of_the_terminal_outlives_a_kill(shop: Cli) -> None:
    with terminal(*RUN, folder=shop.folder) as shown:
        until(drawn(shown))
        shown.process.kill()
        ended(shown)

    used = set(re.findall(rb"\x1b\[([^A-Za-z]*[A-Za-z])", shown.written))
    assert b"J" in used
    assert all(re.fullmatch(rb"[0-9;]*[AJKm]", one) for one in used)


def test_a_resize_leaves_one_picture_that_fits(shop: Cli) -> None:
    with terminal(*RUN, folder=shop.folder, columns=120) as shown:
        until(drawn(shown))
        for columns in (60, 200, 80):
            shown.resize(columns, 24)
            shown.written.clear()
            until(lambda: shown.written.count(b"acme") >= 2)
            lines = shown.lines

            assert len([line for line in lines if HEAD.search(line)]) == 1
            assert all(len(line) < columns for line in lines)
        let_go(shop)
        done = ended(shown)

    assert not HEAD.search(done.err)


def test_what_is_said_during_a_run_stands_above_the_rows_and_stays(shop: Cli) -> None:
    shop.hook("loja", "refuse")
    shop.configure(loja={"refresh_token": None})
    with terminal(*RUN, "--patience", "0.03", folder=shop.folder) as shown:
        until(lambda: "unreachable for" in shown.text)
        until(drawn(shown))
        lines = shown.lines
        let_go(shop)
        done = ended(shown)

    said = next(index for index, line in enumerate(lines) if "account 'loja'" in line)
    assert said < next(index for index, line in enumerate(lines) if HEAD.search(line))
    assert "account 'loja'" in done.err
    assert not HEAD.search(done.err)


def test_no_color_takes_the_colours_away_and_nothing_else(shop: Cli) -> None:
    with terminal(*RUN, folder=shop.folder, env={"NO_COLOR": "1"}) as shown:
        until(lambda: b"  done" in shown.written)
        let_go(shop)
        ended(shown)

    assert not COLOUR.search(bytes(shown.written))


@pytest.mark.parametrize(("words", "env"), [((), {"TERM": "dumb"}), (("--progress", "none"), {})])
def test_a_terminal_that_cannot_draw_or_need_not_gets_no_control_codes(
    shop: Cli, words: tuple[str, ...], env: dict[str, str]
) -> None:
    shop.hook("acme", "")
    with terminal(*RUN, *words, folder=shop.folder, env=env) as shown:
        assert ended(shown).code == 0

    assert shown.written == b""


def test_off_a_terminal_nothing_is_shown_unless_it_is_asked_for(shop: Cli) -> None:
    shop.hook("acme", "")
    assert batchcart(*RUN, folder=shop.folder, code=0).err == ""


def test_checking_a_big_file_shows_the_line_it_has_come_to(shop: Cli) -> None:
    shop.job([create("acme", f"c{number}") for number in range(60_000)])
    with terminal("check", "job.jsonl", folder=shop.folder) as shown:
        done = ended(shown)

    assert re.search(rb"checking line [\d,]+ \xe2\x80\xa6", shown.written)
    assert done.err == ""
    assert "60,000 operations are in order" in done.out


def snapshot(account: str = "acme", done: int = 0, **keys: object) -> AccountSnapshot:
    return AccountSnapshot(account, "3dcart", 1000, {"ok": done}, **keys)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("waiting", "until_", "why", "text"),
    [
        ("", None, "", ""),
        ("throttled", 200, "HTTP 429", "429 until 12:03:20"),
        ("throttled", 200, "HTTP 503", "asked to wait until 12:03:20"),
        ("quota", 43200, "10000/day", "10000/day used up until tomorrow 00:00"),
        ("quota", 3 * 86400, "10000/day", "10000/day used up until 2026-11-24 12:00"),
        ("unreachable", 40, "refused", "shop unreachable, probing in 40 s"),
        ("unreachable", 0, "refused", "shop unreachable, probing now"),
        ("closed", None, "closed", "closed"),
        ("closed", None, "unreachable", "closed, the shop did not answer"),
        ("closed", None, "foreign", "closed, what answers is not the shop"),
        ("closed", None, "stopped", "closed, too many lines not ok"),
    ],
)
def test_what_an_account_waits_for_is_said_in_a_few_words(
    waiting: str, until_: float | None, why: str, text: str
) -> None:
    found = snapshot(waiting=waiting, waiting_until=None if until_ is None else NOON + until_, why=why)
    assert wait_text(found, NOON) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (480, "8 min"), (5999, "100 min"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")],
)
def test_a_duration_is_no_more_exact_than_it_is_known(seconds: float, text: str) -> None:
    assert short_duration(seconds).replace("1 h 40 min", "100 min") == text


def test_a_moment_of_today_has_no_date() -> None:
    assert near_time(NOON + 1, NOON) == "12:00:01"
    assert near_time(NOON + 1, NOON, seconds=False) == "12:00"


def paced(*snapshots: AccountSnapshot, seconds: float = 10.0) -> Throughput:
    """A pace after the snapshots, one every ``seconds`` up to noon."""
    pace = Throughput()
    for index, one in enumerate(snapshots):
        pace.take(NOON + (index + 1 - len(snapshots)) * seconds, [one])
    return pace


def test_the_time_left_is_the_slower_of_the_limits_and_the_pace() -> None:
    now = snapshot(done=100, sent=100, best=450.0)

    assert paced(snapshot(), now).estimate_seconds([now], NOON) == pytest.approx(90.0 + 360.0)
    slow = snapshot(done=10, best=450.0)
    assert paced(snapshot(), slow).estimate_seconds([slow], NOON) == pytest.approx(990.0)


def test_a_wait_comes_on_top_of_the_time_left_and_an_outage_has_no_end() -> None:
    quota = snapshot(done=100, best=450.0, waiting="quota", waiting_until=NOON + 3600, why="10000/day")
    down = snapshot(done=100, best=450.0, waiting="unreachable", waiting_until=NOON + 5)

    assert paced(quota).estimate_seconds([quota], NOON) == pytest.approx(4050.0)
    assert paced(down).estimate_seconds([down], NOON) is None


def test_lines_of_accounts_that_are_down_or_given_up_are_not_counted_in_the_time_left() -> None:
    now = snapshot(done=100, best=450.0)
    down = snapshot("loja", 400, best=9e9, waiting="unreachable", waiting_until=NOON + 5, given_up_at=NOON + 1800)
    closed = snapshot("sklep", 999, best=9e9, waiting="closed")

    assert "about 8 min left for all but 601 lines, until 12:07" in frame([now, down, closed], 200, 24)[0]
    assert frame([now, down, closed], 200, 24)[-2:] == [
        "600 lines wait for a shop that is down, until 12:30 at most",
        "1 line of closed accounts stays pending",
    ]
    assert "left" not in frame([down, closed], 200, 24)[0]


def test_there_is_time_left_while_lines_are_open_and_more_of_it_the_longer_none_ends() -> None:
    nearly = snapshot(done=999)
    assert paced(snapshot(), nearly).estimate_seconds([nearly], NOON) == pytest.approx(1.0)
    assert paced(snapshot(), *[nearly] * 5).estimate_seconds([nearly], NOON) == pytest.approx(40.0)


def test_a_wait_alone_is_the_time_left_where_nothing_else_is_known() -> None:
    waiting = snapshot(waiting="quota", waiting_until=NOON + 3600, why="10000/day")

    assert paced(waiting).estimate_seconds([waiting], NOON) == pytest.approx(3600.0)


def test_a_job_that_takes_ages_is_shown_all_the_same() -> None:
    assert "about 11574074 d" in frame([snapshot(best=1e12)], 200, 24)[0]


def test_a_long_wait_does_not_count_as_slow_work() -> None:
    waits = [snapshot(done=100, waiting="quota", waiting_until=NOON + 999, why="x")] * 20
    now = snapshot(done=200)
    pace = paced(snapshot(), snapshot(done=100), *waits, now)

    assert pace.estimate_seconds([now], NOON) == pytest.approx(80.0)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    steps = [snapshot(sent=sent) for sent in (0, 1000, 1020, 1040)]
    pace = paced(*steps, seconds=5.0)

    assert pace.rate(steps[-1]) == pytest.approx(4.0)


def test_a_clock_that_was_set_back_breaks_nothing() -> None:
    pace = Throughput()
    for at, done in ((NOON, 0), (NOON - 3600, 10), (NOON - 3590, 20)):
        pace.take(at, [snapshot(done=done, sent=done)])

    assert pace.rate(snapshot()) == pytest.approx(1.0)


def frame(snapshots: list[AccountSnapshot], columns: int, rows: int, reasons: Sequence[str] = ()) -> list[str]:
    pace = Throughput()
    pace.take(NOON - 10, [AccountSnapshot(one.account, one.platform, one.lines, {}) for one in snapshots])
    pace.take(NOON, snapshots)
    return [
        re.sub(r"\x1b\[[\d;]*m", "", line)
        for line in Dashboard().lines(snapshots, pace, NOON, NOON - 10, (columns, rows), reasons)
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 109, 110, 200])
@pytest.mark.parametrize("rows", [5, 10, 24])
def test_a_picture_fits_its_terminal_whatever_its_size(columns: int, rows: int) -> None:
    crowd = [
        snapshot(
            f"a shop with a long name {n}",
            n,
            sent=n,
            limit=2.0,
            waiting="quota",
            waiting_until=NOON + 60,
            why="10000/day",
        )
        for n in range(50)
    ]
    lines = frame(crowd, columns, rows)

    assert 2 <= len(lines) < rows
    assert all(len(line) < columns for line in lines)


def test_of_many_accounts_the_busiest_are_shown_in_the_jobs_order_and_the_rest_is_counted() -> None:
    crowd = [snapshot(f"shop-{n:02}", n, sent=n) for n in range(50)]
    lines = frame(crowd, 200, 14)

    assert [line.split()[0] for line in lines[3:-1]] == [f"shop-{n:02}" for n in range(41, 50)]
    assert lines[-1] == "… and 41 more accounts, 41 of them at work"
    assert "of 50,000 lines" in lines[0]


def test_an_account_that_is_shown_keeps_its_row_while_another_is_hardly_busier() -> None:
    dashboard, pace = Dashboard(), Throughput()
    shown = []
    for at, first, second in ((0, 0, 0), (5, 50, 49), (10, 98, 102)):
        both = [snapshot("first", first, sent=first), snapshot("second", second, sent=second)]
        pace.take(NOON + at, both)
        shown.append(dashboard.lines(both, pace, NOON + at, NOON, (80, 5))[2].split()[0])

    assert shown[1:] == ["first", "first"]


@pytest.mark.parametrize(("sent", "told"), [(20, "2.0 of 2/s"), (177, "17.7, then 2/s")])
def test_more_than_the_limit_in_the_long_run_is_shown_as_a_burst(sent: int, told: str) -> None:
    pace = Throughput()
    pace.take(NOON - 10, [snapshot(limit=2.0)])
    now = [snapshot(limit=2.0, sent=sent)]
    pace.take(NOON, now)
    assert told in "\n".join(Dashboard().lines(now, pace, NOON, NOON - 10, (100, 20)))


def test_a_narrow_terminal_says_below_the_row_what_is_waited_for() -> None:
    waiting = snapshot(waiting="quota", waiting_until=NOON + 60, why="10000/day")

    assert frame([waiting], 80, 24)[4].strip() == "└ 10000/day used up until 12:01:00"
    assert frame([waiting], 120, 24)[3].endswith("  10000/day used up until 12:01:00")


def test_a_plain_line_says_what_went_wrong_how_long_and_who_waits() -> None:
    monitor = RunMonitor()
    acme = AccountSnapshot("acme", "3dcart", 1000, {"ok": 90, "in_doubt": 10}, sent=100)
    loja = snapshot("loja", waiting="unreachable", waiting_until=NOON + 40)
    monitor.add_remote([lambda: acme, lambda: loja], lambda: None)
    monitor.set_counts("acme", 1000, acme.ended)
    monitor.set_counts("loja", 1000, {})
    pace = Throughput()
    pace.take(NOON - 10, [snapshot("acme"), loja])
    pace.take(NOON, monitor.snapshots())

    reasons = LiveReasons()
    reasons.take(result(7, "failed", "Unknown CatalogID 17"))
    reasons.take(result(8, "failed", "Unknown CatalogID 18"))
    reasons.take(result(9, "ok", ""))

    assert plain_line(monitor, pace, NOON, reasons) == (
        "100 of 2,000 lines, 10.0 requests/s, 10 in doubt, about 90 s left for all but 1,000 lines; "
        "1,000 lines wait for a shop that is down; loja: shop unreachable, probing in 40 s; "
        "2 failed: Unknown CatalogID N (acme, lines 7, 8)"
    )


def result(line: int, status: str, message: str) -> bytes:
    error = f',"error":{{"kind":"rejected","message":"{message}"}}' if message else ""
    return f'{{"line":{line},"account":"acme","op":"cart.get","status":"{status}"{error}}}'.encode()


def test_the_bar_shows_each_way_in_which_lines_end_and_is_full_only_at_the_end() -> None:
    some = AccountSnapshot("acme", "3dcart", 1000, {"ok": 500, "failed": 1, "skipped": 100, "in_doubt": 1})
    down = AccountSnapshot("loja", "tray", 200, {}, waiting="unreachable")
    bar = bar_text([some, down], 60)
    styles = [(bar.plain[span.start : span.end], span.style) for span in bar.spans]

    assert bar.cell_len == 60
    assert styles[:4] == [("█" * 24, "green"), ("█", "red"), ("█" * 5, "magenta"), ("█", "yellow")]
    assert bar.plain.endswith("▒" * 10 + "░" * 19)
    whole = AccountSnapshot("acme", "3dcart", 10**9, {"ok": 10**9})
    assert bar_text([whole], 60).plain == "█" * 60
    nearly = AccountSnapshot("acme", "3dcart", 10**9, {"ok": 10**9 - 1})
    assert bar_text([nearly], 60).plain == "█" * 59 + "░"
    assert bar_text([], 60).plain == "░" * 60


def test_reasons_stand_below_the_rows_where_there_is_room() -> None:
    reasons = LiveReasons()
    for line in range(12):
        reasons.take(result(line, "failed", "Unknown CatalogID"))
    found = reasons.sentences(3, several=False)

    assert found == ["12 failed: Unknown CatalogID (lines 0, 1, 2, 3, 4, …)"]
    assert frame([snapshot(done=10)], 80, 24, found)[-1] == found[0]
    assert found[0] not in frame([snapshot(done=10)], 80, 8, found)


def test_lines_that_fail_faster_than_they_are_read_do_not_gather_in_memory() -> None:
    reasons = LiveReasons()
    tracemalloc.start()
    for line in range(40_000):
        reasons.take(result(line, "failed", "x" * 1000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 25 << 20
    assert reasons.sentences(1, several=False)


def test_a_run_is_watched_from_beside_it_until_it_ends(shop: Cli) -> None:
    with shop.started(*RUN) as process:
        until((shop.folder / "job.results.jsonl.journal").exists)
        with terminal("status", "job.results.jsonl", "--watch", folder=shop.folder, columns=80) as shown:
            until(lambda: HEAD.search(shown.text) is not None)
            lines = shown.lines
            let_go(shop)
            process.wait(60)
            done = ended(shown)

    assert re.fullmatch("[█▒░]{79}", lines[1])
    assert f"job.results.jsonl, pid {process.pid}; Ctrl-C ends only the watching" in lines
    assert all(len(one) < 80 for one in lines)
    assert done.code == 0
    assert "No run is at work on it" in done.out
    assert not HEAD.search(done.err)


def test_watching_ends_with_ctrl_c_and_the_run_goes_on(shop: Cli) -> None:
    shop.hook("acme", "hang")
    with shop.started(*RUN) as process:
        until((shop.folder / "job.results.jsonl.journal").exists)
        with terminal("status", "job.results.jsonl", "--watch", folder=shop.folder) as shown:
            until(lambda: HEAD.search(shown.text) is not None)
            shown.process.send_signal(signal.SIGINT)
            done = ended(shown)
        assert process.poll() is None

    assert done.code == 3
    assert f"A run is at work on it (pid {process.pid})" in done.out
