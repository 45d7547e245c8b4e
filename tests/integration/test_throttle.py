"""A shop that allows less than the config says is learnt from its 429s; one that says 429 by chance is not believed."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import virtual_clock

from batchcart.accounts.send_history import SendHistory
from batchcart.engine.rate_limiter import RateLimiter, capacity
from batchcart.model.limits import Bucket, Limit, parse_limit
from batchcart.sandbox.rate_meters import Meter, meter


@dataclass
class Shop:
    """A shop at its true limits; ``chance`` is how often it says 429 for no reason."""

    true: Sequence[Limit]
    configured: Sequence[Limit]
    chance: float = 0.0
    seed: int = 1
    workers: int = 8
    asks: Callable[[float], float] = math.ceil
    answers: list[tuple[float, bool]] = field(default_factory=list)
    door: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.door = meter(self.true)

    async def serve(self, count: int, limiter: RateLimiter | None = None) -> RateLimiter:
        clock = asyncio.get_running_loop().time
        rng = random.Random(self.seed)
        if limiter is None:
            sends = SendHistory(None, capacity(self.configured), monotonic=clock, wall=clock)
            limiter = RateLimiter(self.configured, sends, clock=clock)
        left = count

        async def work() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                number = await limiter.acquire()
                await asyncio.sleep(rng.uniform(0.0005, 0.002))
                limiter.mark_sent(number)
                began = clock()
                await asyncio.sleep(rng.uniform(0.01, 0.03))
                wait = self.door.arrive(clock()) or (1.0 if rng.random() < self.chance else 0.0)
                self.answers.append((clock(), wait == 0))
                await asyncio.sleep(rng.uniform(0.01, 0.03))
                limiter.mark_completed(number, clock() - began)
                if wait:
                    limiter.record_throttle(self.asks(wait))
                else:
                    limiter.record_success()

        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(work())
        return limiter

    def refused(self, since: int = 0) -> float:
        """The share of 429s among the answers from that one on."""
        later = self.answers[since:]
        return sum(not good for _, good in later) / len(later)

    def rate(self, since: int = 0) -> float:
        """Good answers a second from that one on."""
        later = self.answers[since:]
        return sum(good for _, good in later) / (later[-1][0] - later[0][0])


def steady(limit: Limit) -> float:
    """The sends a second that the limit allows in the long run."""
    return limit.leak if isinstance(limit, Bucket) else limit.count / limit.seconds


HALVES = [
    ("180/min", "90/min"),
    ("50/s", "25/s"),
    ("2/s", "1/s"),
    ("10/s", "5/s"),
    ("500/s", "250/s"),
    ("bucket 50 leak 2/s", "bucket 25 leak 1/s"),
    ("bucket 50 leak 2/s", "bucket 50 leak 1/s"),
    ("bucket 50 leak 2/s", "bucket 25 leak 2/s"),
    ("bucket 40 leak 20/s", "bucket 20 leak 10/s"),
]


@pytest.mark.parametrize(
    ("configured", "true", "seed"),
    [
        *((*halves, 1) for halves in HALVES[::2]),
        *(pytest.param(*halves, 1, marks=pytest.mark.long) for halves in HALVES[1::2]),
        *(pytest.param(*halves, 2, marks=pytest.mark.long) for halves in HALVES),
    ],
)
def test_a_shop_with_half_the_configured_limit_refuses_little(configured: str, true: str, seed: int) -> None:
    shop = Shop([parse_limit(true)], [parse_limit(configured)], seed=seed)
    virtual_clock.run(shop.serve(2500))
    # Where a shop allows one a second, a single try within the two minutes of the way back is nearly one in a hundred.
    assert shop.refused() < (0.01 if steady(parse_limit(true)) > 1 else 0.02)


@pytest.mark.parametrize(
    ("configured", "true"),
    [*HALVES[1::2], *(pytest.param(*halves, marks=pytest.mark.long) for halves in HALVES[::2])],
)
def test_what_was_learnt_is_used_up(configured: str, true: str) -> None:
    real = parse_limit(true)
    shop = Shop([real], [parse_limit(configured)], workers=64)
    virtual_clock.run(shop.serve(2000))
    most = steady(real)
    assert shop.rate(1000) >= 0.8 * most


UNLUCKY = [
    *[("50/s", 0.1, 1, 1600), ("2/s", 0.03, 2, 1600), ("180/min", 0.1, 1, 1600), ("bucket 50 leak 2/s", 0.01, 2, 1600)],
    *(
        pytest.param(limit, chance, seed, 4000, marks=pytest.mark.long)
        for limit in ("50/s", "2/s", "180/min", "bucket 50 leak 2/s")
        for chance in (0.01, 0.03, 0.1)
        for seed in (1, 2)
    ),
]


@pytest.mark.parametrize(("limit", "chance", "seed", "count"), UNLUCKY)
def test_429s_by_chance_slow_by_no_more_than_half_in_the_long_run(
    limit: str, chance: float, seed: int, count: int
) -> None:
    limits = [parse_limit(limit)]
    plain, unlucky = (Shop(limits, limits, share, seed, asks=lambda _: 0.05) for share in (0.0, chance))
    for shop in (plain, unlucky):
        virtual_clock.run(shop.serve(count))
    assert plain.refused(count // 2) < 0.005
    assert unlucky.rate(count // 2) > 0.5 * plain.rate(count // 2)


@pytest.mark.parametrize(
    ("configured", "true"),
    [
        ("180/min", "90/min"),
        pytest.param("50/s", "25/s", marks=pytest.mark.long),
        pytest.param("bucket 50 leak 2/s", "bucket 50 leak 1/s", marks=pytest.mark.long),
    ],
)
def test_it_climbs_back_when_the_shop_allows_more_again(configured: str, true: str) -> None:
    limit = parse_limit(configured)
    shop = Shop([parse_limit(true)], [limit], workers=64)

    async def script() -> None:
        limiter = await shop.serve(1500)
        shop.door = meter([limit])
        await shop.serve(6000, limiter)

    virtual_clock.run(script())
    most = steady(limit)
    assert shop.rate(6500) >= 0.88 * most
