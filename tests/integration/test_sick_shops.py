"""A shop that is moved, walled off or otherwise not itself burns a handful of lines; the others stay open."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import kill_storm
import pytest
from engine_harness import Harness, Line
from in_memory_shops import Script, Shops
from pairs import pairwise

from batchcart.journal.schema import open_existing
from batchcart.model.http import Request
from batchcart.runs.paths import journal_path

PRODUCTS: dict[str, Line] = {
    "3dcart": {},
    "tray": {"product_id": "7", "quantity": 1},
    "shoplo": {"variant_id": 7, "quantity": 1},
}
PLATFORMS = sorted(PRODUCTS)
LOOKED_UP = ["tray", "shoplo"]
"""Platforms on which a read says whether a create happened."""

COUNT = 60
HANDFUL = 8 + 4
PAGES = ["page-403", "page-404", "page-405", "page-200"]
REDIRECTS = ["redirect-301", "redirect-302", "redirect-303", "redirect-307", "redirect-308"]


def creates(platform: str, count: int = COUNT) -> list[Line]:
    item = {} if platform == "3dcart" else {"item": "i0"}
    return [
        {"op": "cart.create", "account": f"local-{platform}", "cart": f"c{number}", **item, "data": PRODUCTS[platform]}
        for number in range(count)
    ]


def reads(platform: str, count: int = COUNT) -> list[Line]:
    return [{"op": "cart.get", "account": f"local-{platform}", "cart_id": f"k{number}"} for number in range(count)]


def from_request(number: int, fault: str, *, writes: bool = False) -> Script:
    """A shop that is well up to that request of its; from there on ``fault`` meets all, or the ``writes`` alone."""
    seen: list[Request] = []

    def script(_account: str, request: Request) -> str:
        seen.append(request)
        return fault if len(seen) > number and (request.writes or not writes) else ""

    return script


def burnt(results: Sequence[Line]) -> int:
    return sum(result["status"] != "ok" for result in results)


def gone_on(shop: Harness, lines: Sequence[Line]) -> dict[str, Any]:
    """The same command at a shop that is well again: it ends, and nothing is done twice. What was left not ok."""
    shop.shops.script = lambda _account, _request: ""
    again = shop.run()
    assert again.summary.totals["not_attempted"] == 0
    assert kill_storm.wrong_effects(lines, again.results, shop.shops.sandbox.state()) == []
    assert shop.shops.troubles == []
    return {result["line"]: result for result in again.results if result["status"] != "ok"}


@pytest.mark.parametrize(
    ("platform", "answer", "concurrency", "before"),
    pairwise(PLATFORMS, [*PAGES, *(f"{page}-after" for page in PAGES)], [1, 8, 50], [0, 7]),
)
def test_a_web_page_from_everywhere_closes_the_account_with_its_lines_open(
    tmp_path: Path, platform: str, answer: str, concurrency: int, before: int
) -> None:
    lines = creates(platform)
    shops = Shops(from_request(before, answer))
    shop = Harness(tmp_path, lines, shops, concurrency=concurrency, row=25)
    ended = shop.run()
    account = ended.summary.accounts[f"local-{platform}"]
    assert ended.summary.exit_code == 3
    assert account.state == "foreign"
    assert "check the account's address" in account.reason
    assert "t0k3n" not in account.reason
    on_their_way = min(concurrency, 8) if before == 0 else concurrency
    assert burnt(ended.results) <= (0 if platform in LOOKED_UP else on_their_way)
    assert len(shops.seen) <= before + 3 * concurrency
    left = gone_on(shop, lines)
    assert set(left) == {result["line"] for result in ended.results if result["status"] != "ok"}


@pytest.mark.parametrize(
    ("platform", "answer", "concurrency"),
    pairwise(PLATFORMS, [*REDIRECTS, "redirect-302-after", "redirect-303-after"], [1, 8, 50]),
)
def test_a_shop_that_has_moved_closes_the_account_and_says_where_to(
    tmp_path: Path, platform: str, answer: str, concurrency: int
) -> None:
    lines = creates(platform, COUNT + concurrency)
    shops = Shops(from_request(20, answer))
    shop = Harness(tmp_path, lines, shops, concurrency=concurrency, row=25)
    ended = shop.run()
    account = ended.summary.accounts[f"local-{platform}"]
    assert ended.summary.exit_code == 3
    assert account.state == "foreign"
    assert "a redirect to https://new.example, and redirects are never followed" in account.reason
    assert "t0k3n" not in account.reason
    may_follow_an_act = platform not in LOOKED_UP and answer.startswith(("redirect-302", "redirect-303"))
    assert burnt(ended.results) <= (concurrency if may_follow_an_act else 0)
    assert len(shops.seen) <= 20 + 3 * concurrency
    gone_on(shop, lines)


@pytest.mark.parametrize("answer", ["redirect-302", "redirect-302-after", "redirect-303-after"])
@pytest.mark.parametrize("platform", LOOKED_UP)
def test_a_write_that_is_redirected_after_the_act_is_settled_by_a_read_before_the_account_stops(
    tmp_path: Path, platform: str, answer: str
) -> None:
    lines = creates(platform)
    shops = Shops(from_request(20, answer, writes=True))
    shop = Harness(tmp_path, lines, shops, concurrency=1, row=25)
    ended = shop.run()
    assert ended.summary.accounts[f"local-{platform}"].state == "foreign"
    done = answer.endswith("-after")
    last = max(ended.results, key=lambda result: int(result["line"]))
    redirected = next(seen for seen in shops.seen if seen.fault)
    assert [seen.request.writes for seen in shops.seen if seen.at > redirected.at][:1] == [False]
    assert (last["attempts"] > 1) is done
    assert burnt(ended.results) == 0
    assert sum(bool(seen.fault) for seen in shops.seen) == 1
    assert gone_on(shop, lines) == {}


@pytest.mark.parametrize("fault", ["500-before", "reset-before", "page-200", "pause-429-50", "not-sent"])
@pytest.mark.parametrize("platform", LOOKED_UP)
def test_a_redirected_write_about_which_the_shop_cannot_be_asked_stays_open(
    tmp_path: Path, platform: str, fault: str
) -> None:
    lines = creates(platform, 2)
    shops = Shops(lambda _account, request: "redirect-302-after" if request.writes else fault)
    shop = Harness(tmp_path, lines, shops, concurrency=1)
    ended = shop.run()
    assert ended.summary.accounts[f"local-{platform}"].state == "foreign"
    assert ended.results == []
    assert ended.seconds < 10
    assert gone_on(shop, lines) == {}


@pytest.mark.parametrize("answer", [*PAGES, *REDIRECTS])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_reads_that_meet_something_else_leave_their_lines_open(tmp_path: Path, platform: str, answer: str) -> None:
    ended = Harness(tmp_path, reads(platform), Shops(from_request(10, answer)), concurrency=8, row=25).run()
    assert ended.summary.exit_code == 3
    assert ended.summary.accounts[f"local-{platform}"].state == "foreign"
    assert {result.get("error", {}).get("kind", "rejected") for result in ended.results} == {"rejected"}


@pytest.mark.parametrize(
    ("platform", "answer", "concurrency"),
    pairwise(PLATFORMS, [*PAGES, "page-403-after", "page-200-after"], [1, 8]),
)
def test_a_firewall_that_lets_reads_through_burns_a_handful_of_writes(
    tmp_path: Path, platform: str, answer: str, concurrency: int
) -> None:
    lines = creates(platform)
    shops = Shops(from_request(0, answer, writes=True))
    shop = Harness(tmp_path, lines, shops, concurrency=concurrency, row=25)
    ended = shop.run()
    account = ended.summary.accounts[f"local-{platform}"]
    if answer.endswith("-after") and platform in LOOKED_UP:  # each is found by a read, and ends ok
        assert (ended.summary.exit_code, burnt(ended.results)) == (0, 0)
        return
    assert ended.summary.exit_code == 3
    assert account.state == "foreign"
    assert "answered" in account.reason
    assert 0 < burnt(ended.results) <= concurrency + 4
    assert account.counts["not_attempted"] >= COUNT - HANDFUL
    gone_on(shop, lines)


def test_a_line_that_a_firewall_dislikes_fails_alone(tmp_path: Path) -> None:
    lines = creates("tray", 30)
    lines[0]["data"] = {**PRODUCTS["tray"], "product_id": "98765"}
    shops = Shops(lambda _account, request: "page-403" if b'"98765"' in request.body else "")
    ended = Harness(tmp_path, lines, shops, concurrency=1, row=25).run()
    assert ended.summary.exit_code == 1
    (bad,) = [result for result in ended.results if result["status"] != "ok"]
    assert (bad["line"], bad["status"], bad["error"]["kind"]) == (1, "failed", "platform")
    assert "HTTP 403 with a web page" in bad["error"]["message"]
    assert kill_storm.wrong_effects(lines, ended.results, shops.sandbox.state()) == []


def test_a_page_now_and_then_costs_no_line_and_no_account(tmp_path: Path) -> None:
    lines = creates("tray", 200)
    seen: list[Request] = []

    def script(_account: str, request: Request) -> str:
        seen.append(request)
        return "page-403" if len(seen) % 29 == 0 and "ping" not in request.path else ""

    shops = Shops(script)
    ended = Harness(tmp_path, lines, shops, concurrency=8, row=25).run()
    assert ended.summary.exit_code == 0
    assert kill_storm.wrong_effects(lines, ended.results, shops.sandbox.state()) == []


def test_a_page_after_an_outage_is_asked_twice_before_the_account_is_closed(tmp_path: Path) -> None:
    faults = iter(["", "", *["html-502"] * 3, "page-200", "html-502", "page-200", "page-200"])
    shops = Shops(lambda _account, _request: next(faults, ""))
    ended = Harness(tmp_path, creates("tray", 20), shops, concurrency=1, row=25).run()
    assert ended.summary.accounts["local-tray"].state == "foreign"
    assert len(shops.seen) == 9


def test_a_shop_that_is_down_behind_a_page_with_503_is_waited_for(tmp_path: Path) -> None:
    faults = iter(["", "", *["page-503"] * 6])
    shops = Shops(lambda _account, _request: next(faults, ""))
    ended = Harness(tmp_path, creates("tray", 20), shops, row=25).run()
    assert ended.summary.exit_code == 0


@pytest.mark.parametrize("platform", PLATFORMS)
def test_another_account_does_not_wait_for_one_that_is_closed(tmp_path: Path, platform: str) -> None:
    lines = [line for each in PLATFORMS for line in creates(each, 30)]
    shops = Shops(lambda account, _request: "page-404" if account == f"local-{platform}" else "")
    ended = Harness(tmp_path, lines, shops, row=25).run()
    for other in PLATFORMS:
        counts = ended.summary.accounts[f"local-{other}"].counts
        assert counts["ok"] == (0 if other == platform else 30)


def updates(platform: str, count: int = COUNT) -> list[Line]:
    """Carts, each made and then written on in a way that may be said again."""
    data = {
        "3dcart": ("cart.update", {"ShipmentCity": "Kraków"}),
        "tray": ("cart.update", {"email": "a@example.com"}),
        "shoplo": ("item.update", {"quantity": 5}),
    }[platform]
    made = creates(platform, count)
    item = {"item": "i0"} if platform == "shoplo" else {}
    writes = [
        {"op": data[0], "account": line["account"], "cart": line["cart"], **item, "data": data[1]} for line in made
    ]
    return [*made, *writes]


@pytest.mark.parametrize("answer", ["page-403", "page-200", "page-403-after"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_firewall_that_dislikes_updates_burns_a_handful_of_them(tmp_path: Path, platform: str, answer: str) -> None:
    lines = updates(platform)
    shops = Shops(lambda _account, request: answer if request.method == "PUT" else "")
    ended = Harness(tmp_path, lines, shops, concurrency=8, row=25).run()
    assert burnt(ended.results) <= HANDFUL
    if burnt(ended.results):
        assert ended.summary.accounts[f"local-{platform}"].state == "foreign"


# ---- lines in a row


def bad_at(platform: str, bad: Sequence[int], count: int = COUNT) -> list[Line]:
    """Creates of which some have a product that the test's shop refuses."""
    lines = creates(platform, count)
    for number in bad:
        lines[number]["data"] = {**PRODUCTS[platform], "quantity": 987}
    return lines


