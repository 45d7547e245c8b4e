"""A job takes as long as its limits demand and no longer, without a 429, over restarts too, however long the way is."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import virtual_clock
from aiolimiter import AsyncLimiter
from limit_referees import Client, SlidingWindow

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.departures import Departures
from batchcart.engine.gates import WindowGate, bearable_jitter
from batchcart.model.limits import Bucket, Limit, Window, min_duration, parse_limit

LIMITS = ["180/min", "18/2s", "2/s", "8/s + 24/6s"]
WINDOWS = [0.5, 1, 1.5, 3, 10]


class All:
    """A referee of several windows; what one refuses counts in none."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.windows = [SlidingWindow(limit.count, limit.seconds) for limit in limits if isinstance(limit, Window)]

    def admits(self, now: float) -> bool:
        waits = [
            window
            for window in self.windows
            if sum(at > now - window.seconds + 1e-9 for at in window.admitted) >= window.count
        ]
        return not waits and sum(window.admits(now) for window in self.windows) == len(self.windows)


def limits_of(text: str) -> list[Limit]:
    return [parse_limit(part.strip()) for part in text.split("+")]


def longest(limits: Sequence[Limit]) -> Window:
    return max((limit for limit in limits if isinstance(limit, Window)), key=lambda window: window.seconds)


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("text", LIMITS)
def test_a_job_ends_as_soon_as_its_limits_allow(text: str, windows: float) -> None:
    limits = limits_of(text)
    count = int(longest(limits).count * windows)
    client = Client(limits, All(limits))
    virtual_clock.run(client.run(count))
    took = client.good[-1] - client.left[0]
    turns = (
        math.ceil(min(count, longest(limits).count) / client.workers) * 0.0035
    )  # eight at a time, at 4 ms a round trip
    assert not client.refused
    assert took <= 1.03 * min_duration(limits, count) + turns


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("text", LIMITS)
def test_an_irregular_way_costs_time_and_no_429(text: str, windows: float) -> None:
    limits = limits_of(text)
    count = int(longest(limits).count * windows)
    client = Client(limits, All(limits), jitter=0.05)
    virtual_clock.run(client.run(count))
    took = client.good[-1] - client.left[0]
    turns = math.ceil(min(count, longest(limits).count) / client.workers) * 0.075
    assert not client.refused
    # Windows of a second begin with the answer here, and so cost a part of a round trip each.
    assert took <= 1.08 * min_duration(limits, count) + turns


@pytest.mark.parametrize("jitter", [0.002, 0.05])
@pytest.mark.parametrize("text", LIMITS)
def test_restarts_bring_no_429_either(text: str, jitter: float, tmp_path: Path) -> None:
    limits = limits_of(text)
    referee = All(limits)
    refused: list[float] = []

    async def starts() -> None:
        for number in range(12):
            client = Client(limits, referee, jitter=jitter, seed=number, path=tmp_path / "sends")
            await client.run(seconds=longest(limits).seconds * (0.05 + 0.31 * (number % 4)))
            refused.extend(client.refused)

    virtual_clock.run(starts())
    assert refused == []


@pytest.mark.parametrize("slow", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("text", ["180/min", "30/min", "100/30s"])
def test_a_way_that_becomes_shorter_brings_no_429(text: str, slow: float) -> None:
    """What left in the slow time reached the shop late, and leaves its window late."""
    limits = limits_of(text)
    window = longest(limits)
    client = Client(limits, All(limits), jitter=0.0005, base=slow)

    async def script() -> None:
        asyncio.get_running_loop().call_later(0.7 * window.seconds, setattr, client, "base", 0.0)
        await client.run(3 * window.count)

    virtual_clock.run(script())
    assert client.refused == []
    assert client.good[-1] - client.left[0] <= 1.03 * min_duration(limits, 3 * window.count) + window.count / 4 * slow


def test_a_day_begins_anew_a_second_after_it_is_over_however_its_sends_are_counted() -> None:
    day, now = Window(10, 86_400.0), 1e6
    sends = SendHistory(None, 64, lambda: now, lambda: now)
    for number in range(10):
        sends.record(now - 86_400 + number)
    gate = WindowGate(day, Departures(sends, strict=False, bearable=bearable_jitter(day), affordable=0.0))
    assert now < gate.opens_at(now) <= now + 1.01


def test_burst_without_strict_windows_would_break_them_on_an_irregular_way() -> None:
    """What the switch by itself is for: with the jitter taken for bearable, a window of a second is broken."""
    limits = limits_of("2/s")
    client = Client(limits, All(limits), jitter=0.05)

    async def script() -> None:
        client.start()._departures.bearable = math.inf
        await client.run(200)

    virtual_clock.run(script())
    assert client.refused


def test_smooth_spreads_and_burst_does_not() -> None:
    limits = limits_of("180/min")
    burst, smooth = Client(limits, All(limits)), Client(limits, All(limits), pacing="smooth")
    for client in (burst, smooth):
        virtual_clock.run(client.run(100))
    assert burst.good[-1] - burst.good[0] < 1
    assert 28 < smooth.good[-1] - smooth.good[0] < 34


@pytest.mark.parametrize("decides", [True, False], ids=["with aiolimiter", "without it"])
def test_the_bucket_is_aiolimiters(decides: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    if not decides:
        monkeypatch.setattr(AsyncLimiter, "has_capacity", lambda _self, _amount=1: True)
    bucket = Bucket(5, 2.0)
    client = Client([bucket], All([]), jitter=0.0)
    virtual_clock.run(client.run(40))
    level = most = before = 0.0
    for moment in client.left:
        level = max(0.0, level - (moment - before) * bucket.leak) + 1
        before, most = moment, max(most, level)
    assert (most <= bucket.size) is decides


def test_a_shop_that_wants_spacing_gets_it_in_the_next_run_too() -> None:
    limits = limits_of("180/min")

    async def script() -> tuple[Client, Client]:
        first = Client(limits, SlidingWindow(1, 1 / 3))
        await first.run(60)
        assert first.limiter is not None
        memory = first.limiter.memory
        await asyncio.sleep(3600)
        second = Client(limits, SlidingWindow(1, 1 / 3), memory=memory)
        await second.run(60)
        return first, second

    first, second = virtual_clock.run(script())
    assert 0 < len(first.refused) <= 8
    assert second.refused == []
    assert second.good[-1] - second.good[0] <= 60 / 3 / 0.95
