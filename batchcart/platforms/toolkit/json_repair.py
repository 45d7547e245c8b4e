"""Owns making JSON of what the platforms' documents print although it is none; it does not know what a value means.

The documents of all three platforms print answers with trailing commas (a9: S000 in all answers to writes, S004 in
nearly every sample), a missing comma at the end of a line (S003 "Atualizar Dados do Carrinho"), `//` comments (S004
"Add/update cart item discount"), and objects side by side without brackets (S003 "Consultar Dados do Carrinho").
Exactly these are forgiven, and nothing whose meaning would have to be guessed: a comma at the very end, say, is where
an answer of objects side by side was cut off.

Two things that are JSON are written otherwise, since not every reader takes them: a number outside a double's range
becomes a text, and half of a surrogate pair becomes U+FFFD.

The text is gone over once, token by token. The brackets that are open and the last token are all that is remembered.
"""

import re
from dataclasses import dataclass, field

from batchcart.model.json_text import DEEPEST, TooMuch, Unreadable, fits_a_double

_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\x00-\x1f]++|\\.)*+")|(?P<space>[ \t\r\n]++)|(?P<sign>[\[\]{}:,])'
    r"|(?P<word>[-+.0-9A-Za-z]++)|(?P<comment>//[^\n]*+)|(?P<end>\Z)|(?P<other>.)",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_LITERALS = {"true", "false", "null"}

_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}(?:\\u[dD][89a-fA-F][0-9a-fA-F]{2})*+")
_ESCAPE, _REPLACEMENT = len(rb"\ud83d"), rb"\ufffd"
_BACKSLASH = ord("\\")
_HIGH, _LOW = b"89abAB", b"cdefCDEF"

_OPEN, _KEY, _COLON, _VALUE = "open", "key", "colon", "value"
_NOT_JSON = "something that is not JSON"


def repair(text: str) -> bytes:
    """The text as JSON; strings are only looked at for their ends. Raises Unreadable."""
    scan = _Scan()
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "string":
                scan.string(token[0])
            case "sign":
                scan.sign(token[0])
            case "word":
                scan.word(token[0])
            case "space":
                scan.line_ended = scan.line_ended or "\n" in token[0]
            case "other":
                raise Unreadable(_NOT_JSON)
            case _:  # a comment, or the end
                pass
    return with_whole_characters(scan.whole().encode())


def with_whole_characters(text: bytes) -> bytes:
    """JSON with U+FFFD for each half of a surrogate pair that stands alone."""
    changed: bytearray | None = None
    for found in _SURROGATES.finditer(text):
        # A backslash that is itself escaped makes no escape of what follows.
        start = found.start() + _ESCAPE * (_backslashes_before(text, found.start()) % 2)
        for place in _halves(text, start, found.end()):
            changed = bytearray(text) if changed is None else changed
            changed[place : place + _ESCAPE] = _REPLACEMENT
    return text if changed is None else bytes(changed)


def _backslashes_before(text: bytes, place: int) -> int:
    first = place
    while first and text[first - 1] == _BACKSLASH:
        first -= 1
    return place - first


def _halves(text: bytes, place: int, end: int) -> list[int]:
    """Where in a run of surrogates one stands alone."""
    alone = []
    while place < end:
        following = place + _ESCAPE
        if text[place + 3] in _HIGH and following < end and text[following + 3] in _LOW:
            place = following
        else:
            alone.append(place)
        place += _ESCAPE
    return alone


@dataclass(slots=True)
class _Scan:
    """How far the text is read: what was written of it, and the ``brackets`` that are open."""

    written: list[str] = field(default_factory=list)
    brackets: list[str] = field(default_factory=list)
    last: str = ""
    comma: bool = False
    line_ended: bool = False
    beside: bool = False

    def string(self, token: str) -> None:
        """A key or a value."""
        is_key = self._begin(missing_comma_may_stand_before=True)
        self._write(token, _KEY if is_key else _VALUE)

    def word(self, token: str) -> None:
        """A number, or one of JSON's three words."""
        if self._begin():
            raise Unreadable(_NOT_JSON)
        if token not in _LITERALS:
            if not _NUMBER.fullmatch(token):
                raise Unreadable(_NOT_JSON)
            if not fits_a_double(token):
                token = f'"{token}"'
        self._write(token, _VALUE)

    def sign(self, token: str) -> None:
        """A bracket, a colon or a comma."""
        match token:
            case "{" | "[":
                self._open(token)
            case "}" | "]":
                self._close(token)
            case ":" if self.last == _KEY:
                self._write(token, _COLON)
            case "," if self.last == _VALUE and not self.comma:
                self.comma, self.line_ended = True, False
            case _:
                raise Unreadable(_NOT_JSON)

    def whole(self) -> str:
        """What was written, once the text is at its end."""
        if self.brackets or self.comma or self.last != _VALUE:
            raise Unreadable(_NOT_JSON)
        text = "".join(self.written)
        return f"[{text}]" if self.beside else text

    def _open(self, bracket: str) -> None:
        if self._begin(object_beside=bracket == "{"):
            raise Unreadable(_NOT_JSON)
        self.brackets.append(bracket)
        if len(self.brackets) > DEEPEST:
            raise TooMuch(f"JSON that is nested more than {DEEPEST} deep")
        self._write(bracket, _OPEN)

    def _close(self, token: str) -> None:
        """A comma before it is dropped."""
        opened = self.brackets.pop() if self.brackets else ""
        if opened + token not in {"{}", "[]"} or self.last not in {_OPEN, _VALUE}:
            raise Unreadable(_NOT_JSON)
        self.comma = False
        self._write(token, _VALUE)

    def _begin(self, *, missing_comma_may_stand_before: bool = False, object_beside: bool = False) -> bool:
        """A key or a value begins; whether it has to be a key."""
        within = self.brackets[-1] if self.brackets else ""
        if self.last == _VALUE and not self.comma:
            if not (missing_comma_may_stand_before and within == "{" and self.line_ended):
                raise Unreadable(_NOT_JSON)
            self.comma = True
        if self.comma and not within:
            if not (object_beside and self.written[0] == "{"):
                raise Unreadable(_NOT_JSON)
            self.beside = True
        if self.last == _KEY:
            raise Unreadable(_NOT_JSON)
        if self.comma:
            self.written.append(",")
            self.comma = False
        return within == "{" and self.last != _COLON

    def _write(self, token: str, kind: str) -> None:
        self.written.append(token)
        self.last, self.line_ended = kind, False
