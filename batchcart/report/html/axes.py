"""Owns where an axis is marked and how its marks read: moments in UTC, rates, counts; it draws nothing."""

import math
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_APART = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR,
    3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 182 * _DAY, 364 * _DAY,
)  # fmt: skip
_UNITS = (("second", 1.0), ("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))


def moments(began: float, ended: float, most: int) -> list[tuple[float, str]]:
    """Round moments from ``began`` to ``ended``, at most about ``most`` of them, each with its text."""
    span = ended - began
    interval = next((step for step in _APART if span / step <= most), _APART[-1] * (1 + int(span / _APART[-1] / most)))
    first = -int(-began // interval) * interval
    marks = [float(first + interval * number) for number in range(int((ended - first) // interval) + 1)]
    return [(at, _clock(at, interval, span)) for at in marks]


def _clock(at: float, interval: float, span: float) -> str:
    time = datetime.fromtimestamp(at, UTC)
    if interval >= _DAY:
        return f"{time.day} {time:%b}"
    if span > _DAY:
        return f"{time.day} {time:%b %H:%M}"
    return f"{time:%H:%M:%S}" if interval < _MINUTE else f"{time:%H:%M}"


def rate_unit(highest: float) -> tuple[str, float]:
    """The unit of time in which a rate of ``highest`` a second is a number above 1, and its seconds."""
    return next((unit for unit in _UNITS if highest * unit[1] >= 1), _UNITS[-1])


def heights(highest: float, most: int) -> list[float]:
    """Round numbers from 0 to ``highest``, at most about ``most`` of them."""
    least = max(highest, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(least))
    interval = power * next(step for step in (1, 2, 5, 10) if step * power >= least * 0.999)
    return [interval * number for number in range(int(highest / interval + 1e-9) + 1)]


def count(number: float) -> str:
    """A count on an axis: 800, 12k, 1.5M."""
    for letter, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
