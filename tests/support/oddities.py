"""Owns the odd things that shops answer, as data: JSON values, whole bodies, and ways of putting them on the wire.

The values are those at which readers of JSON differ; the wire's are what servers, proxies and firewalls do to HTTP.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

DEEP = {
    name: opening * 5000 + "1" + closing * 5000 for name, opening, closing in (("[", "[", "]"), ("{", '{"a":', "}"))
}

NUMBERS = {
    "0": "0",
    "minus nothing": "-0",
    "minus nothing as a fraction": "-0.0e-0",
    "a negative": "-17",
    "a fraction": "2.50",
    "an exponent": "1E+2",
    "more than 53 bits": "9007199254740993",
    "more than 64 bits": "36893488147419103232",
    "300 digits": "9" * 300,
    "309 digits": "9" * 309,
    "10,000 digits": "7" * 10_000,
    "a long fraction": "0." + "3" * 10_000,
    "beyond a double": "1e400",
    "far beyond a double": "-1e99999999999999999999",
    "next to nothing": "1e-400",
    "far below next to nothing": "1e-99999999999999999999",
    "the greatest double": "1.7976931348623157e308",
}
TEXTS = {
    "nothing": '""',
    "blank": '"  \\t"',
    "two quotes": '"\\"\\""',
    "half an emoji": '"Za\\ud83d"',
    "the other half": '"\\ude00"',
    "a whole emoji": '"\\ud83d\\ude00"',
    "NUL": '"a\\u0000b"',
    "control characters": '"\\u0001\\u001b[31m\\u007f\\u0085"',
    "line ends": '"a\\r\\nb\\u2028c"',
    "right to left": '"\\u202egnp.exe"',
    "a byte order mark": '"\\ufeffK"',
    "no character": '"\\uffff\\ufffe"',
    "dots": '".."',
    "another place": '"../../Orders/4711?x=1#y"',
    "percent": '"%2e%2e%2f"',
    "markup": '"<script>alert(1)</script>"',
    "a formula": '"=HYPERLINK(1)"',
    "a number as text": '"12e3"',
    "a huge number as text": '"1e99999999999999999999"',
    "many digits as text": '"' + "8" * 10_000 + '"',
    "other digits": '"\\u0663\\u0664"',
    "not a number": '"NaN"',
    "infinity": '"-Infinity"',
    "8 KiB": '"' + "x" * 8192 + '"',
    "300 characters": '"' + "k" * 300 + '"',
    "two KiB of emoji": '"' + "\\ud83d\\ude00" * 512 + '"',
    "a code": '"404"',
}
OTHERS = {
    "null": "null",
    "true": "true",
    "false": "false",
    "an empty array": "[]",
    "an empty object": "{}",
    "nested emptiness": "[[[]]]",
    "an array of everything": '[null, true, 1e400, "x", {}, []]',
    "an object of everything": '{"a": null, "": [], "id": {}, "Cart": 1, "carts": "x", "code": "9", "Key": [1]}',
    "itself twice": '{"a": 1, "a": [2]}',
    "60 levels": "[" * 60 + "]" * 60,
}
VALUES = {**NUMBERS, **TEXTS, **OTHERS}
"""Values that are JSON, by what is odd about them."""

BROKEN = {
    "cut off": b'{"Cart": {"id": "1", "na',
    "cut off in an escape": b'{"a": "\\u00',
    "cut off after a comma": b'{"a": 1},',
    "deep arrays": DEEP["["].encode(),
    "deep objects": DEEP["{"].encode(),
    "never closed": b"[" * 20_000,
    "two documents": b'{"status": "ok"}{"status": "ok"}',
    "something behind": b'{"status": "ok"}\0',
    "a comment of another kind": b'{"status": "ok"} <!-- 0.1 s -->',
    "a warning before": b'<br />\n<b>Warning</b>: x in <b>/a.php</b> on line <b>9</b><br />\n[{"status": "ok"}]',
    "a web page": b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>",
    "a callback": b'cb({"status": "ok"});',
    "a guard": b')]}\',\n{"status": "ok"}',
    "single quotes": b"{'status': 'ok'}",
    "names without quotes": b'{status: "ok"}',
    "no number": b'{"count": NaN}',
    "infinity": b"[Infinity, -Infinity]",
    "leading zeros": b'{"count": 007}',
    "a hexadecimal": b'{"count": 0x10}',
    "a plus": b'{"count": +1}',
    "raw line ends in a text": b'{"message": "two\nlines"}',
    "a raw NUL in a text": b'{"message": "a\0b"}',
    "an escape that is none": b'{"message": "D\\\'Za"}',
    "two commas": b"[1,,2]",
    "a comma alone": b"[,]",
    "quotes in a row": b'{"""' * 2000,
    "a text without end": b'{"a":"' + b"x" * 30_000,
    "bytes": bytes(range(256)) * 4,
    "NULs": bytes(64),
    "packed": gzip.compress(b"{}"),
    "words": b"OK",
    "a plus sign": b"+",
}
"""Bodies that nobody can read."""

