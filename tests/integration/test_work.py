"""A job's operations are processed: each ends once, effects are exact at the shop, outages burn nothing."""

import asyncio
import gc
import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import kill_storm
import pytest
from engine_harness import CONFIG, Ended, Harness, Line, plan_job
from examples import divide_examples
from hypothesis import given
from hypothesis import strategies as st
from in_memory_shops import EPOCH, FAULTS, Script, SeenRequest, Shops

from batchcart.accounts.state import AccountState
from batchcart.journal.schema import open_existing
from batchcart.journal.seated import note_seats
from batchcart.model.http import Request
from batchcart.runs.paths import journal_path
from batchcart.runs.seats.settling import LASTS, SETTLE

_NOT_DONE = {"429", "429-date", "429-none", "401", "1001", "not-sent"}
_OUTAGE = {"refuse", "not-sent", "html-502", "500-before"}


def scripted(faults: Iterable[str]) -> Script:
    """These faults, one a request, whoever makes it; none once they are used up."""
    left = iter(faults)
    return lambda _account, _request: next(left, "")


def at(shops: Shops, account: str) -> list[SeenRequest]:
    return [seen for seen in shops.seen if seen.account == account]


def line(op: str, account: str, cart: str, **keys: object) -> Line:
    return {"op": op, "account": f"local-{account}", "cart": cart, **keys}


def tray_adds(cart: str, count: int) -> list[Line]:
    ops = ["cart.create", *["item.add"] * (count - 1)]
    return [line(op, "tray", cart, data={"product_id": str(n + 1), "quantity": 1}) for n, op in enumerate(ops)]


def statuses(results: Sequence[Line]) -> list[str]:
    return [result["status"] for result in sorted(results, key=lambda result: int(result["line"]))]


def to_the_end(shop: Harness, seed: int = 0) -> Ended:
    """The run, started again as long as something like a redirect closes an account; each start meets one at least."""
    ended = shop.run(seed=seed)
    return ended if ended.summary.exit_code != 3 else to_the_end(shop, seed)


def unasked_repeats(shops: Shops) -> list[str]:
    """Adds that were said again without a look at the cart although the one before may have been acted on."""
    found = []
    by_cart: dict[tuple[str, str], list[SeenRequest]] = {}
    for seen in shops.seen:
        if seen.cart:
            by_cart.setdefault((seen.account, seen.cart), []).append(seen)
    for (account, cart), execution in by_cart.items():
        for before, after in pairwise(each for each in execution if each.fault not in _NOT_DONE):
            lost = before.fault not in {"", "delay"}
            if lost and before.request.method == after.request.method == "POST":
                found.append(f"{account} {cart}: POST after a POST that met {before.fault}")
    return found


_scripts = st.lists(st.one_of(st.just(""), st.just(""), st.sampled_from(FAULTS)), max_size=150)


@given(_scripts, st.integers(0, 1000), st.lists(st.floats(0, 5), max_size=3))
def test_any_script_of_answers_and_stops_ends_every_line_once_with_exact_effects(
    script: list[str], seed: int, stops: list[float]
) -> None:
    lines = kill_storm.job(seed, 4)
    shops = Shops(scripted(script))
    with TemporaryDirectory() as folder:
        shop = Harness(Path(folder), lines, shops)
        for seconds in stops:
            shop.run(stop_after=seconds, seed=seed)
        ended = to_the_end(shop, seed)
        again = shop.run(seed=seed)

    assert sorted(result["line"] for result in ended.results) == list(range(1, len(lines) + 1))
    assert kill_storm.wrong_effects(lines, ended.results, shops.sandbox.state()) == []
    assert shops.troubles == []
    assert unasked_repeats(shops) == []
    assert again.results == ended.results


@divide_examples(2)
@given(st.lists(st.sampled_from(["", *FAULTS]), max_size=40))
def test_a_3dcart_create_that_may_have_been_acted_on_is_never_sent_again(script: list[str]) -> None:
    lines = [line("cart.create", "3dcart", f"c{number}") for number in range(6)]
    shops = Shops(scripted(script))
    with TemporaryDirectory() as folder:
        ended = to_the_end(Harness(Path(folder), lines, shops))

    sent = [seen for seen in shops.seen if seen.request.method == "POST" and seen.fault not in _NOT_DONE]
    assert len(sent) == len(lines)
    lost = sum(seen.fault not in {"", "delay"} for seen in sent)
    assert statuses(ended.results).count("in_doubt") == lost
    assert statuses(ended.results).count("ok") == len(lines) - lost


