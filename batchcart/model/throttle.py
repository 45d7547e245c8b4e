"""Owns finding the pause that a refusal asks for in its headers; what it means is the engine's."""

import re

from batchcart.model.http import Response
from batchcart.model.outcome import AskedPause, Throttled

_MILLISECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_RESET = re.compile(r"(?:\breset\s*=|;\s*t\s*=)\s*\"?([0-9]{1,15})")
_REMAINING = re.compile(r"(?:\bremaining\s*=|;\s*r\s*=)\s*\"?([0-9]{1,15})")
_FAMILIES = ("ratelimit", "x-ratelimit", "x-rate-limit")


def read_throttle(message: str, response: Response) -> Throttled:
    """The refusal, with the pause that it asks for, and the one that it hints at."""
    return Throttled(message, asked_pause(response), _hint(response))


def asked_pause(response: Response) -> AskedPause:
    """The pause as Retry-After has it, or ``retry-after-ms`` in its place."""
    exact = response.headers.get("retry-after-ms", "").strip()
    asked = f"{float(exact) / 1000:.3f}" if _MILLISECONDS.fullmatch(exact) else response.headers.get("retry-after", "")
    return AskedPause(asked, response.headers.get("date", ""))


def _hint(response: Response) -> AskedPause:
    """When the limit begins anew: seconds, or a moment in Unix time, as the usual headers about limits have it.

    A limit of which something remains is not the one that refused, and its end says nothing.
    """
    named = _find_reset(response.headers.get("ratelimit", ""))
    for family in _FAMILIES:
        if named:
            break
        if response.headers.get(f"{family}-remaining", "").strip() in {"", "0"}:
            named = response.headers.get(f"{family}-reset", "")
    return AskedPause(named, response.headers.get("date", ""))


def _find_reset(ratelimit: str) -> str:
    """The longest time of the header's limits that are used up; "" for none."""
    limits = ratelimit.split(",") if ";" in ratelimit else [ratelimit]  # of drafts: a list, or one limit's parts
    used_up = (part for part in limits if (left := _REMAINING.search(part)) is None or not int(left[1]))
    resets = [found[1] for part in used_up if (found := _RESET.search(part))]
    return max(resets, key=int, default="")
