"""What a person must see of a run is told as events: few, in sentences, kept in the journal, without secrets."""

import asyncio
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import virtual_clock
from engine_harness import Harness
from in_memory_shops import EPOCH, Shops

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.event_filter import EventLimiter
from batchcart.engine.pause_monitor import PauseMonitor
from batchcart.engine.rate_limiter import RateLimiter
from batchcart.engine.session import AccountSession
from batchcart.journal.schema import open_existing, open_reading
from batchcart.journal.timeline import Pause, pauses
from batchcart.journal.timeline import events as told_in
from batchcart.model import events
from batchcart.model.events import (
    AccountClosed,
    DoubtsSettled,
    Event,
    LimitLowered,
    LimitRestored,
    Paused,
    QuotaUsedUp,
    RunFinished,
    RunRefused,
    RunResumed,
    RunStarted,
    RunStopped,
    SecretsExposed,
    ShopDown,
    ShopUp,
    StorageFailed,
    ThrottlingEnded,
    TokenRenewed,
    WorkerDied,
    account_of,
    is_urgent,
    kind_of,
    level_of,
    map_text,
)
from batchcart.model.http import Request
from batchcart.model.limits import Window
from batchcart.model.text import local_time, rate
from batchcart.runs.paths import journal_path

AT = EPOCH
EXAMPLES: tuple[Event, ...] = (
    RunRefused("job.jsonl:3: op: missing", 2),
    RunStarted("job.jsonl", 1000, 1),
    RunResumed("job.jsonl", 1000, 250),
    RunFinished(1000, 990, failed=10),
    RunStopped(1000, 600, "by a signal", 400),
    StorageFailed("the disk is full"),
    WorkerDied("a process of the run died"),
    DoubtsSettled(3, 1, by_hand=True),
    SecretsExposed(("acme.key", "batchcart.toml")),
    Paused("acme", AT, "the shop answered HTTP 429"),
    ThrottlingEnded("acme", AT, AT + 90, 12, 40.0),
    QuotaUsedUp("loja", "10000/day", AT),
    ShopDown("acme", "connection refused", AT, AT + 1, AT + 1800),
    ShopUp("acme", AT, 7),
    LimitLowered("acme", "5/s", 2.1, AT),
    LimitRestored("acme", "5/s"),
    TokenRenewed("loja"),
    AccountClosed("acme", "closed", "the token was refused"),
)
ids = pytest.mark.parametrize("event", EXAMPLES, ids=kind_of)


def lines(count: int, account: str = "local-3dcart") -> list[dict[str, Any]]:
    return [
        {"op": "cart.create", "account": account, "cart": f"c{n}", "data": {"BillingFirstName": "a"}}
        for n in range(count)
    ]


def test_every_kind_of_event_has_an_example_here() -> None:
    assert {type(event) for event in EXAMPLES} == set((events.OfRun | events.OfAccount).__args__)


@ids
def test_an_event_is_a_sentence_and_comes_back_from_json_as_it_was(event: Event) -> None:
    text = msgspec.json.encode(event)

    assert event == msgspec.json.decode(text, type=Event)
    assert "\n" not in str(event)
    assert re.search(r"\w+ \w+", str(event))
    assert account_of(event) in str(event)
    assert level_of(event) in {"info", "warning", "error"}


@ids
def test_a_secret_that_a_shop_said_back_is_cleaned_out_of_every_text(event: Event) -> None:
    spoilt = msgspec.structs.replace(
        event,
        **{
            name: "s3cret"
            for name, value in msgspec.structs.asdict(event).items()
            if isinstance(value, str) and name not in {"account", "state"}
        },
    )
    clean = map_text(spoilt, lambda text: text.replace("s3cret", "***"))

    assert b"s3cret" not in msgspec.json.encode(clean)
    assert kind_of(clean) == kind_of(event)


@pytest.mark.parametrize(
    ("per_second", "text"), [(2.0, "2/s"), (1.99, "1.99/s"), (0.5, "30/min"), (0.001, "3.6/h"), (0.0001, "8.64/day")]
)
def test_a_rate_is_told_in_a_unit_that_one_can_imagine(per_second: float, text: str) -> None:
    assert text == rate(per_second)


