"""The parts of a run in several processes that need none: who gets what, limits across a move, parcels, permits."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import virtual_clock
from hypothesis import given
from hypothesis import strategies as st

from batchcart.accounts.config import Account
from batchcart.accounts.options import AccountOptions
from batchcart.accounts.send_history import SendHistory
from batchcart.accounts.state import AccountState
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.engine.session import AccountSession
from batchcart.engine.token_refresh import token_fingerprint
from batchcart.journal.permit import Permit, PermitExpired, read_clock
from batchcart.journal.writer import JournalFailed
from batchcart.model.adapter import Credentials
from batchcart.model.events import Event
from batchcart.model.http import Request, Response, Sender
from batchcart.model.limits import Bucket, Limit, Window, parse_limit
from batchcart.platforms import load_adapters
from batchcart.runs.account_session import SessionBasis, make_session
from batchcart.runs.deps import WORLD
from batchcart.runs.seats.dealing import deal, estimate_rate, relieve
from batchcart.runs.seats.desk import Bureau, account_of, open_desk
from batchcart.runs.seats.holding import Holding
from batchcart.runs.seats.protocol import AccountRows, LateTokens, ResponseRow, Rows, Take, Welcome
from batchcart.runs.seats.remote_journal import RemoteJournal
from batchcart.runs.seats.send_book import SendBook
from batchcart.runs.seats.settling import LASTS, SETTLE

# Who gets what


@given(st.dictionaries(st.integers(1, 1000), st.floats(0.1, 1000), min_size=1), st.integers(1, 12))
def test_accounts_are_dealt_out_once_each_and_evenly(rates: dict[int, float], seats: int) -> None:
    loads: dict[int, list[float]] = {seat: [] for seat in range(seats)}
    dealt = deal(rates, loads)
    assert sorted(account for account, _ in dealt) == sorted(rates)
    weights = [sum(rates[account] for account, to in dealt if to == seat) for seat in range(seats)]
    assert max(weights) - min(weights) <= max(rates.values()) + 1e-6


def test_an_account_weighs_what_its_limits_let_through_and_not_its_lines() -> None:
    slow = [parse_limit("120/min")]
    assert estimate_rate(slow, 100_000) == pytest.approx(2, rel=0.01)
    assert estimate_rate(slow, 1_000_000) == pytest.approx(2, rel=0.01)
    assert estimate_rate([], 10) == 1000
    assert estimate_rate([], 0) == 0


def test_a_full_seat_gives_half_away_to_one_that_has_nothing_and_a_slow_one_nothing() -> None:
    full = dict.fromkeys(range(4), (500.0, 100000))
    assert relieve({"a": full, "b": {}}) == [0, 1]
    assert relieve({"a": full, "b": {9: (1.0, 10)}}) == []
    assert relieve({"a": {1: (500.0, 100_000)}, "b": {}}) == []
    assert relieve({"a": dict.fromkeys(range(4), (2.0, 100000)), "b": {}}) == []
    assert relieve({"a": dict.fromkeys(range(4), (500.0, 10)), "b": {}}) == []


# Limits across a move


def _rows(
    intents: Sequence[tuple[int, int]] = (), answers: Sequence[tuple[int, int]] = (), ended: Sequence[int] = ()
) -> AccountRows:
    """A bundle of one account: requests and answers by line and number, and lines that ended."""
    noted = [(line, number, 0.0, "") for line, number in intents]
    answered: list[ResponseRow] = [(line, number, "answered", (None, None, None, None)) for line, number in answers]
    return AccountRows(1, 1, noted, answered, [(line, "ok", "{}", b"", False) for line in ended], [], [])


class _Shop:
    """What a shop with the limits sees of an account that moves from seat to seat."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits, self.sent = limits, list[float]()
        self.clock = asyncio.get_running_loop().time
        self.book = SendBook(SendHistory(None, capacity(limits), self.clock, self._wall), limits, self.clock)

    def _wall(self) -> float:
        return 1e9 + self.clock()

    async def work(self, seconds: float, *, dies: bool) -> None:
        """One seat sends as fast as it may for so long, then gives the account back or dies."""
        now = self.clock()
        sends = SendHistory(None, capacity(self.limits), self.clock, self._wall)
        for age in self.book.ages():
            sends.record(now - age)
        for index, left in enumerate(self.book.empty_in()):
            sends.set_bucket_empty_at(index, now + left)
        limiter = RateLimiter(self.limits, sends, clock=self.clock)
        tasks = [asyncio.create_task(self._consume(limiter, worker * 1_000_000)) for worker in range(8)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if dies:
            self.book.settle(None)
            await asyncio.sleep(LASTS + SETTLE)
        else:
            buckets = [limit for limit in self.limits if isinstance(limit, Bucket)]
            now = self.clock()
            self.book.settle([max(0.0, sends.bucket_empty_at(index) - now) for index in range(len(buckets))])

    async def _consume(self, limiter: RateLimiter, key: int) -> None:
        """Lines of three requests each; an answer comes in one bundle with the next intent, and behind it."""
        while True:
            for number in range(1, 4):
                place = await limiter.acquire()
                self.book.note(_rows([(key, number)], [(key, number - 1)] if number > 1 else []))
                await asyncio.sleep(0.002)
                limiter.mark_sent(place)
                self.sent.append(self.clock())
                await asyncio.sleep(0.03)
                limiter.mark_completed(place, 0.03)
            self.book.note(_rows(ended=[key]))
            key += 1


@given(
    st.sampled_from(["60/30s", "5/s", "bucket 10 leak 2/s", "bucket 1 leak 5/s"]),
    st.lists(st.tuples(st.floats(0.05, 9), st.booleans()), min_size=2, max_size=6),
)
def test_a_limit_holds_whenever_and_however_an_account_moves(text: str, moves: list[tuple[float, bool]]) -> None:
    limit = parse_limit(text)

    async def move() -> list[float]:
        shop = _Shop([limit])
        for seconds, dies in moves:
            await shop.work(seconds, dies=dies)
        return shop.sent

    sent = virtual_clock.run(move())
    match limit:
        case Window(count, seconds):
            assert all(later - earlier >= seconds for earlier, later in zip(sent, sent[count:], strict=False))
        case Bucket(size, leak):
            level, last = 0.0, 0.0
            for at in sent:
                level = max(0.0, level - (at - last) * leak) + 1
                last = at
                assert level <= size + 1e-6


def make_book(clock: Callable[[], float], *limits: str) -> tuple[SendHistory, SendBook]:
    """The hub's book of an account's sends, and what it writes them into."""
    parsed = [parse_limit(text) for text in limits]
    sends = SendHistory(None, capacity(parsed), clock, clock)
    return sends, SendBook(sends, parsed, clock)


def test_a_request_that_is_noted_again_may_leave_as_long_after_that() -> None:
    now = 100.0
    sends, book = make_book(lambda: now, "5/s", "bucket 10 leak 2/s")
    for now in (100.0, 102.0):  # noqa: B007  # the clock reads it
        book.note(_rows([(7, 1)]))
    assert sends.nth_last(1) == 102.0 + LASTS
    assert sends.nth_last(2) == 102.0


def test_a_late_answer_to_the_request_before_is_none_to_the_one_that_is_noted() -> None:
    now = 100.0
    sends, book = make_book(lambda: now, "5/s")
    book.note(_rows([(7, 1)]))
    book.note(_rows([(7, 2)], [(7, 1)]))
    assert sends.nth_last(1) == 100.0 + LASTS
    now = 101.0
    book.note(_rows([], [(7, 2)]))
    assert sends.nth_last(1) == 101.0


_SOME = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), max_size=12)


