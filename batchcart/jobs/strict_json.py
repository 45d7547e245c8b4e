"""Owns what makes a job line's text good JSON beyond what a decoder asks for; it does not know what the line says."""

import json
import re
from collections import Counter
from typing import Any

import msgspec

from batchcart.jobs.line_flaw import explain
from batchcart.model.errors import quote

DEEPEST = 100
"""How deep a line may nest. Documents nest three deep; what reads lines recurses."""

_LONGEST_NUMBER = 308  # digits that a whole number may have before it is beyond a float

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % (_LONGEST_NUMBER + 1))
_TINY = re.compile(rb"[0-9][eE]-")
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]")


class StrictJsonError(Exception):
    """The text is not the JSON object that a job line has to be; says why.

    ``kind`` is the kind of a Flaw, "" for none; ``json`` is False where the text is no JSON at all.
    """

    def __init__(self, sentence: str, kind: str = "", *, json: bool = True) -> None:
        super().__init__(sentence)
        self.kind, self.json = kind, json


def check_strictly(text: bytes) -> None:
    """Raises StrictJsonError unless ``text`` is one JSON object in UTF-8, with no key twice and no number too large."""
    try:
        value = _decode(text)
    except RecursionError:
        raise StrictJsonError(f"nested more than {DEEPEST} deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(text, error) from None
    if not isinstance(value, dict):
        twice = " (an object written into a text: encoded twice)" if _is_object(value) else ""
        sentence = f'expected an object such as {{"op":"cart.get",…}}, found {_cut(text)}{twice}'
        raise StrictJsonError(sentence, "no object", json=False)
    if len(text) > 2 * DEEPEST and _has_many_brackets(text) and _depth(value) > DEEPEST:
        raise StrictJsonError(f"nested more than {DEEPEST} deep")
    again = _encode(value)
    # What machines write comes out again as it was, so nothing of it was lost: that takes 1 µs a line, the slow look
    # 20. In what people write, a key given twice is one colon lost; only then, or where this cannot tell, is it needed.
    # An escaped colon, a fraction that decodes to 0 and a whole number beyond a float are what it cannot tell.
    lost = again != text and (text.count(b":") != again.count(b":") or text.find(b"\\u003") >= 0 or _has_tiny(text))
    if lost or (len(text) > _LONGEST_NUMBER and _has_huge(text)):
        _look_closely(text)


def _has_many_brackets(text: bytes) -> bool:
    """Whether there are enough to nest too deep. Where they are few, splitting is quicker than counting."""
    opened = len(text.split(b"{", DEEPEST + 1)) - 1
    return opened + (text.count(b"[") if b"[" in text else 0) > DEEPEST


def _has_tiny(text: bytes) -> bool:
    """Whether a fraction may be too small for a float; most text is told apart without a pattern."""
    return text.find(b"-") >= 0 and (text.find(b"e-") >= 0 or text.find(b"E-") >= 0) and bool(_TINY.search(text))


def _has_huge(text: bytes) -> bool:
    """Whether a whole number may be too large for a float."""
    for place in range(_LONGEST_NUMBER, len(text), _LONGEST_NUMBER + 1):
        if b"0" <= text[place : place + 1] <= b"9":  # so many digits in a row stand on at least one of these places
            return _MANY_DIGITS.search(text) is not None
    return False


def _look_closely(text: bytes) -> None:
    def see(pairs: list[tuple[str, Any]]) -> None:
        key, times = Counter(key for key, _ in pairs).most_common(1)[0] if pairs else ("", 0)
        if times > 1:
            raise StrictJsonError(f"the key {quote(key)} is given twice in one object")

    def whole(number: str) -> None:
        if len(number.lstrip("-")) > _LONGEST_NUMBER:
            raise StrictJsonError("a number is out of range")

    def fraction(number: str) -> None:
        mantissa = re.split("[eE]", number)[0]
        if float(number) == 0 and re.search("[1-9]", mantissa):
            raise StrictJsonError("a number is out of range")

    json.loads(text, object_pairs_hook=see, parse_int=whole, parse_float=fraction)


def _depth(value: object) -> int:
    depth, layer = 0, [value]
    while layer:
        depth += 1
        inside = [entry for outer in layer for entry in (outer.values() if isinstance(outer, dict) else outer)]  # type: ignore[attr-defined]
        layer = [entry for entry in inside if isinstance(entry, dict | list)]
    return depth


def _refusal(text: bytes, error: Exception) -> StrictJsonError:
    if isinstance(error, msgspec.ValidationError):
        return StrictJsonError("a number is out of range")
    said = str(error).removeprefix("JSON is malformed: ")
    is_text = not isinstance(error, UnicodeDecodeError)
    if is_text and ("surrogate" in said or (said == "Input data was truncated" and _HIGH_SURROGATE.search(text))):
        return StrictJsonError("a lone surrogate (\\ud800 to \\udfff without its other half) is not a character")
    flaw = explain(text, said)
    return StrictJsonError(flaw.sentence, flaw.kind, json=False)


def _is_object(value: object) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("{")


def _cut(text: bytes) -> str:
    shown = text[:40].decode(errors="replace")
    return shown if len(text) <= 40 else f"{shown}…"
