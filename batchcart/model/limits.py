"""Owns the words for a rate limit and how one is written; it does not know how to wait for it."""

import math
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from batchcart.model.errors import UsageError, quote

MAX_COUNT = 1_000_000
"""The greatest number in a limit: an account remembers as many sends as its limits count."""

MAX_SECONDS = 366 * 86400.0
"""The longest window or leak in seconds."""

QUOTA = 60.0
"""Seconds: a longer window is a quota, spent as it comes and not spread over its day."""

Pacing = Literal["burst", "smooth"]
"""As soon as every limit has room, or evenly spread."""

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_NUMBER = r"[0-9]{1,9}"
_PER = rf"\s*/\s*({_NUMBER}|)\s*(s|min|h|day)"
_WINDOW = re.compile(rf"\s*({_NUMBER}){_PER}\s*")
_BUCKET = re.compile(rf"\s*bucket\s+({_NUMBER})\s+leak\s+({_NUMBER}(?:\.{_NUMBER})?){_PER}\s*")


class Window(msgspec.Struct, frozen=True):
    """At most ``count`` sends in every window of ``seconds``, wherever the window begins."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count}/{_unit(self.seconds)}"


class Bucket(msgspec.Struct, frozen=True):
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


def min_duration(limits: Sequence[Limit], sends: int) -> float:
    """The seconds that ``sends`` sends take at least under all of ``limits``, from a fresh start.

    A window is filled at once and waits for its end; a longer one is filled as its shorter ones allow.
    """
    windows = _binding([limit for limit in limits if isinstance(limit, Window)])
    buckets = (max(0, sends - limit.size) / limit.leak for limit in limits if isinstance(limit, Bucket))
    return max([_fill(windows, sends), *buckets])


def _binding(windows: Sequence[Window]) -> Sequence[Window]:
    """In order of their length, those that the others do not hold anyway."""
    kept: list[Window] = []
    for window in sorted(windows, key=lambda one: (one.seconds, one.count)):
        if all(window.count < one.count * math.ceil(window.seconds / one.seconds) for one in kept):
            kept = [one for one in kept if one.count < window.count]
            kept.append(window)
    return kept


def _fill(windows: Sequence[Window], sends: int) -> float:
    """When the last of so many sends leaves; the windows stand in order of their length."""
    if not windows or sends < 1:
        return 0.0
    *shorter, window = windows
    full, rest = divmod(sends - 1, window.count)
    period = max(window.seconds, _fill(shorter, window.count + 1))
    return full * period + _fill(shorter, rest + 1)


def steadiest(limits: Sequence[Limit]) -> Limit | None:
    """The limit that a long run is held to, quotas of more than a minute aside; a window before a bucket."""
    windows = [limit for limit in limits if isinstance(limit, Window)]
    paced = [window for window in windows if window.seconds <= QUOTA]
    if paced:
        return min(paced, key=lambda window: window.count / window.seconds)
    buckets = [limit for limit in limits if isinstance(limit, Bucket)]
    return min(buckets, key=lambda bucket: bucket.leak, default=None)


def _unit(seconds: float) -> str:
    for name, length in reversed(_SECONDS.items()):
        if seconds % length == 0:
            times = int(seconds / length)
            return name if times == 1 else f"{times}{name}"
    return f"{seconds:g}s"