@given(st.lists(st.tuples(_SOME, _SOME, st.lists(st.integers(1, 9), max_size=6)), max_size=5))
def test_a_bundle_of_sends_counts_as_one_after_the_other_does(
    bundles: list[tuple[list[tuple[int, int]], list[tuple[int, int]], list[int]]],
) -> None:
    now = 100.0
    (whole, book), (single, other) = (make_book(lambda: now, "7/30s", "bucket 4 leak 2/s") for _ in range(2))
    for now, (intents, answers, ended) in enumerate(bundles, 101):  # noqa: B007  # the clock reads it
        book.note(_rows(intents, answers, ended))
        for intent in intents:
            other.note(_rows([intent]))
        for answer in answers:
            other.note(_rows([], [answer]))
        for line in ended:
            other.note(_rows([], [], [line]))
        assert [whole.nth_last(place) for place in range(1, 8)] == [single.nth_last(place) for place in range(1, 8)]
        assert whole.bucket_empty_at(0) == pytest.approx(single.bucket_empty_at(0))


def test_what_a_lost_seat_may_still_send_counts_from_the_last_moment_at_which_it_may() -> None:
    now = 100.0
    _, book = make_book(lambda: now, "5/30s")
    book.note(_rows([(line, 1) for line in range(1, 6)]))
    now = 100.5
    book.settle(None)
    now = 132.5
    assert len(book.ages()) == 5
    now = 133.5
    assert book.ages() == []


# Permits


def _request() -> Request:
    return Request("POST", "/carts")


async def _turn_until(come: Callable[[], bool]) -> None:
    while not come():  # noqa: ASYNC110  # turns of the loop are what is counted
        await asyncio.sleep(0)


