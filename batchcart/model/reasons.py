"""Owns which sentences give the same reason: what differs from line to line is taken out of them."""

import re
from collections.abc import Iterable
from functools import lru_cache

_LOOKED_AT = 300
_LEAST_WORD = 3
_VARIES = re.compile(
    r"""
    (?P<keep>\b(?:HTTP|error|code)\ \d{1,5}\b|\d[a-z]+\b|/[\w-]+/v\d+\b)   # part of what is said
    | (?P<moment>\d{4}-\d\d-\d\dT[\d:.]+Z?)
    | (?P<quoted>"[^"]*"|(?<![\w])'[^']*'(?!\w))
    | (?P<segment>(?<=/)[^/\s?]*\d[^/\s?,;:)]*)                  # of a path: an id
    | (?P<word>\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{6,}\b)      # letters and digits mixed: a key
    | (?P<number>\d+(?:[.,]\d+)*)
    """,
    re.VERBOSE,
)
_INSTEAD = {"moment": "…", "quoted": "“…”", "segment": "…", "word": "…", "number": "N"}


@lru_cache(maxsize=4096)
def normalize(message: str) -> str:
    """The message without what differs from line to line: ids, keys, quoted words, times, numbers."""
    cut = message[:_LOOKED_AT] + ("…" if len(message) > _LOOKED_AT else "")
    return _VARIES.sub(_general, cut)


def without(message: str, own: Iterable[str]) -> str:
    """The message without the line's ``own`` words, such as its cart's key, wherever it quotes them."""
    for word in sorted({word for word in own if len(word) >= _LEAST_WORD}, key=len, reverse=True):
        message = message.replace(word, "…")
    return message


def _general(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "keep" else _INSTEAD[str(found.lastgroup)]
