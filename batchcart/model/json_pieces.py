"""Owns cutting the text of a long JSON array or object between its members; it does not know what they mean.

It goes from bracket to bracket and comma to comma without checking anything else: who decodes the pieces does.
"""

import re
from collections.abc import Iterator

PIECE = 1 << 16
"""Bytes of JSON that are decoded at once: about a millisecond."""

# A string that has no end takes the rest of the text with it, so nothing is gone over twice.
_STRING = rb'"(?:[^"\\]++|\\.)*+"?+'
_SIGN = re.compile(rb'(?:[^\[\]{},"]++|' + _STRING + rb")*+([\[\]{},]|\Z)", re.DOTALL)
_NAMED = re.compile(rb"\s*+(" + _STRING + rb")\s*+:", re.DOTALL)
_BLANK = re.compile(rb"\s*+")


class NoMembers(ValueError):
    """The text is no array and no object."""


def groups(text: bytes, piece: int = PIECE) -> Iterator[bytes]:
    """The members of an array or object, commas between them, in groups of at most ``piece`` bytes; a longer one alone.

    Raises NoMembers, perhaps after some, where brackets do not close or a member is missing.
    """
    depth, first, start = 0, 1, 1  # first is where the group begins, start where its last member does
    for found in _SIGN.finditer(text, 1):
        sign, end = found[1], found.start(1)
        if sign in {b"[", b"{"}:
            depth += 1
        elif not sign:
            raise NoMembers
        elif depth:
            depth -= sign != b","
        else:
            closes = sign != b","
            if closes and (end + 1 < len(text) or text[:1] + sign not in {b"[]", b"{}"}):
                raise NoMembers
            if _is_missing(text, start, end, closes=closes):
                return
            if end - first > piece and start > first:
                yield text[first : start - 1]
                first = start
            if closes or end - first > piece:
                yield text[first:end]
                first = end + 1
            start = end + 1
            if closes:
                return


def member(text: bytes) -> tuple[bytes, bytes]:
    """An object's member as name and value; raises NoMembers where it is none."""
    found = _NAMED.match(text)
    if found is None:
        raise NoMembers
    return found[1], text[found.end() :].strip()


def _is_missing(text: bytes, start: int, end: int, *, closes: bool) -> bool:
    """Whether there is no member at all; raises NoMembers where just this one is missing.

    ``closes`` says that a bracket stands at the end of it, not a comma.
    """
    found = _BLANK.match(text, start, end)
    if found is None or found.end() < end:
        return False
    if closes and start == 1:
        return True
    raise NoMembers