@pytest.mark.parametrize("concurrency", [1, 4, 50])
def test_a_carts_lines_reach_the_shop_in_file_order(tmp_path: Path, concurrency: int) -> None:
    lines = [
        line(
            "item.add" if product > 1 else "cart.create",
            "tray",
            f"c{cart}",
            data={"product_id": product, "quantity": 1},
        )
        for product in range(1, 9)
        for cart in range(10)
    ]
    shops = Shops()
    Harness(tmp_path, lines, shops, concurrency=concurrency).run()

    carts = shops.sandbox.counters()["tray"][""]["carts"]
    assert len(carts) == 10
    for cart in carts.values():
        assert [effect["subject"] for effect in cart["effects"]] == [str(number) for number in range(1, 9)]
    assert shops.troubles == []


@pytest.mark.parametrize(("fault", "seconds"), [("429", 1.0), ("429-date", 2.0), ("429-none", 1.0)])
def test_a_429_holds_the_whole_account_and_no_other(tmp_path: Path, fault: str, seconds: float) -> None:
    lines = [line("cart.get", platform, f"c{n}", cart_id=f"k{n}") for n in range(60) for platform in ("tray", "shoplo")]
    faults = iter([*[""] * 10, fault])
    shops = Shops(lambda account, _request: next(faults, "") if account == "local-tray" else "")
    ended = Harness(tmp_path, lines, shops).run()

    tray = [seen.at for seen in at(shops, "local-tray")]
    refused = next(seen.at for seen in shops.seen if seen.fault == fault)
    in_flight = [moment for moment in tray if refused < moment < refused + 0.051]
    later = [moment for moment in tray if moment >= refused + 0.051]
    assert len(in_flight) <= 4
    assert min(later) >= refused + seconds
    shoplo = [seen.at for seen in at(shops, "local-shoplo")]
    assert max(after - before for before, after in pairwise(shoplo)) < 0.2
    assert sum(seen.fault == fault for seen in shops.seen) == 1
    assert {result["status"] for result in ended.results if result["account"] == "local-shoplo"} == {"ok"}


def down_between(begin: float, end: float, shops: list[Shops], fault: str, account: str = "local-tray") -> Script:
    """An account that meets ``fault`` in this time, counted from the first request."""

    def script(name: str, _request: Request) -> str:
        now = asyncio.get_running_loop().time() - (shops[0].seen[0].at if shops[0].seen else 1e9)
        return fault if name == account and begin <= max(0.0, now) < end else ""

    return script


@pytest.mark.parametrize("fault", sorted(_OUTAGE))
def test_an_outage_burns_no_line_and_ends_when_the_shop_is_back(tmp_path: Path, fault: str) -> None:
    lines = [each for cart in range(8) for each in tray_adds(f"c{cart}", 6)]
    held: list[Shops] = []
    shops = Shops(down_between(0.3, 600.0, held, fault))
    held.append(shops)
    ended = Harness(tmp_path, lines, shops).run()

    assert statuses(ended.results) == ["ok"] * len(lines)
    assert kill_storm.wrong(lines, ended.results, shops.sandbox.state()) == []
    during = [seen.at for seen in shops.seen if seen.fault == fault]
    assert len(during) < 60
    assert ended.seconds < 700
    assert any("is down" in str(event) for event in ended.events)
    assert any("up again" in str(event) for event in ended.events)


def test_creates_that_wait_for_the_limit_stay_when_the_shop_falls(tmp_path: Path) -> None:
    lines = [line("cart.create", "3dcart", f"c{number}") for number in range(60)]
    held: list[Shops] = []
    shops = Shops(down_between(2.0, 20.0, held, "html-502", "local-3dcart"))
    held.append(shops)
    ended = Harness(tmp_path, lines, shops, config=CONFIG.replace("limits = []", 'limits = ["5/s"]', 1)).run()

    assert 1 <= statuses(ended.results).count("in_doubt") <= 4  # those that were on their way together
    assert statuses(ended.results).count("ok") >= 56