def test_a_run_with_a_thousand_429s_tells_of_few_pauses_and_counts_them_all(tmp_path: Path) -> None:
    seen: Counter[bytes] = Counter()

    def three_times(_account: str, request: Request) -> str:
        seen[request.body] += 1
        return "429" if seen[request.body] % 4 else ""

    ended = Harness(tmp_path, lines(350), Shops(three_times), concurrency=8).run()
    refusals = ended.sessions[0].stats.refusals

    assert refusals >= 1000
    assert refusals == sum(event.refusals for event in ended.events if isinstance(event, ThrottlingEnded))
    assert len(ended.events) < 40


@pytest.fixture
def session(tmp_path: Path) -> AccountSession:
    """A session that has done its work, and whose clock stands still."""
    return Harness(tmp_path, lines(1), Shops()).run().sessions[0]


def noting(session: AccountSession) -> tuple[AccountSession, list[Event]]:
    """The session, telling its events to a list."""
    noted: list[Event] = []
    return replace(session, emit=noted.append), noted


def test_a_pause_that_is_prolonged_is_one_and_is_told_again_only_when_it_becomes_long(session: AccountSession) -> None:
    (session, noted), now = noting(session), session.clocks.wall()
    pulse = PauseMonitor(session)
    for seconds in (5, 20, 90, 100):
        session.limiter.pause(seconds)
        session.stats.refusals += 1
        pulse.poll()
    first, long = noted

    assert first == Paused("local-3dcart", now + 5, "as the shop asked in an earlier run", long=False)
    assert long == Paused("local-3dcart", now + 90, first.why, long=True)
    assert not is_urgent(first)
    assert is_urgent(long)


def test_a_pause_that_the_run_leaves_early_lasted_only_until_then(session: AccountSession) -> None:
    (session, noted), now = noting(session), session.clocks.wall()
    pulse = PauseMonitor(session)
    session.limiter.pause(3600)
    pulse.poll()
    pulse.finish()

    assert noted[1:] == [ThrottlingEnded("local-3dcart", now, now, 0, 0.0)]


def test_a_limit_that_is_learnt_is_told_once_and_again_when_it_is_forgotten(session: AccountSession) -> None:
    session, noted = noting(session)
    pulse = PauseMonitor(session)
    known = session.limiter._lessons.limit
    for throttle in (msgspec.structs.replace(known, allowed=2.0 * known.seconds), known):
        session.limiter._lessons.limit = throttle
        pulse.poll()
        pulse.poll()

    lowered, restored = noted

    assert isinstance(lowered, LimitLowered)
    assert msgspec.structs.replace(lowered, more_at=0.0) == LimitLowered("local-3dcart", "", 2.0)
    assert restored == LimitRestored("local-3dcart", "")
    assert "no limit" in str(lowered)


def test_what_is_told_of_a_learnt_limit_is_what_until_when_and_no_advice() -> None:
    told = str(LimitLowered("acme", "180/min", 1.5, AT))
    assert "answers 429 although 180/min is kept" in told
    assert "about 90/min" in told
    assert f"more is tried from {local_time(AT)} on" in told
    assert "config" not in told


def test_a_shop_that_comes_and_goes_all_night_is_told_in_a_page_and_each_end_has_its_beginning() -> None:
    crowd = EventLimiter()
    both = (ShopDown("acme", "refused", AT, AT, AT), ShopUp("acme", AT, 2))
    minutes = range(12 * 60)
    known = [event for minute in minutes for event in both if crowd.admits(event, AT + 60 * minute)]

    assert len(known) < 2 * (50 + 12 * 6 + 1)
    assert known[::2] == [event for event in known if isinstance(event, ShopDown)]
    assert known[1::2] == [event for event in known if isinstance(event, ShopUp)]


def test_an_outage_is_told_with_its_beginning_and_its_end(tmp_path: Path) -> None:
    shops = Shops(lambda _account, _request: "not-sent" if 3 < asyncio.get_running_loop().time() - 1000 < 60 else "")
    shops.latency = lambda: 0.5
    ended = Harness(tmp_path, lines(60), shops).run()
    down, up = ended.events

    assert isinstance(down, ShopDown)
    assert isinstance(up, ShopUp)
    assert down.since == up.since == pytest.approx(EPOCH + 1003.5, abs=1)
    assert down.since < down.asked_at < down.given_up_at == down.since + 1800
    with closing(open_reading(journal_path(tmp_path / "results.jsonl"))) as connection:
        (pause,) = pauses(told_in(connection))
    assert pause.reason == "unreachable"
    assert pause.began == down.since
    assert pause.ended == pytest.approx(EPOCH + 1060, abs=60)