ENCODED: dict[str, Callable[[bytes], tuple[bytes, str]]] = {
    "UTF-8 with a mark": lambda body: (b"\xef\xbb\xbf" + body, "application/json"),
    "UTF-16": lambda body: (body.decode().encode("utf-16"), "application/json"),
    "UTF-16 without a mark": lambda body: (body.decode().encode("utf-16-be"), "application/json; charset=utf-16"),
    "UTF-32": lambda body: (body.decode().encode("utf-32"), "text/plain"),
    "Latin-1 as it says": lambda body: (_with_ction(body).encode("latin-1"), "application/json; charset=ISO-8859-1"),
    "Latin-1 that says nothing": lambda body: (_with_ction(body).encode("latin-1"), "application/json"),
    "blank lines around": lambda body: (b"\r\n\r\n " + body + b"\r\n\t\n", "text/html; charset=UTF-8"),
}
"""A readable JSON body in other bytes, with a Content-Type."""


def _with_ction(body: bytes) -> str:
    """A Latin-1 text, with a letter in it that ASCII has not, if there is a text that may grow."""
    return (
        body.decode("utf-8", "replace")
        .replace('"name":"', '"name":"ção ')
        .encode("latin-1", "replace")
        .decode("latin-1")
    )


def with_odd_parts(document: Any, odd: str) -> Iterator[bytes]:
    """The document as JSON, each of its parts in turn in the words of ``odd``."""
    for path in _paths(document):
        marked = json.dumps(_replaced(document, path, _MARK))
        yield marked.replace(json.dumps(_MARK), odd).encode()


_MARK = "@here@"


