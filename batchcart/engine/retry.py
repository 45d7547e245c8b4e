"""Owns when to ask again; it does not know why the last try failed. All of it is arithmetic."""

import random
import re
from dataclasses import dataclass
from typing import ClassVar

from batchcart.model.http_date import http_date
from batchcart.model.outcome import AskedPause

MOST_TRIES = 10
"""How often one operation may fail at a shop that is up before it is given up."""

_FIRST, _LONGEST = 0.25, 8.0
_FIRST_PAUSE = 0.25  # of a window
_LONGEST_HINT = 300.0
_NO_PAUSE = 1e9
"""Seconds from which on a number is no pause: a moment in Unix time, it seems, which no document allows here."""

_MILLISECONDS = 1e11
"""From which on a moment in Unix time is written in milliseconds."""

_DAY = 86_400.0

_SECONDS = re.compile(r"[0-9]{1,300}(\.[0-9]{1,300})?")


def backoff(tries: int, rng: random.Random) -> float:
    """Seconds to wait after the ``tries``-th failure: exponential with full jitter, at most 8 s."""
    return rng.uniform(0, min(_LONGEST, _FIRST * 2.0 ** min(tries, 20)))


def throttle_pause(in_a_row: int, window: float, rng: random.Random) -> float:
    """Seconds to leave a shop that said 429 and not for how long; ``window`` is its shortest limit's, in seconds.

    The first may be chance, and has room again after a part of the window; each further one doubles it, up to 8 s.
    """
    first = min(_FIRST_PAUSE * window, 4 * _FIRST)
    return min(_LONGEST, first * 2.0 ** min(in_a_row - 1, 20)) * rng.uniform(1.0, 1.3)


def probe_wait(probes: int, rng: random.Random) -> float:
    """Seconds between questions to a shop that is down: growing to a minute, never in step with other clients."""
    return min(60.0, 0.5 * 2.0 ** min(probes, 20)) * rng.uniform(0.7, 1.0)


def retry_after(asked: AskedPause, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date; None where it says nothing."""
    text = asked.written.strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
        return seconds if seconds < _NO_PAUSE else None
    moment = http_date(text)
    return None if moment is None else min(2 * _NO_PAUSE, _until(moment, now, asked.clock))


def hinted_pause(hint: AskedPause, now: float) -> float:
    """Seconds until the moment that a header about limits names, Unix time or seconds from now.

    It is no request: 0 where it says nothing, and never longer than five minutes.
    """
    text = hint.written.strip()
    if not _SECONDS.fullmatch(text):
        return 0.0
    seconds = float(text)
    if seconds >= _MILLISECONDS:
        seconds /= 1000
    return min(_LONGEST_HINT, _until(seconds, now, hint.clock) if seconds >= _NO_PAUSE else seconds)


def _until(moment: float, now: float, clock: str) -> float:
    """Seconds from now until the moment, by the shop's clock unless that shows nonsense: more than a day, or none."""
    shown = http_date(clock)
    theirs = 0.0 if shown is None else moment - shown
    return theirs if 0 < theirs <= _DAY else max(0.0, moment - now)


@dataclass(slots=True)
class RetryBudget:
    """Retries an account may make: one more for every five requests, and one a second whatever happens."""

    left: float = 50.0
    at: float = 0.0

    MOST: ClassVar[float] = 50.0
    PER_REQUEST: ClassVar[float] = 0.2
    PER_SECOND: ClassVar[float] = 1.0

    def credit(self) -> None:
        """A request was answered."""
        self.left = min(self.MOST, self.left + self.PER_REQUEST)

    def debit(self, now: float) -> float:
        """Take one retry; the seconds to wait until there is one to take."""
        left = min(self.MOST, self.left + max(0.0, now - self.at) * self.PER_SECOND)
        self.left, self.at = left - 1.0, now
        return max(0.0, (1.0 - left) / self.PER_SECOND)
