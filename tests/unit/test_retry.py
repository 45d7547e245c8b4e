"""When to ask again is arithmetic: back-off, probes, Retry-After, and a budget that refills."""

import random
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.engine.retry import RetryBudget, backoff, hinted_pause, probe_wait, retry_after, throttle_pause
from batchcart.model.http import Response
from batchcart.model.outcome import AskedPause
from batchcart.model.text import local_time
from batchcart.model.throttle import asked_pause, read_throttle

NOW = 1_800_000_000.0


@given(st.integers(0, 10_000), st.integers())
def test_back_off_is_random_below_a_bound_that_doubles_to_eight_seconds(tries: int, seed: int) -> None:
    assert 0 <= backoff(tries, random.Random(seed)) <= min(8.0, 0.25 * 2 ** min(tries, 7))


def test_back_off_grows_on_average() -> None:
    rng = random.Random(1)
    means = [sum(backoff(tries, rng) for _ in range(500)) / 500 for tries in range(1, 6)]
    assert means == sorted(means)


@given(st.integers(0, 10_000), st.integers())
def test_probes_grow_to_a_minute_and_are_never_immediate(probes: int, seed: int) -> None:
    assert 0.3 <= probe_wait(probes, random.Random(seed)) <= 60.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("fri,15 jan 2027 08:01:30 gmt", 90.0),
        ("Fri, 15 Jan 2027 08:01:30 -0000", 90.0),
        ("Fri, 15 Jan 2027 08:01:30 +0000", 90.0),
        ("Fri, 15 Jan 2027 08:01:30", 90.0),
        ("15 Jan 2027 08:01:30 UTC", 90.0),
        ("Fri, 15 Jan 2027 09:01:30 +0100", 90.0),
        ("Friday, 15-Jan-27 08:01:30 GMT", 90.0),
        ("Friday, 15-Jan-2027 08:01:30 GMT", 90.0),
        ("Fri Jan 15 08:01:30 2027", 90.0),
        ("Fri Jan  1 08:00:00 2027", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("9999999", 9999999.0),
        (formatdate(NOW + 1e9, usegmt=True), 1e9),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Warsaw", "America/Sao_Paulo", "Asia/Kathmandu"])
def test_retry_after_means_the_same_in_each_form_and_each_zone_of_the_machine(
    header: str, seconds: float, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after(AskedPause(header), NOW) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("off", [-7200.0, -40.0, 0.0, 3600.0, 259200.0])
def test_a_date_to_ask_again_is_one_of_the_clock_that_the_shop_shows_beside_it(off: float) -> None:
    headers = {"retry-after": formatdate(NOW + off + 90, usegmt=True), "date": formatdate(NOW + off, usegmt=True)}
    assert retry_after(asked_pause(Response(429, b"", headers)), NOW) == 90.0
    headers = {"x-ratelimit-reset": f"{NOW + off + 90:.0f}", "date": formatdate(NOW + off, usegmt=True)}
    assert hinted_pause(read_throttle("", Response(429, b"", headers)).hint, NOW) == 90.0


@pytest.mark.parametrize("clock", ["Thu, 01 Jan 1998 00:00:00 GMT", "Fri, 31 Dec 2032 23:59:59 GMT", "yesterday", ""])
def test_a_clock_that_shows_nonsense_beside_a_date_to_ask_again_changes_nothing(clock: str) -> None:
    headers = {"retry-after": formatdate(NOW + 90, usegmt=True), "date": clock}
    assert retry_after(asked_pause(Response(503, b"", headers)), NOW) == 90.0


@pytest.mark.parametrize(
    "header",
    [
        "", "soon", "7 seconds", "7s", "Mon, 99 Foo 2026", "nan", "inf", "1e300", "-3", "+3", ".5", "5.", "1,5", "0x10",
        "١٢", "2026-11-21", "2027-01-15T08:01:30Z", "1800000090", "9" * 200, "Fri, 15 Jan 2027 28:01:30 GMT",
        "Fri, 32 Jan 2027 08:01:30 GMT", "Fri, 15 Foo 2027 08:01:30 GMT", "Fri, 15 Jan 2027", "08:01:30",
        "Fri, 15 Jan 2027 08:01:30 +9999", "Fri, 15 Jan 0000 08:01:30 GMT", "Fri, 15 Jan 2027 08:01:30 GMT x",
    ],
)  # fmt: skip
def test_a_retry_after_that_says_nothing_is_none(header: str) -> None:
    assert retry_after(AskedPause(header, formatdate(NOW, usegmt=True)), NOW) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_makes_retry_after_raise(header: str, clock: str) -> None:
    found = retry_after(AskedPause(header, clock), NOW)
    assert found is None or found >= 0


@given(st.lists(st.floats(0, 100), max_size=60))
def test_the_budget_never_holds_more_than_fifty_and_always_refills(waits: list[float]) -> None:
    budget, now = RetryBudget(), 0.0
    for wait in waits:
        now += wait
        owed = budget.debit(now)
        assert owed >= 0
        assert budget.left <= RetryBudget.MOST
        now += owed
    owed = budget.debit(now + 60 + len(waits))
    assert owed == 0


def test_a_used_up_budget_lets_one_retry_through_a_second() -> None:
    budget = RetryBudget()
    for _ in range(50):
        owed = budget.debit(100.0)
        assert owed == 0
    for number in range(1, 6):
        owed = budget.debit(100.0)
        assert owed == pytest.approx(number)


def test_five_answers_earn_one_retry() -> None:
    budget = RetryBudget(left=-1.0, at=100.0)
    for _ in range(10):
        budget.credit()
    assert budget.debit(100.0) == pytest.approx(0.0, abs=1e-9)


def test_the_first_pause_after_a_429_is_part_of_the_window_and_each_further_one_doubles_it() -> None:
    rng = random.Random(1)
    for window, first in ((1.0, 0.25), (60.0, 1.0)):
        pauses = [throttle_pause(times, window, rng) for times in range(1, 9)]
        wanted = [min(8.0, first * 2**times) for times in range(8)]
        assert all(least <= pause <= 1.3 * least for pause, least in zip(pauses, wanted, strict=True))


def test_a_date_at_the_end_of_time_can_be_shown() -> None:
    asked = retry_after(AskedPause("Fri, 31 Dec 9999 23:59:59 GMT"), 1.8e9)
    assert asked is not None
    assert local_time(1.8e9 + asked)