def refusing(_account: str, request: Request) -> str:
    return "422" if b"987" in request.body else ""


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("most", [5, 25])
def test_lines_in_a_row_that_end_for_the_same_reason_stop_the_account(
    tmp_path: Path, most: int, concurrency: int
) -> None:
    lines = bad_at("tray", range(COUNT))
    ended = Harness(tmp_path, lines, Shops(refusing), concurrency=concurrency, row=most).run()
    account = ended.summary.accounts["local-tray"]
    assert (ended.summary.exit_code, account.state) == (3, "stopped")
    assert f"{most} lines in a row did not end ok, and for the same reason: " in account.reason
    assert "--stop-after 0" in account.reason
    assert most <= account.counts["failed"] < most + concurrency
    assert account.counts["not_attempted"] == COUNT - account.counts["failed"]


def test_nothing_stops_an_account_that_is_to_go_on_whatever_comes(tmp_path: Path) -> None:
    ended = Harness(tmp_path, bad_at("tray", range(COUNT)), Shops(refusing), row=0).run()
    assert ended.summary.exit_code == 1
    assert ended.summary.totals["failed"] == COUNT


def test_a_line_that_ends_well_breaks_the_row(tmp_path: Path) -> None:
    bad = [number for number in range(COUNT) if number % 5]
    ended = Harness(tmp_path, bad_at("tray", bad), Shops(refusing), concurrency=1, row=5).run()
    assert ended.summary.exit_code == 1
    assert ended.summary.totals["failed"] == len(bad)


