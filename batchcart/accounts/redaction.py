"""Owns taking credentials out of text, in every spelling a shop may echo them in; it does not know whose they are.

A secret is looked for in the text as it came and, where escapes stand in it, in what it reads like once they are
undone; each such reading knows from which bytes of the text its own came. All secrets are looked for at once, by a
piece of each that begins with a character which is rare in answers, so that most text is passed over at a glance. The
time grows with the text, and the work is done in small steps, so that another thread gets its turn.
"""

import base64
import html.entities
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter

import msgspec

SURELY_SECRET = 8
"""Characters from which on a secret is surely none of a shop's own words."""

_SHORTEST = 4
_WORDS = {"true", "false", "null"}  # of JSON: one in the place of a value cannot be told from it
_ROUNDS = 3  # how often a text may have been escaped, each time in another way
_STEP, _LONGEST = 1 << 14, 64  # bytes: of a text that are read at a time, and of an escape
_LOOK, _PIECE = 1 << 18, 8  # bytes: of a text that are searched at a time, and of a secret that are looked for
_KEPT = 4096  # escapes that are remembered
_SIGNS = (b"\\", b"%", b"&", b"\0")
_OFTEN = (
    b'" 0123456789,:etaoinsrdlcumpfhgybvkw_-./{}[]TSCAIPEDNMRLOUBFGHVWKYxjqzXJQZ'  # characters, the most usual first
)
_RARITIES = bytes(_OFTEN.find(char) % (len(_OFTEN) + 1) for char in range(256))
_ESCAPE = re.compile(
    rb"[\\%&](?:"
    rb"(?<=\\)(?<!\\\\)\\*+(?:(?:u00|x|U00|X)([2-7][0-9a-fA-F])|(/))"  # JSON inside JSON doubles its backslashes
    rb"|(?<=%)(?:25){0,4}([2-7][0-9a-fA-F])"
    rb"|(?<=&)(?:amp;){0,4}(?:"
    rb"#[xX]0{0,8}([2-7][0-9a-fA-F]);?|#0{0,8}(1[01][0-9]|12[0-6]|[3-9][0-9]);?|([a-zA-Z]{2,8});"
    rb"))"
)
_BEGINNINGS = rb"\\[\\xX/]|\\[uU]00[2-7]|%[2-7]|&#|&[a-zA-Z]{2,8};|\0"
"""How every escape begins: with one character and no set of them, since that is searched for four times as fast. The
query of an address and an accented letter in JSON, which most answers have, begin otherwise."""
_WHOLE_ESCAPE = re.compile(b"(" + re.sub(rb"\((?!\?)", b"(?:", _ESCAPE.pattern) + b")")
_SIGN = re.compile(rb"(?<![\\%&])[\\%&]")
_ZEROS = re.compile(rb"\0+")  # as UTF-16 and UTF-32 have
_NAMES = {
    name.removesuffix(";").lower().encode(): text.encode()
    for name, text in html.entities.html5.items()
    if len(text) == 1 and "!" <= text <= "~"
}
_IN_BASE64 = re.compile(rb"[A-Za-z0-9+/_=-]")
_IN_WORD = re.compile(rb"[\w-]")
_NUMBER = re.compile(rb"[-+.eE0-9]*[0-9][-+.eE0-9]*")
_DIGIT = re.compile(rb"[0-9]")


class _Spelling(msgspec.Struct, frozen=True):
    """One way in which a secret may be written; a ``word`` is one only where it stands by itself."""

    text: bytes
    word: bool = False
    base64: bool = False


@dataclass(frozen=True)
class Redactor:
    """What finds secrets. One look for ``suspects``, pieces of them or how escapes begin, is all most text costs."""

    spellings: tuple[_Spelling, ...]
    suspects: re.Pattern[bytes]

    @cached_property
    def pieces(self) -> re.Pattern[bytes]:
        """What finds pieces alone; for many accounts it is never asked."""
        return re.compile(_either_piece(self.spellings))


def compile_redactor(secrets: Iterable[str], *, least: int = _SHORTEST, most: int | None = None) -> Redactor | None:
    """What finds the secrets that have ``least`` to ``most`` characters; None if there are none.

    From 8 characters on they are found anywhere. Shorter ones only as a word of their own, and below 4 not at all:
    anything else would cut ids and prices to pieces.
    """
    least = max(least, _SHORTEST)
    wanted = {text for text in secrets if least <= len(text) and (most is None or len(text) <= most)} - _WORDS
    spellings = dict.fromkeys(spelling for secret in sorted(wanted) for spelling in _spellings(secret))
    if not spellings:
        return None
    return Redactor(tuple(spellings), re.compile(_BEGINNINGS + b"|" + _either_piece(spellings)))