def test_probes_of_a_shop_that_is_down_come_at_growing_intervals(tmp_path: Path) -> None:
    held: list[Shops] = []
    shops = Shops(down_between(0.0, 1000.0, held, "not-sent"))
    held.append(shops)
    Harness(tmp_path, tray_adds("c", 2), shops).run()

    probes = [seen.at for seen in shops.seen if "ping" in seen.request.path]
    gaps = [after - before for before, after in pairwise(probes)]
    assert gaps[0] < 2
    assert all(gap <= 60.1 for gap in gaps)
    assert min(gaps[-3:]) > 40


@pytest.mark.parametrize("fault", sorted(_OUTAGE))
def test_an_account_is_given_up_after_patience_with_its_lines_open(tmp_path: Path, fault: str) -> None:
    others = [line("cart.get", "shoplo", f"s{number}", cart_id=f"k{number}") for number in range(5)]
    lines = [*(each for cart in range(8) for each in tray_adds(f"c{cart}", 6)), *others]
    held: list[Shops] = []
    shops = Shops(down_between(0.3, 5000.0, held, fault))
    held.append(shops)
    shop = Harness(tmp_path, lines, shops, patience=600.0)
    ended = shop.run()

    assert ended.summary.exit_code == 3
    assert ended.summary.accounts["local-tray"].state == "unreachable"
    assert ended.summary.totals["ok"] + ended.summary.totals["not_attempted"] == len(lines)
    assert 600 <= ended.seconds < 700
    shops.script = lambda _account, _request: ""
    again = shop.run()
    assert again.summary.exit_code == 0
    assert kill_storm.wrong_effects(lines, again.results, shops.sandbox.state()) == []


def test_a_poison_line_at_a_healthy_shop_fails_and_the_others_go_on(tmp_path: Path) -> None:
    lines = [
        *tray_adds("good", 39),
        *tray_adds("bad", 1),
        line("cart.update", "tray", "bad", data={"email": "a@example.com"}),
    ]
    shops = Shops(lambda _account, request: "500-before" if request.method == "PUT" else "")
    ended = Harness(tmp_path, lines, shops, concurrency=2).run()

    assert statuses(ended.results) == [*["ok"] * 40, "failed"]
    poison = next(result for result in ended.results if result["status"] == "failed")
    assert poison["error"]["kind"] == "platform"
    assert poison["attempts"] >= 5
    assert ended.summary.exit_code == 1
    assert ended.seconds < 600


def test_a_shop_that_throttles_one_line_for_ever_is_given_up_for_that_line(tmp_path: Path) -> None:
    lines = [line("cart.get", "tray", "c", cart_id="k")]
    shops = Shops(lambda _account, _request: "429")
    ended = Harness(tmp_path, lines, shops).run()
    assert ended.results[0]["error"]["kind"] == "throttled"


def account_state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AccountState:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    return AccountState.open("local-tray", "here")


def test_an_expired_token_is_renewed_once_for_all_and_kept_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = account_state(tmp_path, monkeypatch)
    lines = [each for cart in range(8) for each in tray_adds(f"c{cart}", 5)]
    shops = Shops()
    seen: list[bool] = []

    def script(_account: str, request: Request) -> str:
        token = dict(request.query).get("access_token", "")
        if token.startswith("sandbox-access"):
            stored = json.loads(next((tmp_path / "state").rglob("tokens.json")).read_bytes())
            seen.append(stored["tokens"]["access_token"] == token)
        return "401" if len(shops.seen) == 10 else ""

    shops.script = script
    shop = Harness(tmp_path, lines, shops, concurrency=8, account_states={"local-tray": kept})
    ended = shop.run()

    assert statuses(ended.results) == ["ok"] * 40
    assert shops.sandbox.shop("tray").shop.tokens.renewals == 1
    assert sum(seen.request.path == "/auth" for seen in shops.seen) == 1
    assert seen
    assert all(seen)
    kept.close()


