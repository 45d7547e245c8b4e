"""Owns taking credentials out of text, in every spelling a shop may echo them in; it does not know whose they are."""

import html
import re
from collections.abc import Iterable

SHOWN = b"***"
SURELY_SECRET = 8
"""Characters from which on a secret is surely none of a shop's own words."""

_SHORTEST = 4


def redactor(secrets: Iterable[str]) -> "re.Pattern[bytes] | None":
    """A pattern that finds the secrets; None where there are none.

    From 8 characters on they are found anywhere. Shorter ones only as a word of their own, and below 4 not at all:
    anything else would cut ids and prices to pieces.
    """
    long_enough = {secret for secret in secrets if len(secret) >= _SHORTEST}
    parts = [_pattern(secret) for secret in sorted(long_enough, key=lambda secret: (-len(secret), secret))]
    return re.compile(b"|".join(parts)) if parts else None


def redacted(text: bytes, pattern: "re.Pattern[bytes] | None") -> bytes:
    """The text with ``***`` where a secret stood; JSON stays JSON."""
    return text if pattern is None else pattern.sub(_shown, text)


def _shown(found: re.Match[bytes]) -> bytes:
    # Digits may be a bare number, where *** would not be JSON.
    return b"1" * len(found[0]) if found[0].isdigit() else SHOWN


def _pattern(secret: str) -> bytes:
    spelled = b"".join(_spellings(char) for char in secret)
    return spelled if len(secret) >= SURELY_SECRET else rb"(?<![\w-])" + spelled + rb"(?![\w-])"


def _spellings(char: str) -> bytes:
    """One character as it is, percent-encoded, and as JSON and HTML escape it; an echo mixes these in its own way.

    JSON inside JSON doubles its backslashes, so any number of them is looked for.
    """
    if char.isascii() and char.isalnum():
        return char.encode()
    percent = b"".join(b"%%(?i:%02x)" % byte for byte in char.encode())
    units = re.findall("....", char.encode("utf-16-be").hex())
    unicode = b"".join(rb"\\+u(?i:%s)" % unit.encode() for unit in units)
    entities = [re.escape(html.escape(char).encode()), b"&#0*%d;" % ord(char), b"&#[xX]0*(?i:%x);" % ord(char)]
    plain = {" ": rb"[ +]", '"': rb'\\*"', "/": rb"\\*/", "\\": rb"\\+"}.get(char, re.escape(char.encode()))
    return b"(?:" + b"|".join([unicode, plain, percent, *entities]) + b")"
