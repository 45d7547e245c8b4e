"""Owns heads of answers that the parser refuses though browsers and curl read them; it does not know bodies.

Such a head is written anew, with what it says of the body's length in one plain form: chunks come before a length
(RFC 9112, section 6.3), a length that is given twice is one length, and a line that is no header is left out. What can
be read in two ways stays refused: it could make one request's answer the next one's.
"""

import re

_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/[12](?:\.\d)?[ \t]+([1-9]\d\d)(?:[ \t].*)?")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*")
_LENGTH = re.compile(rb"\+?(\d{1,18})")
_SWITCHING = 101


class Odd(Exception):
    """The parser understands the head, but otherwise than others do."""


class UnreadableHead(Exception):
    """The head cannot be read, or in more than one way."""


def plain_head(text: bytes) -> tuple[bytes, bytes] | None:
    """The answer's head in a plain form, and what stands behind it; None where its end has not come yet.

    Hints that stand before the answer are passed over. Raises Unreadable.
    """
    while True:
        text = text.lstrip(b"\r\n")
        end = _EMPTY_LINE.search(text)
        if end is None:
            return None
        first, *lines = re.split(rb"\r?\n", _FOLD.sub(b" ", text[: end.start()]))
        status = _STATUS_LINE.fullmatch(first)
        if status is None:
            raise UnreadableHead
        text = text[end.end() :]
        code = int(status[1])
        if code >= 200 or code == _SWITCHING:
            return _write_head(code, lines), text


def _write_head(code: int, lines: list[bytes]) -> bytes:
    headers = [(found[1].lower(), found[2]) for line in lines if (found := _HEADER.fullmatch(line))]
    lengths = [part.strip() for name, value in headers if name == b"content-length" for part in value.split(b",")]
    codings = [
        part.strip().lower() for name, value in headers if name == b"transfer-encoding" for part in value.split(b",")
    ]
    others = [(name, value) for name, value in headers if name not in {b"content-length", b"transfer-encoding"}]
    framing = [(b"content-encoding", coding) for coding in codings if coding not in {b"", b"identity", b"chunked"}]
    if b"chunked" in codings:
        framing.append((b"transfer-encoding", b"chunked"))
    elif lengths != [b""] and (length := _length(lengths)) is not None:
        framing.append((b"content-length", length))
    head = [b"HTTP/1.1 %d" % code, *(b"%s: %s" % header for header in (*others, *framing)), b"", b""]
    return b"\r\n".join(head)


def _length(lengths: list[bytes]) -> bytes | None:
    """The one length that all of them say; None where there is none."""
    if not lengths:
        return None
    found = {int(match[1]) for text in lengths if (match := _LENGTH.fullmatch(text))}
    if len(found) != 1 or not all(_LENGTH.fullmatch(text) for text in lengths):
        raise UnreadableHead
    return b"%d" % found.pop()