def _paths(document: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield from ((key, *rest) for rest in _paths(value))


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = _replaced(document[path[0]], path[1:], value)
    return copy


Wire = Callable[[int, bytes], tuple[bytes, bool]]
"""An answer with a status and a body as bytes of a connection, and whether the connection ends after it."""


def plainly(status: int, body: bytes, *headers: str, reason: str = "OK", length: str | None = None) -> bytes:
    """An answer as HTTP wants it."""
    given = [f"Content-Length: {len(body) if length is None else length}", "Content-Type: application/json", *headers]
    return (
        f"HTTP/1.1 {status} {reason}\r\n".encode()
        + "".join(f"{one}\r\n" for one in given).encode("latin-1")
        + b"\r\n"
        + body
    )


def chunked(status: int, body: bytes, size: int, *headers: str, end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer in chunks."""
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    text = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    head = [f"HTTP/1.1 {status} OK", "Transfer-Encoding: chunked", "Content-Type: application/json", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text + end


WIRES: dict[str, Wire] = {
    "chunks of one byte": lambda status, body: (chunked(status, body, 1), False),
    "chunks with trailers": lambda status, body: (chunked(status, body, 64, end=b"0\r\nX-Sum: 1\r\n\r\n"), False),
    "chunks that stop": lambda status, body: (chunked(status, body, 64, end=b""), True),
    "a chunk's length that is none": lambda s, b: (chunked(s, b, 64).replace(b"\r\n40\r\n", b"\r\nzz\r\n"), True),
    "an endless chunk": lambda status, body: (chunked(status, b"", 1, end=b"ffffffffffffffff\r\n") + body, True),
    "packed": lambda status, body: (plainly(status, gzip.compress(body), "Content-Encoding: gzip"), False),
    "packed and cut": lambda status, body: (plainly(status, gzip.compress(body)[:-9], "Content-Encoding: gzip"), True),
    "packed otherwise": lambda status, body: (plainly(status, zlib.compress(body), "Content-Encoding: br"), False),
    "a bomb": lambda status, body: (plainly(status, gzip.compress(bytes(64 << 20)), "Content-Encoding: gzip"), False),
    "said to be longer": lambda status, body: (plainly(status, body, length=str(len(body) + 7)), True),
    "said to be shorter": lambda status, body: (plainly(status, body, length=str(max(0, len(body) - 3))), False),
    "a length below nothing": lambda status, body: (plainly(status, body, length="-1"), True),
    "a length without end": lambda status, body: (plainly(status, body, length="9" * 40), True),
    "two lengths": lambda status, body: (plainly(status, body, f"Content-Length: {len(body) + 1}"), True),
    "without a length": lambda status, body: (b"HTTP/1.1 %d OK\r\nConnection: close\r\n\r\n%s" % (status, body), True),
    "HTTP/1.0": lambda status, body: (b"HTTP/1.0 %d OK\r\n\r\n%s" % (status, body), True),
    "HTTP/2": lambda status, body: (b"HTTP/2 %d\r\n\r\n%s" % (status, body), True),
    "HTTP/0.9": lambda status, body: (body, True),
    "no status": lambda status, body: (b"HTTP/1.1\r\n\r\n" + body, True),
    "status 0": lambda status, body: (plainly(0, body), True),
    "status 999": lambda status, body: (plainly(999, body), True),
    "no reason": lambda status, body: (plainly(status, body, reason=""), False),
    "a reason in other letters": lambda status, body: (plainly(status, body, reason="\x81\xffÄ"), False),
    "hints before": lambda s, b: (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + plainly(s, b), False),
    "hints without end": lambda status, body: (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, True),
    "switching": lambda status, body: (plainly(101, body, "Upgrade: h2c", "Connection: Upgrade"), True),
    "204 with a body": lambda status, body: (plainly(204, body), True),
    "304": lambda status, body: (plainly(304, b""), False),
    "line ends of one character": lambda status, body: (plainly(status, body).replace(b"\r\n", b"\n", 4), False),
    "a header without colon": lambda status, body: (plainly(status, body, "P3P CP=NOI"), False),
    "a folded header": lambda status, body: (plainly(status, body, "X-Long: a\r\n b"), False),
    "a header with NUL": lambda status, body: (plainly(status, body, "X-Store: a\0b"), False),
    "headers without end": lambda s, b: (b"HTTP/1.1 200 OK\r\n" + b"X-Header: %s\r\n" % (b"x" * 1000) * 200, True),
    "one header without end": lambda status, body: (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, True),
    "a second answer behind": lambda status, body: (plainly(status, body) + plainly(200, b'{"status":"ok"}'), False),
    "nothing": lambda status, body: (b"", True),
    "noise": lambda status, body: (bytes(range(256)) * 8, True),
    "TLS": lambda status, body: (b"\x15\x03\x01\x00\x02\x02\x46", True),
    "a charset that is none": lambda s, b: (plainly(s, b, "Content-Type: application/json; charset=\xff\x00"), False),
    "Retry-After of a thousand years": lambda status, body: (plainly(503, body, "Retry-After: 31536000000"), False),
    "Retry-After that is none": lambda status, body: (plainly(429, body, "Retry-After: " + "9" * 400), False),
    "a Location that is none": lambda status, body: (plainly(302, b"", "Location: http://[::1:80/\x7f"), False),
    "gone elsewhere": lambda status, body: (plainly(308, b"", "Location: https://elsewhere.example/?token=1"), False),
    "a firewall": lambda status, body: (plainly(403, BROKEN["a web page"], "Server: guard"), False),
    "500 with JSON": lambda status, body: (plainly(500, body), False),
    "418": lambda status, body: (plainly(418, body), False),
}  # fmt: skip
