"""Owns the exact values of JSON text, and which text every reader of JSON can take; it forgives nothing.

Answers, results and carts are read by it, so that what one part of the program writes the others can read, and so can
the operator's own tools. Of what the grammar allows it leaves out what readers of JSON disagree about: numbers outside
a double's range, where some fail and some say infinity or 0, and nesting without end, which some take for an attack.

A long text is decoded in pieces. One call of the decoder lets no other thread work, however long it takes; between
two calls others have their turn.
"""

import math
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from batchcart.model.json_pieces import PIECE, NoMembers, groups, member

DEEPEST = 64
"""How deep values may nest. The platforms' documents nest four deep, and what is kept of an answer a few more."""

LONGEST_WHOLE = 308
"""Digits that a whole number may have, leading zeros not being allowed: one more may be beyond a double."""

_SURELY_FITS = 300  # characters of a fraction without an exponent that a double can tell from 0 and from infinity
_SPLIT = 8  # how deep a long text is taken apart; what lies deeper has to be short

_WEIGHT = {b"{": 232, b"[": 64, b",": 56, b"\\": 20}
"""Roughly the bytes in memory that belong to each of these marks of a text; an escape costs time instead."""

_HEAVIEST = 10  # times its own length that the values of a long text may weigh

_DIGITS = b"0123456789"
_TOO_LONG = 10**LONGEST_WHOLE
_NOT_ZERO = re.compile("[1-9]")


class Unreadable(ValueError):
    """The text is not JSON, or not such that every reader can take it; says what it is, as a noun with its article."""


class TooMuch(Unreadable):
    """The text may be JSON, and has more values, or more levels, than are read; repairing it would not help."""


def exact(text: bytes) -> Any:
    """The value of the text, whole numbers as int, fractions as Decimal; raises Unreadable, and nothing else."""
    if len(text) > PIECE:
        if _weight(text) > _HEAVIEST * len(text):
            raise TooMuch("JSON of very many values")
        value = in_pieces(text)
    else:
        value = _at_once(text)
    # Most answers are too short to be deep.
    if len(text) > 2 * DEEPEST and text.count(b"[") + text.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise TooMuch(f"JSON that is nested more than {DEEPEST} deep")
    return value


UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder of a type raises over a text that is none of it, nested too deep, or no text."""


def has_member(text: bytes, name: str) -> bool:
    """Whether the JSON object has a member of that name, a word of ASCII letters; most often a look at its text tells.

    A name may be written with escapes, so only text without any shows by itself that the member is not there.
    """
    if name.encode() not in text and b"\\u" not in text:
        return False
    return name in msgspec.json.decode(text, type=dict[str, msgspec.Raw])


def in_pieces(text: bytes, piece: int = PIECE) -> Any:
    """The same, with no more than about ``piece`` bytes decoded at once, however deep or many the values are."""
    try:
        return _in_pieces(text.strip(), _SPLIT, piece)
    except NoMembers:
        raise Unreadable("something that is not JSON") from None


def plain(text: bytes) -> Any:
    """The value of a line that we wrote, as Python's own json module gives it: fractions as float.

    Raises Unreadable. A number that an older version kept although no double can hold it is read as its text.
    """
    try:
        return _plain(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON: {error}") from None


def fits_a_double(number: str) -> bool:
    """Whether every reader of JSON can take the number, which is one by JSON's grammar."""
    if len(number) <= _SURELY_FITS and "e" not in number and "E" not in number:
        return True
    if number.lstrip("-").isdigit():
        return len(number.lstrip("-")) <= LONGEST_WHOLE
    size = float(number)
    return not math.isinf(size) and (size != 0 or not _NOT_ZERO.search(re.split("[eE]", number)[0]))


def _fraction(number: str) -> Decimal:
    if len(number) <= _SURELY_FITS and "e" not in number and "E" not in number:
        return Decimal(number)
    if not fits_a_double(number):
        raise ValueError("a number is out of range")
    try:
        return Decimal(number)
    except InvalidOperation:  # nothing but zeros with an exponent that is out of range
        return Decimal(0)


def _float(number: str) -> float | str:
    return float(number) if fits_a_double(number) else number


_decode = msgspec.json.Decoder(float_hook=_fraction).decode
_plain = msgspec.json.Decoder(float_hook=_float).decode


def _at_once(text: bytes) -> Any:
    try:
        value = _decode(text)
    except RecursionError:
        raise TooMuch(f"JSON that is nested more than {DEEPEST} deep") from None
    except (msgspec.MsgspecError, ValueError):
        raise Unreadable("something that is not JSON") from None
    if (
        len(text) > LONGEST_WHOLE
        and _may_have_long_whole(text)
        and any(_is_long_whole(entry) for layer in _layers(value) for entry in layer)
    ):
        raise Unreadable("JSON with a number that is out of range")
    return value


def _may_have_long_whole(text: bytes) -> bool:
    """Whether so many digits stand in a row; they would stand on one of these places, each a short look."""
    places = range(LONGEST_WHOLE, len(text), LONGEST_WHOLE + 1)
    return any(_digits_around(text, place) > LONGEST_WHOLE for place in places if text[place] in _DIGITS)


def _digits_around(text: bytes, place: int) -> int:
    before, after = text[max(0, place - LONGEST_WHOLE) : place], text[place : place + LONGEST_WHOLE + 1]
    return len(before) - len(before.rstrip(_DIGITS)) + len(after) - len(after.lstrip(_DIGITS))


def _in_pieces(text: bytes, levels: int, piece: int) -> Any:
    """The value of a long text, decoded a group of members at a time."""
    if len(text) <= piece or text[:1] not in {b"[", b"{"}:
        return _at_once(text)
    if not levels:
        raise TooMuch("JSON of a large part that is nested deeply")
    if text[:1] == b"[":
        values: list[Any] = []
        for group in groups(text, piece):
            long = len(group) > piece
            values += [_in_pieces(group.strip(), levels - 1, piece)] if long else _at_once(b"[" + group + b"]")
        return values
    fields: dict[str, Any] = {}
    for group in groups(text, piece):
        if len(group) > piece:
            name, value = member(group)
            fields[_at_once(name)] = _in_pieces(value, levels - 1, piece)
        else:
            fields |= _at_once(b"{" + group + b"}")
    return fields


def _weight(text: bytes) -> int:
    """What the values may weigh in memory; counted in steps, between which other threads have their turn."""
    return sum(
        weight * text.count(mark, place, place + (1 << 20))
        for place in range(0, len(text), 1 << 20)
        for mark, weight in _WEIGHT.items()
    )


def _layers(value: Any) -> Iterator[list[Any]]:
    """What is nested in a value, layer by layer, itself the first."""
    layer = [value]
    while layer:
        yield layer
        layer = [
            entry
            for outer in layer
            if isinstance(outer, dict | list)
            for entry in (outer.values() if isinstance(outer, dict) else outer)
        ]


def _depth(value: Any) -> int:
    return sum(any(isinstance(entry, dict | list) for entry in layer) for layer in _layers(value))


def _is_long_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) >= _TOO_LONG
