"""Owns the words for a rate limit and how one is written; it does not know how to wait for it."""

import math
import re
from dataclasses import dataclass

from batchcart.errors import UsageError

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_RATE = r"(\d+(?:\.\d+)?)\s*/\s*(\d*)\s*(s|min|h|day)"
_WINDOW = re.compile(rf"\s*{_RATE}\s*")
_BUCKET = re.compile(rf"\s*bucket\s+(\d+)\s+leak\s+{_RATE}\s*")


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
        return f"bucket {self.size} leak {self.leak:g}/s"


Limit = Window | Bucket


def parse_limit(text: str) -> Limit:
    """Read ``"180/min"``, ``"18/2s"`` or ``"bucket 50 leak 2/s"``; raises UsageError with the forms it takes."""
    if match := _WINDOW.fullmatch(text):
        number, times, unit = match.groups()
        count, seconds = float(number), int(times or 1) * _SECONDS[unit]
        if count == int(count) and count >= 1 and seconds > 0:
            return Window(int(count), seconds)
    elif match := _BUCKET.fullmatch(text):
        size, number, times, unit = match.groups()
        seconds = int(times or 1) * _SECONDS[unit]
        if int(size) >= 1 and float(number) > 0 and seconds > 0:
            return Bucket(int(size), float(number) / seconds)
    raise UsageError(
        f'{text!r} is not a limit: write "N/UNIT" or "N/kUNIT" with s, min, h or day ("180/min", "18/2s"), '
        'or "bucket B leak N/UNIT" ("bucket 50 leak 2/s"), with whole numbers of at least 1'
    )


def best_time(limit: Limit, sends: int) -> float:
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