def _either_piece(spellings: Iterable[_Spelling]) -> bytes:
    return b"|".join(re.escape(piece) for piece in sorted({_piece(spelling.text) for spelling in spellings}))


def _piece(text: bytes) -> bytes:
    """The part of the text that begins with the rarest of its characters that has some behind it."""
    rarities = text[: max(1, len(text) - _PIECE + 1)].translate(_RARITIES)
    start = rarities.index(max(rarities))
    return text[start : start + _PIECE]


def redact(text: bytes, secrets: Redactor | None) -> bytes:
    """The text with ``***`` where a secret stood; JSON stays JSON."""
    if secrets is None:
        return text
    if len(text) <= _STEP:
        suspect = secrets.suspects.search(text)
        if suspect is None or not _shows_piece(text, secrets, suspect):
            return text
    return _mask_places(text, secrets)


def is_surely_clean(texts: Iterable[str], secrets: Redactor | None) -> bool:
    """Whether short texts, looked at together, hold nothing that any of them would have to be looked at closely for."""
    joined = "\n".join(texts).encode("utf-8", "surrogatepass")
    return secrets is None or (len(joined) <= _STEP and not secrets.suspects.search(joined))


def _shows_piece(text: bytes, secrets: Redactor, suspect: re.Match[bytes] | None) -> bool:
    """Whether a short text holds a piece, or does so once its escapes are undone; ``suspect`` is its first suspect."""
    for _ in range(_ROUNDS):
        if suspect is None:
            return False
        if secrets.pieces.search(text, suspect.start()):
            return True
        plain = text.replace(b"\\/", b"/")  # PHP writes every slash so, and most often that is all
        if secrets.suspects.search(plain, max(0, suspect.start() - _PIECE + 1)) is None:
            return False
        undone = text.replace(b"\0", b"") if b"\0" in text else _undo(text)
        if undone == text:
            return False
        text, suspect = undone, secrets.suspects.search(undone)
    return secrets.pieces.search(text) is not None


def _holds_piece(text: bytes, secrets: Redactor) -> bool:
    search = secrets.pieces.search
    return any(search(text, at, at + _LOOK + _PIECE) for at in range(0, len(text), _LOOK))


def redact_text(text: str, secrets: Redactor | None) -> str:
    """As ``redact``, of a text in characters."""
    if secrets is None:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    clean = redact(raw, secrets)
    return text if clean is raw else clean.decode("utf-8", "replace")


