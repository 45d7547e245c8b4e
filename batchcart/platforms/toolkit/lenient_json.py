"""Owns turning what a shop sent into values, well-formed or not; it does not know any platform's words."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

# Decimal keeps money and quantities as written; a float would round them.
_decoder = msgspec.json.Decoder(float_hook=Decimal)

_KEPT = 1 << 20
"""Bytes up to which an answer's values are kept for the next question about it."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*")
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])")
_MISSING_COMMA = re.compile(rf'({_STRING}|[}}\]0-9el])([ \t\r]*\n\s*(?="))')
_LONGEST_CODE = 9


class Unreadable(ValueError):
    """The body is not JSON, even when read with the documents' own mistakes forgiven."""


def json_text(body: bytes) -> bytes:
    """The body as one line of well-formed JSON; raises Unreadable."""
    # JSON strings hold no raw line ends, so these are all between tokens.
    return _read(body)[0].strip().replace(b"\r", b"").replace(b"\n", b"").replace(b"\t", b"")


def decoded(body: bytes) -> Any:
    """The body as Python values, fractions as Decimal; raises Unreadable. Not to be changed: it is kept."""
    return _read(body)[1]


def readable(body: bytes) -> bool:
    """Whether the body can be read as JSON."""
    try:
        _read(body)
    except Unreadable:
        return False
    return True


def value_of(body: bytes) -> Any:
    """The body as Python values; None where it cannot be read."""
    try:
        return _read(body)[1]
    except Unreadable:
        return None


def object_of(body: bytes) -> dict[str, Any]:
    """The body's JSON object; an empty one where it is anything else."""
    value = value_of(body)
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """A shop's name, id or message, whether it wrote a text or a number; "" for anything else."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, int | Decimal) else ""


def whole_of(value: object) -> int:
    """A shop's code, whether it wrote a number or a text; 0 for anything else."""
    text = text_of(value)
    return int(text) if text.isdigit() and text.isascii() and len(text) <= _LONGEST_CODE else 0


def _read(body: bytes) -> tuple[bytes, Any]:
    # One answer is asked about several times in a row, so what was read last is kept.
    return _kept(body) if len(body) <= _KEPT else _parsed(body)


def _parsed(body: bytes) -> tuple[bytes, Any]:
    """Text and value of the body.

    Strict first. The documents of all three platforms print answers that are not JSON: trailing commas (a9: S000 in
    all answers to writes, S004 in nearly every sample), a missing comma (S003 "Atualizar Dados do Carrinho"), `//`
    comments (S004 "Add/update cart item discount"), and objects side by side without brackets (S003 "Consultar Dados
    do Carrinho"). What strict reading refuses is tried once more with exactly these forgiven. A comma at the very end
    is not: it is where an answer of objects side by side was cut off.
    """
    if not body.strip():
        raise Unreadable("the body is empty")
    try:
        return body, _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        mended = _mended(body.decode("utf-8-sig"))
        return mended, _decoder.decode(mended)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("the body is not JSON") from None


_kept = lru_cache(maxsize=2)(_parsed)


def _mended(text: str) -> bytes:
    text = _COMMENT.sub(lambda found: found[1] or "", text)
    text = _MISSING_COMMA.sub(lambda found: f"{found[1]},{found[2]}", text)
    text = _TRAILING_COMMA.sub(lambda found: found[1] or "", text).strip()
    if _is_whole(text.encode()) or not (text.startswith("{") and text.endswith("}")):
        return text.encode()
    return f"[{text}]".encode()


def _is_whole(text: bytes) -> bool:
    try:
        _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
