"""Owns finding the pause that a refusal asks for in its headers; what it means is the engine's."""

import re

from batchcart.model.http import Response
from batchcart.model.outcome import AskedPause, Throttled

_MILLISECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_RESET = re.compile(r"(?:\breset\s*=|;\s*t\s*=)\s*\"?([0-9]{1,15})")


def read_throttle(message: str, response: Response) -> Throttled:
    """The refusal, with the pause that it asks for, and the one that it hints at."""
    return Throttled(message, asked_pause(response), _hint(response))


def asked_pause(response: Response) -> AskedPause:
    """The pause as Retry-After has it, or ``retry-after-ms`` in its place."""
    exact = response.headers.get("retry-after-ms", "").strip()
    asked = f"{float(exact) / 1000:.3f}" if _MILLISECONDS.fullmatch(exact) else response.headers.get("retry-after", "")
    return AskedPause(asked, response.headers.get("date", ""))


def _hint(response: Response) -> AskedPause:
    """When the limit begins anew: seconds, or a moment in Unix time, as the usual headers about limits have it."""
    names = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
    if found := _RESET.search(response.headers.get("ratelimit", "")):
        named = found[1]
    else:
        named = next((value for name in names if (value := response.headers.get(name, ""))), "")
    return AskedPause(named, response.headers.get("date", ""))