def test_a_token_refused_again_after_a_renewal_closes_the_account(tmp_path: Path) -> None:
    others = [line("cart.get", "shoplo", f"s{number}", cart_id=f"k{number}") for number in range(5)]
    lines = [*tray_adds("a", 3), *tray_adds("b", 3), *others]
    shops = Shops(lambda _account, request: "401" if "carts" in request.path and "tray" in _account else "")
    shop = Harness(tmp_path, lines, shops)
    ended = shop.run()

    assert shops.sandbox.shop("tray").shop.tokens.renewals == 1
    assert ended.summary.accounts["local-tray"].state == "closed"
    assert ended.summary.accounts["local-tray"].counts["not_attempted"] == 6
    assert ended.summary.accounts["local-shoplo"].counts["ok"] == 5
    assert ended.summary.exit_code == 3
    shops.script = lambda _account, _request: ""


def test_a_blocked_store_closes_the_account_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    lines = [*tray_adds("a", 3), *tray_adds("b", 3)]
    shops = Shops(lambda _account, _request: "1001" if len(shops.seen) >= 3 else "")
    shop = Harness(tmp_path, lines, shops, concurrency=1)
    ended = shop.run()

    assert len(shops.seen) == 4
    assert ended.summary.accounts["local-tray"].state == "closed"
    assert "is blocked" in ended.summary.accounts["local-tray"].reason
    assert ended.summary.totals["ok"] == 3
    shops.script = lambda _account, _request: ""
    again = shop.run()
    assert kill_storm.wrong(lines, again.results, shops.sandbox.state()) == []


def test_a_shop_that_is_down_while_a_token_is_renewed_does_not_close_the_account(tmp_path: Path) -> None:
    lines = tray_adds("a", 5)
    state = {"auth": 0}

    def script(_account: str, request: Request) -> str:
        if request.path == "/auth":
            state["auth"] += 1
            return "not-sent" if state["auth"] <= 4 else ""
        return "401" if len(shops.seen) == 2 else ""

    shops = Shops(script)
    ended = Harness(tmp_path, lines, shops).run()
    assert statuses(ended.results) == ["ok"] * 5


def test_a_run_whose_requests_left_from_other_processes_leaves_them_their_time_and_once(tmp_path: Path) -> None:
    shop = Harness(tmp_path, tray_adds("a", 2), shops := Shops(scripted([])))
    plan_job(shop)
    with closing(open_existing(journal_path(shop.results))) as journal:
        note_seats(journal)
        journal.execute(
            "INSERT INTO send (line, n, at, state, request) VALUES (-1, 1, ?, 'sent', '[]')", (EPOCH - 1e5,)
        )
    ended = shop.run(stop_after=0.0)  # the moment of asking says nothing: a hub may have been there long after it
    assert ended.seconds >= LASTS + SETTLE
    assert shops.seen == []
    ended = shop.run()
    assert ended.seconds < LASTS
    assert statuses(ended.results) == ["ok", "ok"]


def test_a_plan_that_leads_nowhere_stops_the_run_in_a_sentence_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Accounts that have writes under way want workers in the same moment."""
    added = {"local-3dcart": {}, "local-tray": {"product_id": 5}, "local-shoplo": {"variant_id": 5}}
    lines = [
        {"op": op, "account": account, "cart": f"c{number}", **more}
        for account, product in added.items()
        for number in range(6)
        for op, more in (("cart.create", {"data": {**product, "quantity": 1} if product else {}}), ("cart.get", {}))
    ]
    place = Harness(tmp_path, lines, Shops(lambda _account, request: "hang-after" if request.writes else ""))
    place.run(stop_after=1)
    with closing(open_existing(journal_path(place.results))) as journal:
        journal.execute("UPDATE plan SET chain = 1 WHERE line = 26")

    ended = place.run()

    assert "line 26 belongs to chain 1, and what it names is not there" in str(ended.failure)
    gc.collect()  # a worker that was never begun is a warning once it is gone
    assert caplog.text == ""


def test_no_credential_stands_in_journal_or_results(tmp_path: Path) -> None:
    lines = kill_storm.job(5, 6)
    shops = Shops(scripted(["", "500-after", "429", "", "reset-after", "401"] * 10))
    Harness(tmp_path, lines, shops).run()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("results*"))
    assert b"canary" not in written
    assert b"sandbox-access" not in written
    assert b"sandbox-refresh" not in written
