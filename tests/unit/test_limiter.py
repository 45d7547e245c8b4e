"""Limits hold in every window, whatever happens between the permit and the send, and they are used up."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import virtual_clock
from hypothesis import given
from hypothesis import strategies as st

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.model.limits import Bucket, Limit, Pacing, Window, parse_limit


@dataclass
class Traffic:
    """Workers that send under limits as a session does: permit, a wait for the disk, the send, a wait for the
    answer."""

    limits: Sequence[Limit]
    workers: int = 8
    strict: bool = False
    pacing: Pacing = "burst"
    before: Callable[[], float] = lambda: 0.001
    round_trip: Callable[[], float] = lambda: 0.05
    path: Path | None = None
    sent: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    began: float = 0.0

    def limiter(self) -> RateLimiter:
        clock = asyncio.get_running_loop().time
        sends = SendHistory(self.path, capacity(self.limits), monotonic=clock, wall=lambda: 1e9 + clock())
        return RateLimiter(self.limits, sends, clock=clock, pacing=self.pacing, strict=self.strict)

    async def run(self, count: int, *, until: float = float("inf")) -> None:
        loop = asyncio.get_running_loop()
        limiter = self.limiter()
        self.began = loop.time()
        left = count

        async def work() -> None:
            nonlocal left
            while left > 0 and loop.time() < until:
                left -= 1
                number = limiter.acquire_now()
                if number is None:
                    number = await limiter.acquire()
                await asyncio.sleep(self.before())
                limiter.mark_sent(number)
                self.sent.append(loop.time())
                took = self.round_trip()
                await asyncio.sleep(took)
                self.answered.append(loop.time())
                limiter.mark_completed(number, took)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(work())


def worst(times: Sequence[float], seconds: float) -> int:
    """The most times in any half-open window of that length."""
    most = first = 0
    ordered = sorted(times)
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


def fullest(times: Sequence[float], bucket: Bucket) -> float:
    """The highest level of the bucket."""
    level = most = 0.0
    before = 0.0
    for moment in sorted(times):
        level = max(0.0, level - (moment - before) * bucket.leak) + 1
        before, most = moment, max(most, level)
    return most


def assert_kept(limits: Sequence[Limit], times: Sequence[float]) -> None:
    for limit in limits:
        if isinstance(limit, Window):
            assert worst(times, limit.seconds) <= limit.count, limit
        else:
            assert fullest(times, limit) <= limit.size + 1e-6, limit


_windows = st.builds(Window, st.integers(1, 60), st.sampled_from([0.2, 1.0, 2.0, 7.5, 60.0]))
_buckets = st.builds(Bucket, st.integers(1, 60), st.sampled_from([0.5, 2.0, 20.0]))
_mixes = st.lists(st.one_of(_windows, _windows, _buckets), min_size=1, max_size=3)
_waits = st.sampled_from([0.0, 0.0005, 0.003, 0.05, 0.4, 3.0])


_pacings = st.sampled_from(["burst", "smooth"])


@given(
    _mixes,
    st.lists(_waits, min_size=1, max_size=12),
    st.lists(_waits, min_size=1, max_size=5),
    st.integers(1, 12),
    _pacings,
)
def test_no_limit_is_exceeded_whatever_happens_between_permit_and_send(
    limits: list[Limit], before: list[float], trips: list[float], workers: int, pacing: Pacing
) -> None:
    rng = random.Random(len(before) * workers)
    traffic = Traffic(
        limits, workers, pacing=pacing, before=lambda: rng.choice(before), round_trip=lambda: rng.choice(trips)
    )
    virtual_clock.run(traffic.run(250))
    assert len(traffic.sent) == 250
    assert_kept(limits, traffic.sent)


@given(
    st.lists(_windows, min_size=1, max_size=2), st.lists(_waits, min_size=1, max_size=5), st.integers(1, 12), _pacings
)
def test_strict_windows_begin_with_the_answers(
    limits: list[Limit], trips: list[float], workers: int, pacing: Pacing
) -> None:
    rng = random.Random(workers)
    traffic = Traffic(limits, workers, strict=True, pacing=pacing, round_trip=lambda: rng.choice(trips))
    virtual_clock.run(traffic.run(150))
    assert_kept(limits, traffic.sent)
    for window in limits:
        assert isinstance(window, Window)
        ordered = sorted(traffic.answered)
        for index, moment in enumerate(sorted(traffic.sent)[window.count :]):
            assert moment >= ordered[index] + window.seconds


@pytest.mark.parametrize("pacing", ["burst", "smooth"])
@pytest.mark.parametrize("strict", [False, True], ids=["from the send", "from the answer"])
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2/s", 200),
        ("50/s", 600),
        ("180/min", 600),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in [("2/s", 400), ("50/s", 3000), ("180/min", 1800), ("500/s", 12000)]
        ),
    ],
)
def test_a_limit_is_used_up_while_there_is_work(text: str, count: int, strict: bool, pacing: Pacing) -> None:  # noqa: FBT001
    limit = parse_limit(text)
    assert isinstance(limit, Window)
    rng = random.Random(1)
    traffic = Traffic(
        [limit],
        workers=64,
        strict=strict,
        pacing=pacing,
        before=lambda: rng.uniform(0.0003, 0.004),
        round_trip=lambda: rng.uniform(0.001, 0.003) if strict else rng.uniform(0.05, 0.052),
    )
    virtual_clock.run(traffic.run(count))
    assert_kept([limit], traffic.sent)
    rate = (count - 1) / (max(traffic.sent) - min(traffic.sent))
    assert rate * limit.seconds / limit.count >= 0.99


@pytest.mark.parametrize("text", ["bucket 50 leak 2/s", "bucket 10 leak 20/s", "bucket 1 leak 2/s"])
def test_a_bucket_is_filled_and_then_its_leak_is_used_up(text: str) -> None:
    bucket = parse_limit(text)
    assert isinstance(bucket, Bucket)
    traffic = Traffic([bucket])
    virtual_clock.run(traffic.run(1000))
    assert_kept([bucket], traffic.sent)
    span = max(traffic.sent) - min(traffic.sent)
    assert (1000 - bucket.size) / (span * bucket.leak) >= 0.985
    assert fullest(traffic.sent, bucket) >= bucket.size - 1.6


@given(_mixes, st.lists(st.floats(0.0, 8.0), min_size=1, max_size=5), st.integers(0, 99))
def test_restarts_keep_the_limits(limits: list[Limit], stops: list[float], seed: int) -> None:
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        traffic = Traffic(limits, 6, before=lambda: rng.choice([0.0, 0.002, 0.3]), path=Path(folder, "sends"))

        async def starts() -> None:
            for seconds in stops:
                try:
                    async with asyncio.timeout(seconds):  # breaks off anywhere, as a kill does
                        await traffic.run(10_000)
                except TimeoutError:
                    pass
            await traffic.run(50)

        virtual_clock.run(starts())
    assert_kept(limits, traffic.sent)


def test_a_cancelled_waiter_takes_no_place() -> None:
    async def script() -> int:
        traffic = Traffic([Window(2, 10.0)])
        limiter = traffic.limiter()
        for _ in range(2):
            number = await limiter.acquire()
            limiter.mark_sent(number)
            limiter.mark_completed(number, 0.0)
        waiters = [asyncio.create_task(limiter.acquire()) for _ in range(5)]
        await asyncio.sleep(1)
        for waiter in waiters[:4]:
            waiter.cancel()
        await asyncio.sleep(9.5)
        assert waiters[4].done()
        return await asyncio.wait_for(limiter.acquire(), 11)

    assert virtual_clock.run(script()) == 4


def test_a_429_holds_everything_for_as_long_as_it_says() -> None:
    async def script() -> float:
        limiter = Traffic([Window(100, 1.0)]).limiter()
        limiter.mark_sent(await limiter.acquire())
        began = asyncio.get_running_loop().time()
        limiter.record_throttle(7.0)
        limiter.record_throttle(2.0)
        await limiter.acquire()
        return asyncio.get_running_loop().time() - began

    assert virtual_clock.run(script()) == pytest.approx(7.0, abs=0.01)


def test_no_limits_let_everything_through_at_once() -> None:
    traffic = Traffic([], before=lambda: 0.0, round_trip=lambda: 0.0)
    virtual_clock.run(traffic.run(1000))
    assert max(traffic.sent) - min(traffic.sent) < 0.01


def test_a_long_wait_for_a_quota_is_told() -> None:
    told: list[tuple[str, float]] = []

    async def script() -> None:
        clock = asyncio.get_running_loop().time
        limits = [Window(180, 60.0), Window(300, 86_400.0)]
        sends = SendHistory(None, capacity(limits), monotonic=clock, wall=clock)
        limiter = RateLimiter(
            limits, sends, clock=clock, long_wait=lambda window, wait: told.append((str(window), wait))
        )
        for _ in range(301):
            number = await limiter.acquire()
            limiter.mark_sent(number)
            limiter.mark_completed(number, 0.0)

    virtual_clock.run(script())
    assert {name for name, _ in told} == {"300/day"}
    assert 86_000 < told[0][1] < 86_500


def test_a_quota_that_is_used_up_is_told_once_although_answers_come_while_it_is_waited_for() -> None:
    told: list[float] = []

    async def script() -> None:
        loop = asyncio.get_running_loop()
        limits = [Window(8, 86_400.0)]
        sends = SendHistory(None, capacity(limits), monotonic=loop.time, wall=loop.time)
        limiter = RateLimiter(limits, sends, clock=loop.time, long_wait=lambda _window, wait: told.append(wait))
        for number in range(8):
            send = await limiter.acquire()
            limiter.mark_sent(send)
            loop.call_later(10.0 + number, limiter.mark_completed, send, 10.0 + number)
        await limiter.acquire()

    virtual_clock.run(script())
    assert len(told) <= 2  # windows may begin with the answers: then the wait that is told of grows once
