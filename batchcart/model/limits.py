"""Owns the words for a rate limit and how one is written; it does not know how to wait for it."""

import math
import re
from dataclasses import dataclass

from batchcart.model.errors import UsageError, quote

MAX_COUNT = 1_000_000
"""The greatest number in a limit: an account remembers as many sends as its limits count."""

MAX_SECONDS = 366 * 86400.0
"""The longest window or leak in seconds."""

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_NUMBER = r"[0-9]{1,9}"
_PER = rf"\s*/\s*({_NUMBER}|)\s*(s|min|h|day)"
_WINDOW = re.compile(rf"\s*({_NUMBER}){_PER}\s*")
_BUCKET = re.compile(rf"\s*bucket\s+({_NUMBER})\s+leak\s+({_NUMBER}(?:\.{_NUMBER})?){_PER}\s*")


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``count`` sends in every window of ``seconds``, wherever the window begins."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count}/{_unit(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that holds ``size`` sends and leaks ``leak`` of them a second; a send that overflows is refused."""

    size: int
    leak: float

    def __str__(self) -> str:
        for unit, seconds in _SECONDS.items():
            if (number := round(self.leak * seconds, 6)) >= 1 and number == int(number):
                return f"bucket {self.size} leak {number:g}/{unit}"
        return f"bucket {self.size} leak {self.leak:g}/s"


Limit = Window | Bucket


def parse_limit(text: str) -> Limit:
    """Read ``"180/min"``, ``"18/2s"`` or ``"bucket 50 leak 2/s"``; raises UsageError with the forms it takes."""
    if match := _WINDOW.fullmatch(text):
        count, seconds = int(match[1]), int(match[2] or 1) * _SECONDS[match[3]]
        if 1 <= count <= MAX_COUNT and 0 < seconds <= MAX_SECONDS:
            return Window(count, seconds)
    elif match := _BUCKET.fullmatch(text):
        size, number, seconds = int(match[1]), float(match[2]), int(match[3] or 1) * _SECONDS[match[4]]
        if 1 <= size <= MAX_COUNT and 0 < number <= MAX_COUNT and 0 < seconds <= MAX_SECONDS:
            return Bucket(size, number / seconds)
    raise UsageError(
        f'{quote(text)} is not a limit: write "N/UNIT" or "N/kUNIT" with s, min, h or day ("180/min", "18/2s"), '
        f'or "bucket B leak N/UNIT" ("bucket 50 leak 2/s"), '
        f"with whole numbers from 1 to {MAX_COUNT:,} and at most 366 days"
    )


def min_duration(limit: Limit, sends: int) -> float:
    """The seconds that ``sends`` sends take at the least under ``limit``, from a fresh start."""
    match limit:
        case Window(count, seconds):
            return max(0, math.ceil(sends / count) - 1) * seconds
        case Bucket(size, leak):
            return max(0, sends - size) / leak


def _unit(seconds: float) -> str:
    for name, length in reversed(_SECONDS.items()):
        if seconds % length == 0:
            times = int(seconds / length)
            return name if times == 1 else f"{times}{name}"
    return f"{seconds:g}s"