async def test_an_intent_lets_its_request_leave_for_a_while_after_it_was_handed_over() -> None:
    sent = list[Rows]()
    journal = RemoteJournal(sent.append, lasts=60.0)
    account = journal.of_account(1, 1)
    before = read_clock()
    first = asyncio.ensure_future(account.record_intent(1, 1, 0.0, _request()))
    await _turn_until(lambda: bool(sent))
    second = asyncio.ensure_future(account.record_intent(2, 1, 0.0, _request()))
    await asyncio.sleep(0.01)
    assert len(sent) == 1  # one bundle is on its way at a time
    journal.finish_bundle("")
    permit = await first
    assert before <= permit.until - 60 <= read_clock()
    permit.check()
    assert len(sent) == 2
    journal.finish_bundle("the disk is full")
    with pytest.raises(JournalFailed, match="full"):
        await second
    with pytest.raises(JournalFailed, match="full"):
        await account.record_intent(3, 1, 0.0, _request())


async def test_a_lines_end_and_the_next_lines_intent_are_handed_over_together() -> None:
    sent = list[Rows]()
    journal = RemoteJournal(sent.append)
    account = journal.of_account(1, 1)
    account.record_result(1, "ok", "{}", b"{}", keep_past=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    intent = account.record_intent(2, 1, 0.0, _request())
    await _turn_until(lambda: bool(sent))
    journal.finish_bundle("")
    await intent
    assert [(len(rows.accounts[0].results), len(rows.accounts[0].intents)) for rows in sent] == [(1, 1)]


def test_a_permit_that_ran_out_lets_nothing_leave() -> None:
    with pytest.raises(PermitExpired):
        Permit(read_clock() - 0.001).check()


async def test_a_disk_that_takes_as_long_as_a_permit_lasts_does_not_use_it_up() -> None:
    sent = list[Rows]()
    journal = RemoteJournal(sent.append, lasts=0.0)
    intent = asyncio.ensure_future(journal.of_account(1, 1).record_intent(1, 1, 0.0, _request()))
    await _turn_until(lambda: bool(sent))
    written = read_clock()
    journal.finish_bundle("")
    await asyncio.sleep(0)
    assert not intent.done()
    assert sent[1:] == [Rows([])]  # nothing more is to be written
    journal.finish_bundle("")
    assert (await intent).until >= written


async def test_a_large_bundle_is_not_made_larger() -> None:
    sent = list[Rows]()
    journal = RemoteJournal(sent.append, lasts=60.0)
    account = journal.of_account(1, 1)
    for line in range(5):
        account.record_result(line, "ok", "{}", bytes(20 << 20), keep_past=False)
    flushed = asyncio.ensure_future(journal.flush())
    await _turn_until(lambda: bool(sent))
    for _ in range(5):
        await asyncio.sleep(0)
        journal.finish_bundle("")
    await flushed
    assert [len(rows.accounts[0].results) for rows in sent] == [1, 1, 1, 1, 1]


async def test_a_seat_that_lost_its_hub_sends_nothing_more_and_knows_what_the_hub_does_not() -> None:
    sent = list[Rows]()
    journal = RemoteJournal(sent.append, lasts=60.0)
    account = journal.of_account(7, 1)
    intents = [asyncio.ensure_future(account.record_intent(line, 1, float(line), _request())) for line in (1, 2, 3)]
    await _turn_until(lambda: bool(sent))
    journal.finish_bundle("")
    permit = await intents[0]
    account.record_response(1, 1, "answered", (201, "{}", b"yes", None))
    account.record_result(2, "ok", "{}", b"{}", keep_past=False)
    unheard = asyncio.ensure_future(account.record_intent(4, 1, 4.0, _request()))
    await asyncio.sleep(0)
    journal.lose_hub()
    with pytest.raises(PermitExpired):
        permit.check()
    with pytest.raises(JournalFailed):
        await unheard
    found = {late.intent[0]: late for late in journal.late_answers()}
    assert {line: late.account for line, late in found.items()} == {1: 7, 2: 7, 4: 7}
    assert found[1].response == (1, 1, "answered", (201, "{}", b"yes", None))
    assert found[2].result == (2, "ok", "{}", b"{}", False)
    assert found[4].response is not None
    assert found[4].response[2] == "void"  # it was never allowed to leave


class _Notebook:
    """A journal elsewhere, whose permits last as long as it is told, the last of them for all that follow."""

    def __init__(self, *lasts: float) -> None:
        self.lasts, self.intents, self.answers = list(lasts), list[int](), list[str]()

    async def record_intent(self, line: int, number: int, at: float, request: Request) -> Permit:  # noqa: ARG002
        self.intents.append(number)
        return Permit(read_clock() + (self.lasts.pop(0) if len(self.lasts) > 1 else self.lasts[0]))

    def record_response(self, line: int, number: int, state: str, row: Sequence[object]) -> None:  # noqa: ARG002
        self.answers.append(state)

    def record_result(self, line: int, status: str, learnt: str, text: bytes, *, keep_past: bool) -> None:
        raise NotImplementedError

    def record_account_state(self, account: str, state: str, reason: str) -> None:
        raise NotImplementedError

    def record_event(self, at: float, event: Event) -> None:
        raise NotImplementedError


def _account() -> Account:
    credentials, options = Credentials({"access_token": "t"}), AccountOptions(platform="tray")
    return Account("loja", load_adapters().find("tray"), "http://127.0.0.1", credentials, (), options)


def _session(notebook: _Notebook, befalls: Callable[[AccountSession], None]) -> tuple[AccountSession, list[Request]]:
    """A session, and what leaves it; something befalls it right before each request leaves."""
    account = _account()
    left = list[Request]()

    async def send(request: Request, leaving: Callable[[], None]) -> Response:
        befalls(session)
        leaving()
        left.append(request)
        return Response(200)

    basis = SessionBasis(
        account=account,
        number=1,
        probe=1,
        journal=notebook,
        memory=AccountState(None),
        sends=SendHistory(None, 1, WORLD.clock, WORLD.wall),
        learnt=b"",
        tokens={},
        past=(),
        note=lambda _: None,
        patience=60.0,
        stop_after=0,
    )
    session = make_session(basis, send, WORLD)
    return session, left


async def test_a_request_that_came_too_late_is_noted_again_and_leaves_once() -> None:
    notebook = _Notebook(-1.0, -1.0, 60.0)
    session, left = _session(notebook, lambda _: None)
    heard = await session.send_request(1, 1, _request())
    assert heard is not None
    assert notebook.intents == [1, 1, 1]
    assert len(left) == session.stats.sent == 1


@pytest.mark.parametrize(
    "befalls",
    [
        lambda session: session.signal.stop(),
        lambda session: session.health.record_failure("it is down", 0.0, alarming=True),
    ],
    ids=["stopped", "down"],
)
async def test_a_request_that_came_too_late_for_a_session_that_goes_no_further_is_noted_as_nothing(
    befalls: Callable[[AccountSession], None],
) -> None:
    notebook = _Notebook(-1.0)
    session, left = _session(notebook, befalls)
    assert await session.send_request(1, 1, _request()) is None
    assert (notebook.intents, notebook.answers, left) == ([1], ["void"], [])


# Secrets


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file is all there is")
async def test_a_clients_key_lies_in_no_folder_where_a_killed_seat_would_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = AccountOptions(platform="tray")
    take = Take(
        1, 1, "loja", "tray", "https://shop.example", options, [], {"access_token": "t"}, ["access_token"], {}, [],
        None, "the authority", ("the certificate", "the key"), [], [], b"", 1,
    )  # fmt: skip
    seen = list[str]()

    def read(path: Path) -> str:
        return path.read_text()

    def files(folder: Path) -> list[Path]:
        return list(folder.rglob("*"))

    @asynccontextmanager
    async def look(account: Account) -> AsyncIterator[Sender]:
        assert account.client_certificate is not None
        assert account.ca_file is not None
        own = account.client_certificate
        seen.extend(map(read, (account.ca_file, own.certificate, own.key, own.key)))
        seen.extend(map(str, files(tmp_path)))
        yield lambda _request, _leaving: asyncio.Future()

    deps = replace(WORLD, open_client=look)
    welcome = Welcome(0.0, "run", "job", None, 60.0, 0)
    bureau = Bureau(lambda _: None, RemoteJournal(lambda _: None), welcome, load_adapters(), deps)
    async with open_desk(bureau, take, account_of(take, load_adapters())):
        assert seen == ["the authority", "the certificate", "the key", "the key"]


# What a seat that was cut off brings


def test_late_tokens_are_kept_where_they_come_from_those_that_the_hub_has(tmp_path: Path) -> None:
    account, state = _account(), AccountState(tmp_path)
    _, book = make_book(lambda: 100.0)
    holding = Holding(1, account, state, book, b"", {})
    origin = token_fingerprint(account.credentials)
    assert not holding.lacks(LateTokens(1, "of another config", {}, {"access_token": "a"}))
    assert holding.lacks(LateTokens(1, origin, {}, {"access_token": "b"}))
    assert not holding.keep_tokens(origin, {"access_token": "b"})
    assert state.tokens(origin) == holding.tokens == {"access_token": "b"}
    assert not holding.lacks(LateTokens(1, origin, {}, {"access_token": "c"}))  # somebody renewed since
    assert holding.lacks(LateTokens(1, origin, {"access_token": "b"}, {"access_token": "d"}))
