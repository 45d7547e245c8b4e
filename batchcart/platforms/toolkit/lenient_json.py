"""Owns turning what a shop sent into values, well-formed or not; it does not know any platform's words."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from batchcart.model.http import Response
from batchcart.model.json_text import TooMuch, Unreadable, exact
from batchcart.platforms.toolkit.json_repair import repair, with_whole_characters
from batchcart.platforms.toolkit.text_encoding import NoText, text_in

AnswerBody = Response | bytes
"""A response, which is read once however often it is asked about, or the body of one."""

LONGEST_REPAIRED = 256 << 10
"""Bytes of a body up to which the documents' own mistakes are forgiven; a longer one is JSON, or is not read."""

_BLANKS = "\ufeff \t\r\n"
"""What PHP files write around an answer: a byte order mark each, and what stands outside of their tags."""

_LONGEST_CODE = 9
_NONE: Mapping[str, str] = MappingProxyType({})


class _Read(msgspec.Struct, frozen=True):
    """What a body says: JSON, and its value; or why it cannot be read."""

    text: bytes
    value: Any
    why: str = ""


def json_text(answer: AnswerBody) -> bytes:
    """The body as one line of JSON that every reader takes; raises Unreadable."""
    return answer.once(_line_of) if isinstance(answer, Response) else _line_of(answer)


def decode(answer: AnswerBody) -> Any:
    """The body as Python values, fractions as Decimal; raises Unreadable. Not to be changed: a response's are kept."""
    return _read_leniently(answer).value


def readable(answer: AnswerBody) -> bool:
    """Whether the body can be read as JSON."""
    return not _read(answer).why


def why_unreadable(answer: AnswerBody) -> str:
    """What the body is if it is no JSON that can be read, as a noun with its article; "" if it can."""
    return _read(answer).why


def value_of(answer: AnswerBody) -> Any:
    """The body as Python values; None if it cannot be read."""
    return _read(answer).value


def object_of(answer: AnswerBody) -> dict[str, Any]:
    """The body's JSON object; an empty one where it is anything else."""
    value = _read(answer).value
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


def _read_leniently(answer: AnswerBody) -> _Read:
    read = _read(answer)
    if read.why:
        raise Unreadable(read.why)
    return read


def _read(answer: AnswerBody) -> _Read:
    if isinstance(answer, Response):
        return answer.once(_of_response)
    return _of_body(answer)


def _of_response(response: Response) -> _Read:
    return _of_body(response.body, response.headers)


def _of_body(body: bytes, headers: Mapping[str, str] = _NONE) -> _Read:
    """Strictly first: what strict reading refuses is tried once more with the documents' mistakes forgiven."""
    try:
        return _Read(body, exact(body))
    except TooMuch as refused:
        return _Read(b"", None, str(refused))
    except Unreadable as refused:
        if not body.strip():
            return _Read(b"", None, "an empty body")
        why = str(refused)
    try:
        text = text_in(body, headers.get("content-type", "")).strip(_BLANKS)
        mended = repair(text) if len(body) <= LONGEST_REPAIRED else with_whole_characters(text.encode())
        if mended == body:
            return _Read(b"", None, why)
        return _Read(mended, exact(mended))
    except NoText:
        return _Read(b"", None, why)
    except Unreadable as refused:
        return _Read(b"", None, str(refused))


def _line_of(answer: AnswerBody) -> bytes:
    text = _read_leniently(answer).text.strip()
    # JSON strings hold no raw line ends, so these are all between tokens.
    if b"\n" in text or b"\r" in text:
        return text.translate(None, b"\r\n\t")
    return text
