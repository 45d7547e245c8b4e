"""Owns interleaved rounds: each contender once a round, in another order each time; it knows no contender."""

import random
import statistics
from collections.abc import Callable, Sequence

Rounds = dict[str, list[float]]
"""One number a round for each contender."""

Contenders = dict[str, Callable[[], dict[str, float]]]
"""What measures each contender once: a number for each figure."""


def interleaved(contenders: Contenders, rounds: int) -> dict[str, Rounds]:
    """What each contender measured in each round: figure, then contender, then one number a round."""
    rng = random.Random(1)
    found: dict[str, Rounds] = {}
    for _ in range(rounds):
        for name in rng.sample(sorted(contenders), len(contenders)):
            for figure, number in contenders[name]().items():
                found.setdefault(figure, {}).setdefault(name, []).append(number)
    return found


def ratio(rounds: Rounds, one: str, other: str) -> float:
    """The median of one's ratio to the other in each round."""
    return statistics.median(a / b for a, b in zip(rounds[one], rounds[other], strict=True))


def best_ratio(rounds: Rounds, one: str, other: str) -> float:
    """The greatest of one against the greatest of the other: their least disturbed rounds."""
    return max(rounds[one]) / max(rounds[other])


def middle(numbers: Sequence[float]) -> float:
    """The median."""
    return statistics.median(numbers)
