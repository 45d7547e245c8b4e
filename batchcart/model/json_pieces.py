"""Owns cutting the text of a long JSON array or object between its members; it does not know what they mean.

It goes from bracket to bracket and comma to comma without checking anything else: who decodes the pieces does.
"""

import re
from collections.abc import Iterator

PIECE = 1 << 16
"""Bytes of JSON that are decoded at once: about a millisecond."""

# No search takes long, since none is let go on for more than about a mebibyte: others have their turns between two.
_SHORT = rb'"(?:[^"\\]{1,512}+|\\.){0,64}+"'
_RUN = re.compile(rb'(?:[^\[\]{},"]{1,4096}+|' + _SHORT + rb'){0,64}+([\[\]{},"])?', re.DOTALL)
_NAMED = re.compile(rb'\s{0,64}+("(?:[^"\\]|\\.){0,4096}+")\s{0,64}+:', re.DOTALL)
_BACKSLASH = ord("\\")


class NoMembers(ValueError):
    """The text is no array and no object."""


def groups(text: bytes, piece: int = PIECE) -> Iterator[bytes]:
    """The members of an array or object, commas between them, in groups of at most ``piece`` bytes; a longer one alone.

    Raises NoMembers, perhaps after some, where brackets do not close or a member is missing.
    """
    depth, first, start = 0, 1, 1  # first is where the group begins, start where its last member does
    for sign, end in _signs(text):
        if sign in {b"[", b"{"}:
            depth += 1
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

    raise NoMembers


def _signs(text: bytes) -> Iterator[tuple[bytes, int]]:
    """The brackets and commas outside of strings, from the second byte on, each with its place."""
    place = 1
    while place < len(text):
        found = _RUN.match(text, place)
        assert found is not None  # it matches nothing as well
        sign = found[1]
        if sign == b'"':
            place = _end_of_string(text, found.end())
        else:
            place = found.end()
            if sign:
                yield sign, place - 1


def _end_of_string(text: bytes, place: int) -> int:
    """The place behind a string's end; raises NoMembers if it has none. No backslash is looked at twice."""
    while (quote := text.find(b'"', place)) >= 0:
        first = quote
        while first > place and text[first - 1] == _BACKSLASH:
            first -= 1
        place = quote + 1
        if (quote - first) % 2 == 0:
            return place
    raise NoMembers


def member(text: bytes) -> tuple[bytes, bytes]:
    """An object's member as name and value; raises NoMembers if it is none."""
    found = _NAMED.match(text)
    if found is None:
        raise NoMembers
    return found[1], text[found.end() :].strip()


def _is_missing(text: bytes, start: int, end: int, *, closes: bool) -> bool:
    """Whether there is no member at all; raises NoMembers if just this one is missing.

    ``closes`` says that a bracket stands at the end of it, not a comma.
    """
    if text[start : min(end, start + 64)].strip() or text[start:end].strip():
        return False
    if closes and start == 1:
        return True
    raise NoMembers