def test_another_reason_breaks_the_row(tmp_path: Path) -> None:
    answers = {1: "422", 2: "422-other"}
    script = [answers[1 + number // 4 % 2] for number in range(COUNT)]
    given = iter(script)
    shops = Shops(lambda _account, request: next(given) if request.writes else "")
    ended = Harness(tmp_path, creates("tray"), shops, concurrency=1, row=5).run()
    assert (ended.summary.exit_code, ended.summary.totals["failed"]) == (1, COUNT)


def test_reasons_that_differ_in_ids_and_the_lines_own_words_are_the_same(tmp_path: Path) -> None:
    shops = Shops(lambda _account, request: "422-quoting" if request.writes else "")
    ended = Harness(tmp_path, creates("tray"), shops, concurrency=1, row=5).run()
    assert ended.summary.accounts["local-tray"].counts["failed"] == 5


def test_lines_that_were_skipped_neither_count_nor_break_the_row(tmp_path: Path) -> None:
    lines = [
        each
        for first in bad_at("tray", range(20), 20)
        for each in (first, {"op": "cart.get", "account": "local-tray", "cart": first["cart"]})
    ]
    ended = Harness(tmp_path, lines, Shops(refusing), concurrency=1, row=5).run()
    counts = ended.summary.accounts["local-tray"].counts
    assert (counts["failed"], counts["skipped"]) == (5, 4)


def test_the_same_command_goes_on_after_the_row_that_stopped_it(tmp_path: Path) -> None:
    lines = bad_at("tray", range(10))
    shop = Harness(tmp_path, lines, Shops(refusing), concurrency=1, row=5)
    assert shop.run().summary.totals["failed"] == 5
    assert shop.run().summary.totals["failed"] == 10
    assert shop.run().summary.exit_code == 1


@pytest.mark.parametrize("concurrency", [1, 8, 50])
@pytest.mark.parametrize("fault", ["reset-after", "500-after", "truncate", "empty"])
def test_doubts_in_a_row_stop_an_account_whose_writes_are_never_answered(
    tmp_path: Path, fault: str, concurrency: int
) -> None:
    shops = Shops(lambda _account, request: fault if request.writes else "")
    ended = Harness(tmp_path, creates("3dcart", 100), shops, concurrency=concurrency, row=25).run()
    account = ended.summary.accounts["local-3dcart"]
    assert account.state == "stopped"
    assert "3 lines ended in doubt, and none of the same operation well between them" in account.reason
    assert 3 <= account.counts["in_doubt"] <= min(concurrency, 8) + 2


def test_a_line_cut_under_many_creates_does_not_stop_their_account(tmp_path: Path) -> None:
    """Those that were on their way together are one doubt of the shop, which then answers the next one."""
    shops = Shops(
        lambda _account, _request: "reset-before" if 1000.14 < asyncio.get_running_loop().time() < 1000.16 else ""
    )
    ended = Harness(tmp_path, creates("3dcart"), shops, concurrency=8, row=25).run()
    assert ended.summary.totals == {"ok": 52, "in_doubt": 8, "failed": 0, "skipped": 0, "not_attempted": 0}


def test_doubts_that_an_earlier_start_left_do_not_stop_the_account(tmp_path: Path) -> None:
    shop = Harness(tmp_path, creates("3dcart"), Shops(), concurrency=8, row=25)
    shop.shops.script = lambda _account, _request: "hang"
    shop.run(stop_after=1.0)
    shop.results.unlink()
    with closing(open_existing(journal_path(shop.results))) as journal:
        journal.execute("DELETE FROM result")
        journal.execute("UPDATE send SET state = 'sent', status = NULL, body = NULL WHERE line > 0")
    shop.shops.script = lambda _account, _request: ""
    ended = shop.run()
    assert ended.summary.totals["in_doubt"] == 8
    assert ended.summary.totals["ok"] == COUNT - 8


def test_reads_that_end_well_do_not_hide_writes_that_end_in_doubt(tmp_path: Path) -> None:
    pairs = zip(creates("3dcart"), reads("3dcart"), strict=True)
    shops = Shops(lambda _account, request: "reset-after" if request.writes else "")
    shop = Harness(tmp_path, [line for pair in pairs for line in pair], shops, concurrency=1, row=25)
    assert shop.run().summary.totals["in_doubt"] == 3


# ---- the wall


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_fault_of_ours_over_one_shops_answer_closes_that_account_alone(tmp_path: Path, platform: str) -> None:
    lines = [line for each in PLATFORMS for line in creates(each, 20)]

    def script(account: str, _request: Request) -> str:
        if account == f"local-{platform}" and len(shops.seen) > 10:
            raise ValueError("canary of the shop")
        return ""

    shops = Shops(script)
    ended = Harness(tmp_path, lines, shops, row=25).run()
    assert ended.summary.exit_code == 3
    account = ended.summary.accounts[f"local-{platform}"]
    assert account.state == "fault"
    assert account.counts["not_attempted"] > 0
    assert "ValueError at batchcart/" in account.reason
    assert "Please report it" in account.reason
    assert "canary" not in account.reason
    for other in set(PLATFORMS) - {platform}:
        assert ended.summary.accounts[f"local-{other}"].counts["ok"] == 20
    gone_on(Harness(tmp_path, lines, shops), lines)


@pytest.mark.parametrize("header", ["3600", "Fri, 15 Jan 2027 10:01:30 GMT"])
@pytest.mark.parametrize("status", ["429", "503"])
def test_a_pause_beyond_the_patience_gives_the_account_up_at_once(tmp_path: Path, status: str, header: str) -> None:
    shops = Shops(lambda _account, _request: f"pause-{status}-{header}" if len(shops.seen) >= 3 else "")
    ended = Harness(tmp_path, creates("tray"), shops, patience=600.0).run()
    account = ended.summary.accounts["local-tray"]
    assert ended.summary.exit_code == 3
    assert account.state == "throttled"
    assert "asks to wait until 2027-01-15" in account.reason
    assert account.counts["ok"] + account.counts["not_attempted"] == COUNT
    assert ended.seconds < 60


def test_the_journal_says_that_a_shop_is_down_as_long_as_it_is(tmp_path: Path) -> None:
    shops = Shops(lambda _account, _request: "not-sent" if 5 <= len(shops.seen) < 12 else "")
    shop = Harness(tmp_path, creates("tray"), shops, row=25)
    account = shop.run(stop_after=5.0).summary.accounts["local-tray"]
    assert account.state == "down"
    assert "the shop is down (127.0.0.1:1 cannot be reached" in account.reason
    assert shop.run().summary.accounts["local-tray"].state == "done"
