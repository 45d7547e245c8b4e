"""Owns finding the pause that a refusal asks for in its headers; what it means is the engine's."""

import re

from batchcart.model.http import Response
from batchcart.model.outcome import AskedPause, Throttled

_MILLISECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_RESET = re.compile(r"(?:\breset\s*=|;\s*t\s*=)\s*\"?([0-9]{1,15})")
_REMAINING = re.compile(r"(?:\bremaining\s*=|;\s*r\s*=)\s*\"?([0-9]{1,15})")
_ITEM = re.compile(r";\s*[rt]\s*=")
_NUMBER = re.compile(r"\s*-?[0-9]{1,15}")
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
    headers = response.headers
    used_up = (family for family in _FAMILIES if _is_used_up(headers.get(f"{family}-remaining", "")))
    resets = (headers.get(f"{family}-reset", "") for family in used_up)
    named = _find_reset(headers.get("ratelimit", "")) or next(filter(None, resets), "")
    return AskedPause(named, headers.get("date", ""))


def _is_used_up(remaining: str) -> bool:
    """Whether nothing is left of a limit, or nothing is said of that."""
    number = _NUMBER.match(remaining)
    return number is None or int(number[0]) <= 0


def _find_reset(ratelimit: str) -> str:
    """The longest time of the header's limits that are used up; "" for none."""
    limits = ratelimit.split(",") if _ITEM.search(ratelimit) else [ratelimit]  # of drafts: a list, or one limit's parts
    used_up = (part for part in limits if (left := _REMAINING.search(part)) is None or _is_used_up(left[1]))
    resets = [found[1] for part in used_up if (found := _RESET.search(part))]
    return max(resets, key=int, default="")
