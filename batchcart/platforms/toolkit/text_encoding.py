"""Owns finding the text in a body's bytes, as browsers and HTTP clients do; of JSON it knows the first bytes.

JSON is UTF-8. Servers also send other encodings of Unicode, tell an encoding in Content-Type, or cut a text in the
middle of a character. What is no character of the encoding is read as U+FFFD.
"""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# JSON begins with an ASCII character, and so where the zero bytes are tells the encoding (RFC 4627 §3).
_ZEROS = (
    (re.compile(rb"[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\0[^\0]"), "utf-16-be"),
)

_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_SINGLE_BYTE = re.compile(r"iso8859-([1-9]|1[0-6])|cp125[0-8]|koi8-[ru]")
"""What Python calls the encodings that may stand in a Content-Type: those with one byte a character, and no others."""


_CHUNK = 1 << 14
_FEW = 256
_MOST_STRANGE = 4  # one in so many characters of a chunk that are none; more of them are no text


class NoText(ValueError):
    """The bytes are no text in any encoding that is known."""


def text_in(body: bytes, content_type: str = "") -> str:
    """The text of a body; raises NoText. UTF-8 that is whole is taken for that, whatever Content-Type says."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _decode(body[len(mark) :], encoding)
    for zeros, encoding in _ZEROS:
        if zeros.match(body):
            return _decode(body, encoding)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _decode(body, _find_charset(content_type) or "utf-8")


def _decode(body: bytes, encoding: str) -> str:
    """The text, with U+FFFD for what is no character; in chunks, since each of these costs more than the others."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    chunks = []
    for place in range(0, len(body), _CHUNK):
        chunks.append(decoder.decode(body[place : place + _CHUNK], final=place + _CHUNK >= len(body)))
        if chunks[-1].count("\ufffd") * _MOST_STRANGE > max(len(chunks[-1]), _FEW):
            raise NoText
    return "".join(chunks)


def _find_charset(content_type: str) -> str | None:
    found = _CHARSET.search(content_type)
    if found is None:
        return None
    try:
        name = codecs.lookup(found[1]).name
    except LookupError:
        return None
    return name if _SINGLE_BYTE.fullmatch(name) else None