def test_a_renewed_token_and_a_closed_account_are_told_without_the_token(tmp_path: Path) -> None:
    ended = Harness(tmp_path, lines(3), Shops(lambda _account, _request: "401")).run()
    (closed,) = ended.events

    assert isinstance(closed, AccountClosed)
    assert (closed.state, level_of(closed)) == ("closed", "error")
    assert "canary" not in str(ended.events)


def test_a_wait_whose_end_depends_on_a_send_is_not_told_as_a_used_up_limit() -> None:
    waits: list[float] = []

    async def two_sends() -> None:
        clock = asyncio.get_running_loop().time
        sends = SendHistory(None, 1024, monotonic=clock, wall=clock)
        limiter = RateLimiter(
            [Window(1, 100.0)], sends, strict=False, clock=clock, long_wait=lambda _of, seconds: waits.append(seconds)
        )
        first = await limiter.acquire()
        asyncio.get_running_loop().call_later(300, limiter.mark_sent, first)
        await limiter.acquire()

    virtual_clock.run(two_sends())
    assert len(waits) == 1
    assert waits[0] == pytest.approx(100, abs=2)


def folded(*told: tuple[float, Event]) -> list[Pause]:
    return list(pauses(told))


def test_pauses_end_with_what_ends_them() -> None:
    quota, down = QuotaUsedUp("a", "10000/day", 900.0), ShopDown("b", "refused", 20.0, 30.0, 1800.0)

    assert [Pause("a", "quota", 10.0, 50.0, "10000/day is used up")] == folded((10.0, quota), (50.0, RunStopped(9, 1)))
    assert [Pause("a", "quota", 10.0, 900.0, "10000/day is used up")] == folded((10.0, quota), (999.0, RunFinished(9)))
    assert [Pause("b", "unreachable", 20.0, 60.0, "refused")] == folded((25.0, down), (60.0, ShopUp("b", 20.0, 3)))
    assert [Pause("b", "unreachable", 20.0, None, "refused")] == folded((25.0, down))
    assert [Pause("b", "unreachable", 20.0, 70.0, "refused")] == folded((25.0, down), (70.0, RunResumed("j", 9, 1)))
    assert [Pause("a", "throttled", 10.0, 40.0, "429", 7)] == folded(
        (10.0, Paused("a", 20.0, "429")),
        (12.0, Paused("a", 80.0, "429", long=True)),
        (90.0, ThrottlingEnded("a", 10.0, 40.0, 7, 9.0)),
    )


def test_a_journal_of_an_older_version_opens_and_tells_of_nothing(tmp_path: Path) -> None:
    shop = Harness(tmp_path, lines(2), Shops())
    shop.run(stop_after=0.0)
    path = journal_path(shop.results)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE event")
    with closing(open_reading(path)) as connection:
        assert list(told_in(connection)) == []
    with closing(open_existing(path)) as connection:
        assert list(told_in(connection)) == []
    assert [result["status"] for result in shop.run().results] == ["ok", "ok"]


def test_a_kind_that_a_newer_version_noted_is_left_out(tmp_path: Path) -> None:
    shop = Harness(tmp_path, lines(1), Shops())
    shop.run()
    with closing(open_existing(journal_path(shop.results))) as connection:
        for fields in ('{"kind":"from_the_future","x":1}', '{"kind":"token_renewed","account":"a"}'):
            connection.execute("INSERT INTO event VALUES (NULL, 1.0, 'a', 'k', NULL, 'm', ?)", (fields,))
        told = [event for _, event in told_in(connection)]
    assert [type(event) for event in told] == [RunStarted, RunFinished, TokenRenewed]


PAGE = Path(__file__).parents[2] / "docs" / "watching.md"


@ids
def test_every_event_stands_in_the_documentation_with_its_level_and_fields(event: Event) -> None:
    (row,) = re.findall(rf"^\| `{kind_of(event)}` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE)
    level, aloud, _, fields = row.split(" | ")

    assert level.split(";")[0] == level_of(event)
    assert re.findall(r"`(\w+)`", fields) == list(msgspec.structs.asdict(event))
    assert (aloud == "yes") == is_urgent(event)


def test_the_documentation_names_no_event_that_there_is_not() -> None:
    table = PAGE.read_text().split("## Events")[1].split("## The log")[0]

    assert set(re.findall(r"^\| `(\w+)` ", table, flags=re.MULTILINE)) == {kind_of(event) for event in EXAMPLES}
