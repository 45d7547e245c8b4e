"""At shops that count in the ways that servers do, a limit is used up with few 429s, and found where it is lower."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import virtual_clock
from limit_referees import (
    Client,
    FixedWindow,
    Referee,
    Shared,
    SlidingEstimate,
    SlidingWindow,
    TokenBucket,
    WeighedRate,
)

from batchcart.model.limits import Window, parse_limit

REFEREES: dict[str, Callable[[int, float], Referee]] = {
    "sliding": SlidingWindow,
    "fixed": FixedWindow,
    "spacing": lambda count, seconds: TokenBucket(1, count / seconds),
    "bucket": lambda count, seconds: TokenBucket(count, count / seconds),
    "small bucket": lambda count, seconds: TokenBucket(max(1, count // 4), count / seconds),
    "estimate": SlidingEstimate,
    "haproxy": WeighedRate,
}
BEGAN = 1000.0


def window(text: str) -> Window:
    limit = parse_limit(text)
    assert isinstance(limit, Window)
    return limit


def served(text: str, referee: Referee, seconds: float, jitter: float = 0.002) -> Client:
    client = Client([parse_limit(text)], referee, jitter=jitter)
    virtual_clock.run(client.run(seconds=seconds))
    return client


@pytest.mark.parametrize("kind", REFEREES)
@pytest.mark.parametrize(("text", "seconds", "least"), [("180/min", 360, {}), ("18/2s", 200, {"estimate": 0.85})])
def test_the_right_limit_is_used_up(text: str, kind: str, seconds: float, least: dict[str, float]) -> None:
    limit = window(text)
    client = served(text, REFEREES[kind](limit.count, limit.seconds), seconds)
    whole = BEGAN + max(20, limit.seconds), BEGAN + seconds  # windows, since each is filled at once
    used = client.rate(*whole) / (limit.count / limit.seconds)
    assert used >= least.get(kind, 0.95)
    assert client.share_refused() < 0.02


@pytest.mark.parametrize(
    ("text", "jitter", "least"), [("180/min", 0.02, 0.9), ("18/2s", 0.02, 0.78), ("18/2s", 0.05, 0.62)]
)
def test_a_way_that_is_irregular_is_no_lower_limit(text: str, jitter: float, least: float) -> None:
    limit = window(text)
    client = served(text, REFEREES["spacing"](limit.count, limit.seconds), 300, jitter)
    assert client.rate(BEGAN + 60, BEGAN + 300) >= least * limit.count / limit.seconds
    assert client.share_refused() < 0.02


def test_the_spacing_that_a_shop_wants_is_found_over_an_irregular_way() -> None:
    client = served("180/min", REFEREES["spacing"](90, 60.0), 300, jitter=0.02)
    assert client.rate(BEGAN, BEGAN + 300) >= 0.85 * 1.5
    assert len(client.refused) <= 10


def test_a_limit_of_few_requests_a_second_does_not_fall_below_what_is_let_through() -> None:
    client = served("2/s", SlidingEstimate(2, 1.0, phase=0.9), 300)
    assert client.rate(BEGAN + 60, BEGAN + 300) >= 0.95


@pytest.mark.parametrize(
    ("text", "true", "seconds", "kind"),
    [
        ("180/min", "90/min", 1800, "sliding"),
        ("180/min", "90/min", 1800, "spacing"),
        ("10/s", "5/s", 600, "fixed"),
        ("10/s", "5/s", 600, "bucket"),
        *(pytest.param("180/min", "90/min", 1800, kind, marks=pytest.mark.long) for kind in ("fixed", "bucket")),
        *(pytest.param("10/s", "5/s", 600, kind, marks=pytest.mark.long) for kind in ("sliding", "spacing")),
    ],
)
def test_half_of_what_the_config_says_is_found_and_used_up(text: str, true: str, kind: str, seconds: float) -> None:
    limit = window(true)
    client = served(text, REFEREES[kind](limit.count, limit.seconds), seconds)
    used = client.rate(BEGAN, BEGAN + seconds) / (limit.count / limit.seconds)
    assert used >= 0.85
    assert client.share_refused(BEGAN + seconds / 4) < 0.01
    assert client.share_refused() < 0.025


@pytest.mark.parametrize(
    ("text", "referee", "rate", "seconds", "most"),
    [
        # Seven of the eight requests that are on their way at first are refused, whatever is learnt from it.
        ("180/min", TokenBucket(1, 1.5), 1.5, 300, 10),
        ("180/min", WeighedRate(90, 60.0), 1.5, 300, 10),
        ("180/min", TokenBucket(90, 1.5), 1.5, 900, 20),
        ("180/min", SlidingWindow(45, 60.0), 0.75, 900, 13),
        ("18/2s", FixedWindow(9, 2.0, phase=0.849), 4.5, 300, 20),
        ("2/s", FixedWindow(1, 1.0, phase=0.13), 1.0, 900, 17),
        ("2/s", SlidingEstimate(1, 1.0), 0.5, 300, 7),
    ],
    ids=str,
)
def test_a_config_that_is_too_high_is_found_out_with_few_429s(
    text: str, referee: Referee, rate: float, seconds: float, most: int
) -> None:
    client = served(text, referee, seconds)
    assert client.rate(BEGAN, BEGAN + seconds) >= 0.85 * rate
    assert len(client.refused) <= most


@pytest.mark.parametrize(("text", "true"), [("180/min", "144/min"), ("180/min", "90/min"), ("9/s", "7/s")])
def test_the_spacing_that_a_shop_wants_is_found_within_minutes(text: str, true: str) -> None:
    limit = window(true)
    client = served(text, REFEREES["spacing"](limit.count, limit.seconds), 300)
    assert client.rate(BEGAN, BEGAN + 300) >= 0.85 * limit.count / limit.seconds
    assert client.share_refused() < 0.04


def test_a_shop_that_refuses_each_second_request_whatever_its_pace_is_not_asked_ever_more_slowly() -> None:
    @dataclass
    class Second:
        asked: int = 0

        def admits(self, now: float) -> bool:  # noqa: ARG002 - the others need the time
            self.asked += 1
            return self.asked % 2 == 0

    client = served("180/min", Second(), 900)
    assert client.rate(BEGAN + 600, BEGAN + 900) >= 0.9 * client.rate(BEGAN, BEGAN + 300)


@pytest.mark.parametrize(("text", "seconds"), [("180/min", 1800), ("18/2s", 400)])
def test_beside_another_program_the_fair_share_is_used(text: str, seconds: float) -> None:
    limit = window(text)
    rate = limit.count / limit.seconds / 2
    client = served(text, Shared(SlidingWindow(limit.count, limit.seconds), rate), seconds)
    assert client.rate(BEGAN, BEGAN + seconds) >= 0.9 * rate
    assert client.share_refused() < 0.02


@dataclass
class Refuses:
    """A shop that refuses some requests by their number, and holds to no limit."""

    numbers: range
    seen: int = 0

    def admits(self, now: float) -> bool:  # noqa: ARG002 - the others need the time
        self.seen += 1
        return self.seen not in self.numbers


@dataclass
class UsedUp:
    """A shop whose minute another program has used up but for a few."""

    limit: SlidingWindow = field(default_factory=lambda: SlidingWindow(180, 60))
    left: int = 3
    begun: bool = False

    def admits(self, now: float) -> bool:
        if not self.begun:
            self.begun = True
            self.limit.admitted.extend(now - 1 for _ in range(180 - self.left))
        return self.limit.admits(now)


@pytest.mark.parametrize("referee", [Refuses(range(2, 13)), Refuses(range(5, 7)), UsedUp()], ids=str)
def test_a_bad_beginning_teaches_no_limit(referee: Referee) -> None:
    client = served("180/min", referee, 240)
    assert client.rate(BEGAN + 70, BEGAN + 240) >= 0.95 * 3
    assert client.limiter is not None
    assert client.limiter.adapted_rate is None


def test_two_stray_429s_do_not_halve_a_small_limit() -> None:
    client = served("2/s", Refuses(range(20, 22)), 120)
    assert client.rate(BEGAN + 20, BEGAN + 120) >= 0.95 * 2


@dataclass
class Eases:
    """A shop that allows less until a moment, and then what the config says."""

    before: Referee
    after: Referee
    at: float

    def admits(self, now: float) -> bool:
        return (self.before if now < self.at else self.after).admits(now)


@pytest.mark.parametrize(
    ("text", "low", "minutes"), [("180/min", 90, 10), ("180/min", 20, 10), ("18/2s", 9, 2), ("2/s", 1, 2)]
)
def test_it_is_back_at_the_configs_limit_within_minutes(text: str, low: int, minutes: int) -> None:
    limit = window(text)
    eases = BEGAN + (900 if limit.seconds == 60 else 200)
    seconds = eases - BEGAN + 60 * minutes + 240
    referee = Eases(SlidingWindow(low, limit.seconds), SlidingWindow(limit.count, limit.seconds), eases)
    client = served(text, referee, seconds)
    back = eases + 60 * minutes
    assert client.rate(back, back + 240) >= 0.95 * limit.count / limit.seconds
    assert client.limiter is not None
    assert client.limiter.adapted_rate is None


@pytest.mark.parametrize("most", [1, 3])
def test_a_limit_of_connections_lowers_what_is_in_flight(most: int) -> None:
    class Connections(Client):
        busy = 0

    client = Connections([parse_limit("180/min")], Refuses(range(0)), service=0.5)

    @dataclass
    class Few:
        inside: list[float] = field(default_factory=list)

        def admits(self, now: float) -> bool:
            self.inside = [until for until in self.inside if until > now]
            if len(self.inside) >= most:
                return False
            self.inside.append(now + client.service)
            return True

    client.referee = Few()
    virtual_clock.run(client.run(seconds=600))
    possible = min(3.0, most / 0.51)
    assert client.rate(BEGAN + 60, BEGAN + 600) >= 0.85 * possible
    assert client.share_refused() < 0.06


@pytest.mark.parametrize(("often", "least"), [(0.03, 0.5), (0.005, 0.65)])
def test_429s_by_chance_never_bring_a_limit_near_zero(often: float, least: float) -> None:
    @dataclass
    class Chance:
        rng: random.Random = field(default_factory=lambda: random.Random(5))

        def admits(self, now: float) -> bool:  # noqa: ARG002 - the others need the time
            return self.rng.random() >= often

    client = served("50/s", Chance(), 300)
    assert client.rate(BEGAN + 100, BEGAN + 300) >= least * 50


def test_one_429_after_the_way_back_brings_no_lower_limit_again() -> None:
    @dataclass
    class Stray:
        at: float
        limit: SlidingWindow = field(default_factory=lambda: SlidingWindow(18, 2.0))
        over: bool = False

        def admits(self, now: float) -> bool:
            if now >= self.at and not self.over:
                self.over = True
                return False
            return self.limit.admits(now)

    eases = BEGAN + 200
    client = served("18/2s", Eases(SlidingWindow(9, 2.0), Stray(eases + 120), eases), 380, jitter=0.0)
    assert client.rate(eases + 122, eases + 180) >= 0.95 * 9


def test_a_pause_that_a_shop_asked_for_outlives_the_run() -> None:
    async def script() -> tuple[float, float]:
        clock = asyncio.get_running_loop().time
        first = Client([parse_limit("180/min")], SlidingWindow(180, 60)).start()
        first.record_throttle(300.0)
        memory = first.memory
        await asyncio.sleep(100)
        second = Client([parse_limit("50/s")], SlidingWindow(50, 1), memory=memory).start()
        began = clock()
        await second.acquire()
        return clock() - began, second.paused_for

    waited, left = virtual_clock.run(script())
    assert waited == pytest.approx(200, abs=1)
    assert left == 0
