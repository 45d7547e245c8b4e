"""Owns taking credentials out of text, in every spelling a shop may echo them in; it does not know whose they are."""

import html
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

SHOWN = b"***"
SURELY_SECRET = 8
"""Characters from which on a secret is surely none of a shop's own words."""

_SHORTEST = 4
_ONE_SPELLING = re.compile("[0-9A-Za-z]+")


class Redactor(msgspec.Struct, frozen=True):
    """What finds secrets. Text without any of ``marks`` holds none: a look at these is all that most text costs."""

    secrets: tuple[str, ...]
    marks: tuple[bytes, ...]


def redactor(secrets: Iterable[str]) -> Redactor | None:
    """What finds the secrets; None where there are none.

    From 8 characters on they are found anywhere. Shorter ones only as a word of their own, and below 4 not at all:
    anything else would cut ids and prices to pieces.
    """
    found = sorted(
        {secret for secret in secrets if len(secret) >= _SHORTEST}, key=lambda secret: (-len(secret), secret)
    )
    if not found:
        return None
    return Redactor(tuple(found), tuple(map(_mark, found)))


def redacted(text: bytes, secrets: Redactor | None) -> bytes:
    """The text with ``***`` where a secret stood; JSON stays JSON."""
    if secrets is not None:
        for mark in secrets.marks:
            if text.find(mark) >= 0:  # `in` first takes bytes for a number, and raises
                return _finding(secrets.secrets).sub(_shown, text)
    return text


@lru_cache(maxsize=64)
def _finding(secrets: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(_pattern, secrets)))


def _shown(found: re.Match[bytes]) -> bytes:
    # Digits may be a bare number, where *** would not be JSON.
    return b"1" * len(found[0]) if found[0].isdigit() else SHOWN


def _pattern(secret: str) -> bytes:
    spelled = b"".join(_spellings(char) for char in secret)
    return spelled if len(secret) >= SURELY_SECRET else rb"(?<![\w-])" + spelled + rb"(?![\w-])"


def _mark(secret: str) -> bytes:
    """The longest part of a secret that has only one spelling."""
    return max(_ONE_SPELLING.findall(secret), key=len, default="").encode()


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
