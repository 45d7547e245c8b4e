"""Owns taking credentials out of text, in every spelling a shop may echo them in; it does not know whose they are."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SHOWN = b"***"
_SURELY_SECRET = 8
_SHORTEST = 4


def redactor(secrets: Iterable[str]) -> "re.Pattern[bytes] | None":
    """A pattern that finds the secrets; None where there are none.

    From 8 characters on they are found anywhere. Shorter ones only as a word of their own, and below 4 not at all:
    anything else would cut ids and prices to pieces.
    """
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    parts = [
        re.escape(spelling) if len(spelling) >= _SURELY_SECRET else rf"(?<![\w-]){re.escape(spelling)}(?![\w-])"
        for spelling in sorted(spellings, key=len, reverse=True)
    ]
    return re.compile("|".join(parts).encode()) if parts else None


def redacted(text: bytes, pattern: "re.Pattern[bytes] | None") -> bytes:
    """The text with ``***`` where a secret stood."""
    return text if pattern is None else pattern.sub(SHOWN, text)


def _spellings(secret: str) -> Iterable[str]:
    if len(secret) < _SHORTEST:
        return ()
    escaped = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        escaped,
        plain,
        escaped.replace("/", "\\/"),
        plain.replace("/", "\\/"),
    }