def _spellings(secret: str) -> Iterator[_Spelling]:
    plain = secret.encode("utf-8", "surrogatepass")
    if len(secret) < SURELY_SECRET:
        yield _Spelling(plain, word=True)
        return
    yield _Spelling(plain)
    undone = _as_undone(plain)
    if undone != plain:  # a secret that looks like an escape itself
        yield _Spelling(undone)
    if b"+" in plain:
        yield _Spelling(plain.replace(b"+", b" "))
    for offset in range(3):
        # Of the first and the last character of Base64, neighbours of the secret decide some bits.
        first, last = -(-8 * offset // 6), 8 * (offset + len(plain)) // 6
        coded = base64.b64encode(bytes(offset) + plain + bytes(2))[first:last]
        for text in dict.fromkeys((coded, coded.replace(b"+", b"-").replace(b"/", b"_"))):
            yield _Spelling(text, base64=True)


def _as_undone(text: bytes) -> bytes:
    *_, last = _readings(text)
    return last.text


@dataclass(slots=True)
class _Reading:
    """What a text reads like once the escapes of ``parent`` are undone; ``parent`` is None for the text itself.

    ``steps`` say where each step of the parent's text begins here, and there.
    """

    text: bytes
    parent: "_Reading | None" = None
    steps: list[tuple[int, int]] = field(default_factory=list)
    _looked_up: int = -1  # the step of which the escapes are known: places are asked for in order
    _escapes: list[tuple[int, int, int, int]] = field(default_factory=list)

    def undone(self) -> "_Reading | None":
        """The text with its escapes undone; None if it has none."""
        text = self.text
        if all(text.find(sign) < 0 for sign in _SIGNS):
            return None
        zeros = b"\0" in text
        parts, steps, at = [], [], 0
        for start, end in _steps(text):
            part = text[start:end].replace(b"\0", b"") if zeros else _undo(text[start:end])
            parts.append(part)
            steps.append((at, start))
            at += len(part)
        undone = b"".join(parts)
        return None if undone == text else _Reading(undone, self, steps)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text itself this part came from."""
        if self.parent is None:
            return start, end
        return self.parent.origin(self._in_parent(start)[0], self._in_parent(end - 1)[1])

    def _in_parent(self, place: int) -> tuple[int, int]:
        step = bisect_right(self.steps, place, key=itemgetter(0)) - 1
        if step != self._looked_up:
            self._looked_up, self._escapes = step, self._list_escapes(step)
        index = bisect_right(self._escapes, place, key=itemgetter(0)) - 1
        if index < 0:
            ours, theirs = self.steps[step]
            return theirs + place - ours, theirs + place - ours + 1
        ours, start, end, length = self._escapes[index]
        if place < ours + length:
            return start, end
        at = end + place - ours - length
        return at, at + 1

    def _list_escapes(self, step: int) -> list[tuple[int, int, int, int]]:
        """The escapes of one step: where the character stands here, where they stand there, the character's length."""
        assert self.parent is not None
        text = self.parent.text
        (ours, theirs), until = self.steps[step], self.steps[step + 1][1] if step + 1 < len(self.steps) else len(text)
        escapes, moved = [], theirs - ours
        escape, zeros = (_ZEROS, True) if b"\0" in text else (_WHOLE_ESCAPE, False)
        for found in escape.finditer(text[theirs:until]):
            char = b"" if zeros else _CHARACTERS[found[0]]
            if char != found[0]:
                start, end = theirs + found.start(), theirs + found.end()
                escapes.append((start - moved, start, end, len(char)))
                moved += end - start - len(char)
        return escapes


def _undo(text: bytes) -> bytes:
    """The text with a character in the place of each escape that stands for a visible one."""
    parts = _WHOLE_ESCAPE.split(text.replace(b"\\/", b"/"))  # PHP writes every slash so
    if len(parts) == 1:
        return parts[0]
    parts[1::2] = map(_CHARACTERS.__getitem__, parts[1::2])
    return b"".join(parts)


class _Characters(dict[bytes, bytes]):
    """What an escape stands for, itself where that is nothing visible; some thousands are remembered."""

    def __missing__(self, escape: bytes) -> bytes:
        found = _ESCAPE.fullmatch(escape)
        assert found is not None
        char = _read_escape(found)
        if len(escape) <= _LONGEST and len(self) < _KEPT:
            self[escape] = char
        return char


_CHARACTERS = _Characters()


def _steps(text: bytes) -> Iterator[tuple[int, int]]:
    """Parts of the text that cut no escape in two: none has a sign after another character."""
    start = 0
    while start < len(text):
        end = min(start + _STEP, len(text))
        if end < len(text) and (sign := _SIGN.search(text, max(start + 1, end - _LONGEST), end)):
            end = sign.start()
        yield start, end
        start = end


def _read_escape(found: re.Match[bytes]) -> bytes:
    kind = found.lastindex or 0
    match kind:
        case 2:
            return b"/"
        case 5:
            return b"%c" % int(found[kind])
        case 6:
            return _NAMES.get(found[kind].lower(), found[0])
        case _:
            return b"%c" % int(found[kind], 16)


def _readings(text: bytes) -> Iterator[_Reading]:
    reading: _Reading | None = _Reading(text)
    for _ in range(_ROUNDS + 1):
        if reading is None:
            return
        yield reading
        reading = reading.undone()


def _mask_places(text: bytes, secrets: Redactor) -> bytes:
    spans: list[tuple[int, int]] = []
    for reading in _readings(text):
        if _holds_piece(reading.text, secrets):
            for spelling in secrets.spellings:
                spans += (reading.origin(*place) for place in _places(spelling, reading.text))
    if not spans:
        return text
    parts, place = [], 0
    for start, end in _merge_spans(spans):
        # A backslash before it would escape what is put there.
        parts += [text[place : len(text[place:start].rstrip(b"\\")) + place], _mask(text[start:end])]
        place = end
    return b"".join([*parts, text[place:]])


def _places(spelling: _Spelling, text: bytes) -> Iterator[tuple[int, int]]:
    """Where the text holds the secret so spelled."""
    length, at = len(spelling.text), text.find(spelling.text)
    while at >= 0:
        end = at + length
        if spelling.base64:  # the characters beside it hold bits of it
            yield at - bool(at and _IN_BASE64.match(text, at - 1)), end + bool(_IN_BASE64.match(text, end))
        elif not spelling.word or not (_IN_WORD.match(text, end) or (at and _IN_WORD.match(text, at - 1))):
            yield at, end
        at = text.find(spelling.text, at + 1)


def _merge_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _mask(secret: bytes) -> bytes:
    if _NUMBER.fullmatch(secret):  # it may be a bare number, where *** would not be JSON
        return _DIGIT.sub(b"1", secret)
    gap = len(secret[1:]) - len(secret[1:].lstrip(b"\0"))
    return bytes(gap).join((b"*", b"*", b"*"))
