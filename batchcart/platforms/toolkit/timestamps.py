"""Owns the platforms' ways of writing a time and the neutral one; it does not know zones, and adds none."""

import re

_STAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)")
_UNSET = "0000-00-00"  # PLATFORMS §2.4, §3.5


def moment(text: str) -> str | None:
    """``2011-09-22 01:15:35`` as ``2011-09-22T01:15:35``; None if it is unset, or another form."""
    found = _STAMP.fullmatch(text)
    return f"{found[1]}T{found[2]}" if found and found[1] != _UNSET else None


def day_and_hour(text: str) -> tuple[str, str] | None:
    """A neutral time as date and clock; None if it has a zone or a fraction, which the two cannot say."""
    day, _, hour = text.partition("T")
    return (day, hour) if len(hour) == len("18:00:00") else None
