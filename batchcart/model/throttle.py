"""Owns finding the pause that a refusal asks for in its headers; what it means is the engine's."""

import re

from batchcart.model.http import Response
from batchcart.model.http_date import http_date
from batchcart.model.outcome import Throttled

_MILLISECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_RESET = re.compile(r"(?:\breset\s*=|;\s*t\s*=)\s*\"?([0-9]{1,15})")


def read_throttle(message: str, response: Response) -> Throttled:
    """The refusal, with the pause that it asks for, and the one that it hints at."""
    return Throttled(message, asked_pause(response), _hint(response))


def asked_pause(response: Response) -> str:
    """The pause as Retry-After has it, or ``retry-after-ms`` in its place; "" for none.

    A moment has the time behind it that the shop's own clock showed, as in "Fri, 15 Jan 2027 09:01:30 GMT @ Fri, 15
    Jan 2027 09:00:00 GMT".
    """
    exact = response.headers.get("retry-after-ms", "").strip()
    if _MILLISECONDS.fullmatch(exact):
        return f"{float(exact) / 1000:.3f}"
    asked = response.headers.get("retry-after", "")
    return asked if http_date(asked) is None else _with_clock(asked, response)


def _with_clock(moment: str, response: Response) -> str:
    clock = response.headers.get("date", "")
    return f"{moment} @ {clock}" if clock else moment


def _hint(response: Response) -> str:
    """When the limit begins anew: seconds, or a moment in Unix time, as the usual headers about limits have it."""
    if found := _RESET.search(response.headers.get("ratelimit", "")):
        return _with_clock(found[1], response)
    names = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
    return next((_with_clock(value, response) for name in names if (value := response.headers.get(name, ""))), "")
