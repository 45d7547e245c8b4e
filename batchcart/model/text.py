"""Owns how counts, moments, durations and rates read; it does not know of what they are."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_RATE_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


def plural(count: int, one: str, several: str = "") -> str:
    """The number with its noun: "1 line", "2,000 lines"; ``several`` is the noun's plural if an s does not make it."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def format_timestamp(at: float) -> str:
    """A moment for programs, in results, logs and report.json: UTC, milliseconds."""
    whole, milliseconds = divmod(round(at * 1e6) // 1000, 1000)
    return f"{_whole_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)  # most results of one moment share their second
def _whole_second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def utc_time(at: float) -> str:
    """A moment for a page that is read elsewhere: UTC, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def utc_minute(at: float) -> str:
    """A moment in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def local_time(at: float) -> str:
    """A moment for whoever sits here: local time, to the second."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def near_time(at: float, now: float, *, seconds: bool = True) -> str:
    """A moment of these days on the local clock: 14:03:20 today, tomorrow 00:00, 2026-12-24 18:00."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone().date()
    if moment.date() == today:
        return moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    day = "tomorrow" if moment.date() == today + timedelta(days=1) else str(moment.date())
    return f"{day} {moment:%H:%M}"


def duration(seconds: float) -> str:
    """How long something measured took: 0.8 ms, 120 ms, 1.4 s, 3 min 46 s, 2 h 5 min, 3 days."""
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 119.5:
        return f"{seconds:.3g} s"
    minutes, whole = divmod(round(seconds), 60)
    if minutes < 120:
        return _two_units(minutes, "min", whole, "s")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _two_units(hours, "h", minutes, "min")
    return _two_units(hours // 24, "days", hours % 24, "h")


def _two_units(most: int, unit: str, rest: int, smaller: str) -> str:
    return f"{most} {unit}" + (f" {rest} {smaller}" if rest else "")


def short_duration(seconds: float) -> str:
    """How long something may take, no more exact than it is known: 90 s, 8 min, 3 h 5 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 2 * 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def rate(per_second: float) -> str:
    """A rate in the unit in which it is a number that one can imagine."""
    unit = next((unit for unit, seconds in _RATE_SECONDS.items() if per_second * seconds >= 1), "day")
    return rate_per(unit, per_second)


def rate_per(unit: str, per_second: float) -> str:
    """A rate in the given unit of time, of which the config knows s, min, h and day; in any unit if it is another."""
    return f"{per_second * _RATE_SECONDS[unit]:.3g}/{unit}" if unit in _RATE_SECONDS else rate(per_second)
