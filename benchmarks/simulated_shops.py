"""Owns figures that are found in virtual time: when short jobs end, and how a limit is used at shops of several kinds.

    python benchmarks/simulated_shops.py finish
    python benchmarks/simulated_shops.py referees

The limiter is the real one; the shops, the way to them and the clock are simulated, by what the tests use. It runs as a
process of its own, so that its memory counts for nothing that is measured.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import virtual_clock
from limit_referees import (
    Client,
    FixedWindow,
    Referee,
    Shared,
    SlidingEstimate,
    SlidingWindow,
    TokenBucket,
)

from batchcart.model.limits import Limit, Window, min_duration, parse_limit

LIMITS = ("180/min", "18/2s", "2/s", "8/s + 24/6s")
WINDOWS = (0.5, 1, 1.5, 3, 10)
JITTERS = (0.002, 0.05)
COUNTED = (("180/min", 180, 60.0), ("18/2s", 18, 2.0), ("2/s", 2, 1.0))
REFEREES: dict[str, Callable[[int, float], Referee]] = {
    "sliding window": SlidingWindow,
    "fixed window": FixedWindow,
    "pure spacing": lambda count, seconds: TokenBucket(1, count / seconds),
    "token or leaky bucket": lambda count, seconds: TokenBucket(count, count / seconds),
    "sliding estimate": SlidingEstimate,
}

Found = list[tuple[str, float, int, int]]
"""What it is, its figure, how many requests were sent, and how many of them were refused."""


class EveryWindow:
    """A referee of several windows; what one refuses counts in none."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.windows = [SlidingWindow(limit.count, limit.seconds) for limit in limits if isinstance(limit, Window)]

    def admits(self, now: float) -> bool:
        for window in self.windows:
            if sum(at > now - window.seconds + 1e-9 for at in window.admitted) >= window.count:
                return False
        return sum(window.admits(now) for window in self.windows) == len(self.windows)


def finish() -> Found:
    """How long jobs of so many windows take against the least that their limits demand and a round trip."""
    return [_finish(text, windows, jitter) for text in LIMITS for jitter in JITTERS for windows in WINDOWS]


def _finish(text: str, windows: float, jitter: float) -> tuple[str, float, int, int]:
    limits = [parse_limit(part.strip()) for part in text.split("+")]
    longest = max((one for one in limits if isinstance(one, Window)), key=lambda one: one.seconds)
    count = int(longest.count * windows)
    client = Client(limits, EveryWindow(limits), jitter=jitter)
    virtual_clock.run(client.run(count))
    # Eight at a time: as many round trips as the first window's requests take besides.
    turns = -(-min(count, longest.count) // client.workers) * (0.0015 + jitter)
    least = min_duration(limits, count) + turns + 2 * jitter
    name = f"{text}, {windows:g} windows, 0-{jitter * 1000:g} ms"
    return name, (client.good[-1] - client.left[0]) / least, len(client.left), len(client.refused)


def referees() -> Found:
    """The use of the true limit where the config is right, twice too high, and where another program sends too."""
    found: Found = []
    for text, count, seconds in COUNTED:
        lasts = max(300.0, 10 * seconds)
        for name, referee in REFEREES.items():
            full, half = (_passes(name, most) / seconds for most in (count, count // 2))
            found += [_used(f"{name}, {text}, config right", text, referee(count, seconds), lasts, full)]
            high = referee(count // 2, seconds)
            found += [_used(f"{name}, {text}, config twice too high", text, high, 3 * lasts, half)]
        shared = Shared(SlidingWindow(count, seconds), count / seconds / 2)
        name = f"sliding window, {text}, shared with another program"
        found += [_used(name, text, shared, 3 * lasts, count / seconds / 2)]
    return found


def _passes(name: str, count: int) -> float:
    """What so large a limit lets through in each of its windows, when it is asked evenly."""
    if name != "sliding estimate":
        return count
    return count - 1 if count > 1 else 0.5  # the last window has to be over with as well


def _used(name: str, limit: str, referee: Referee, seconds: float, rate: float) -> tuple[str, float, int, int]:
    client = Client([parse_limit(limit)], referee)
    virtual_clock.run(client.run(seconds=seconds))
    began = client.left[0]
    since = 60.0 if name.endswith("right") else 0.0
    return name, 100 * client.rate(began + since, began + seconds) / rate, len(client.left), len(client.refused)


if __name__ == "__main__":
    print(json.dumps({"finish": finish, "referees": referees}[sys.argv[1]]()))
