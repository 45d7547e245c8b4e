"""Owns saying why a text is no JSON in words that name the habit or tool behind it; it does not decide that it is none.

``explain`` is asked only about text that a JSON reader has refused. It walks over the text's tokens to the first one
that JSON does not have. Where it finds none, the reader's own words have to do.
"""

import re
import unicodedata
from itertools import chain, pairwise

import msgspec


class Flaw(msgspec.Struct, frozen=True):
    """What is wrong with a line's text: a sentence, and the kind that such lines of one file have in common.

    "" is no kind: such lines have nothing in common but that they are wrong.
    """

    sentence: str
    kind: str = ""


_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*+")
    |(?P<number>-?\d[\w.+-]*)
    |(?P<word>-?[^\W\d][\w$-]*)
    |(?P<entity>&(?:quot|\#34|\#x22|amp);)
    |(?P<comment>//|/\*|\#)
    |(?P<sign>[^ \t\r\n])""",
    re.VERBOSE | re.DOTALL,
)
_TEXT_WITHOUT_END = re.compile(r'(?:[^"\\\x00-\x1f]|\\.)*+')
_HALF_PAIR = re.compile(rb"\xed[\xa0-\xbf]")
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f]")
_TYPOGRAPHIC = frozenset("“”„‟«»‘’‚′″＂")
_PYTHON = {"None": "null", "True": "true", "False": "false"}
_NOT_NUMBERS = {"nan", "inf", "infinity"}
_WORDS, _SIGNS, _NOT_AFTER_COMMA = {"true", "false", "null"}, {"{", "}", "[", "]", ":"}, {"}", "]", ","}
_CONTROL = {"\t": "a tab", "\r": "a carriage return", "\n": "a line feed"}
_MARK, _RECORD, _DOS_END = "\ufeff", "\x1e", "\x1a"
_SHOWN = 40


def explain(text: bytes, said: str) -> Flaw:
    """Why ``text`` is no JSON; ``said`` are the words of the reader that refused it."""
    if text.count(0):
        return _zeros(text)
    try:
        decoded = text.decode()
    except UnicodeDecodeError as wrong:
        return _encoding(text, wrong)
    flaw = _beginning(decoded.strip(" \t\r")) or _first_flaw(decoded) or Flaw(said)
    return Flaw(f"not JSON: {flaw.sentence}", flaw.kind)


def _zeros(text: bytes) -> Flaw:
    first, second = text[::2].count(0), text[1::2].count(0)
    if 3 * max(first, second) >= len(text) > 8 * min(first, second):
        then = "what writes UTF-16 added to a file in UTF-8; save all of it as UTF-8"
        return Flaw(f"not JSON: every other byte is NUL, as in UTF-16: {then}", "utf-16")
    zeros = first + second
    found = "a NUL byte" if zeros == 1 else f"{zeros:,} NUL bytes"
    then = "as a crash, a full disk or an unfinished copy leaves them; write the file again"
    return Flaw(f"not JSON: it holds {found} (byte {text.index(0) + 1}), {then}", "nul")


def _encoding(text: bytes, wrong: UnicodeDecodeError) -> Flaw:
    where = f"not UTF-8 at byte {wrong.start + 1} of the line"
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Flaw(f"{where}: it begins with the mark of UTF-16; save the whole file as UTF-8", "utf-16")
    if _HALF_PAIR.match(text, wrong.start):
        return Flaw(f"{where}: half of a surrogate pair stands there as a character (CESU-8)", "cesu-8")
    if _OVERLONG.match(text, wrong.start):
        return Flaw(f"{where}: a character stands there in more bytes than it needs (overlong)", "overlong")
    if wrong.reason == "unexpected end of data":
        return Flaw(f"{where}: it ends in the middle of a character", "cut")
    return Flaw(f"{where}: it is in another encoding (Windows-1250, ISO 8859?); save it as UTF-8", "encoding")


def _beginning(text: str) -> Flaw | None:
    """What stands where the line's object should begin."""
    first = text[:1]
    if first == _MARK:
        then = "inside the file, as where files were put together; remove it"
        return Flaw(f"it begins with a byte-order mark (U+FEFF) {then}", "mark")
    if first == _RECORD:
        then = "as a JSON text sequence does (RFC 7464); a job is JSON Lines, without them"
        return Flaw(f"it begins with a record separator (U+001E), {then}", "record separator")
    if text == _DOS_END:
        return Flaw("it is Ctrl-Z (U+001A), the end of a file in DOS; remove it", "ctrl-z")
    if text and not text.strip("[],;"):
        then = "in a job each line is one object, with nothing around or between them"
        return Flaw(f"it is {text[:_SHOWN]}, as in a JSON array; {then}", "array")
    if first == "," and text.lstrip(", \t").startswith("{"):
        return Flaw("it begins with a comma, as in a JSON array; a job has none between its lines", "commas")
    if first.isalnum() or first in {"<", "-", "*", "$", ">"}:
        return Flaw(f"it begins with {_cut(text)!r}, not with {{", "text")
    return None


def _first_flaw(text: str) -> Flaw | None:
    depth = 0
    for found, following in pairwise(chain(_TOKEN.finditer(text), (None,))):
        assert found is not None
        if flaw := _flaw_of(found, following[0] if following else "", text):
            return flaw
        depth += (found[0] in {"{", "["}) - (found[0] in {"}", "]"})
        if depth == 0 and following is not None and found[0] in {"}", "]"}:
            return _what_follows(following, text)
    if depth > 0:
        return Flaw("the line ends before its object does; an object stands on one line, from { to }", "cut")
    return None


def _byte(text: str, place: int) -> str:
    return f"byte {len(text[:place].encode()) + 1}"


def _flaw_of(found: re.Match[str], following: str, text: str) -> Flaw | None:
    kind, part = found.lastgroup, found[0]
    plain = kind in {"text", "number"} or part in _WORDS or part in _SIGNS
    if plain or (part == "," and following not in _NOT_AFTER_COMMA):
        return None
    byte = _byte(text, found.start())  # only now: it takes as long as the text is
    match kind:
        case "word":
            return _word(part, following, byte)
        case "entity":
            return Flaw(f"{part} ({byte}) is how web pages write a quote; write the quote itself", "entities")
        case "comment":
            return Flaw(f"{part} ({byte}) begins a comment, and JSON has none; remove it", "comment")
        case _ if part == '"':
            return _open_text(text, found.start(), byte)
        case _:
            return _sign(part, following, byte)


def _word(word: str, following: str, byte: str) -> Flaw:
    if following == ":":
        return Flaw(f"the key {word[:_SHOWN]} ({byte}) stands without quotes; write it in double quotes", "bare keys")
    if word in _PYTHON:
        return Flaw(f"{word} ({byte}) is Python's; JSON writes {_PYTHON[word]}, as json.dumps does", "Python")
    if word.lstrip("-").lower() in _NOT_NUMBERS:
        return Flaw(f"{word} is not a JSON number", "NaN")
    if word.lower() in _WORDS:
        return Flaw(f"{word} ({byte}): JSON writes it in lower case, {word.lower()}", "capitals")
    if word == "undefined":
        return Flaw(f"undefined ({byte}) is JavaScript's; leave the key out", "undefined")
    return Flaw(f"the word {word[:_SHOWN]} ({byte}) stands without quotes")


def _sign(sign: str, following: str, byte: str) -> Flaw | None:
    if sign in {"'", "`"}:
        return Flaw(f"a single quote ({byte}) stands where JSON has a double one, as Python prints it", "single quotes")
    if sign in _TYPOGRAPHIC:
        return Flaw(f"{sign} ({byte}) is a typographic quote; JSON takes only the straight one", "typographic quotes")
    if sign == "\\":
        return Flaw(f"a backslash ({byte}) stands outside of a text: the line was escaped once too often", "escaped")
    if sign == ",":
        before = "another" if following == "," else following
        return Flaw(f"a trailing comma ({byte}) stands before {before}; remove it", "trailing comma")
    if sign.isspace() or not sign.isprintable():
        name = unicodedata.name(sign, "a control character").lower()
        return Flaw(f"U+{ord(sign):04X}, {name} ({byte}), stands between the parts of the object", "spaces")
    return None


def _open_text(text: str, place: int, byte: str) -> Flaw:
    """Why the text that begins at ``place`` has no end on the line."""
    inside = _TEXT_WITHOUT_END.match(text, place + 1)
    end = inside.end() if inside else len(text)
    if end >= len(text) or text[end] == "\\":
        return Flaw(f"the line ends inside the text that begins at {byte}; a line break in a text is \\n", "cut")
    name = _CONTROL.get(text[end], f"the control character U+{ord(text[end]):04X}")
    return Flaw(f"{name} stands inside the text that begins at {byte}; JSON writes it with a backslash", "control")


def _what_follows(found: re.Match[str], text: str) -> Flaw:
    """What stands behind the line's object."""
    byte, before, after = _byte(text, found.start()), text[: found.start()], text[found.end() :]
    match found[0]:
        case "{" | "[" if before.endswith("\r"):
            return Flaw(f"a second object ({byte}) follows after a CR without LF; end lines with LF or CR LF", "cr")
        case "{" | "[":
            return Flaw(f"a second object ({byte}) follows on the line; put each on a line of its own", "second")
        case "," if not after.strip(" \t\r,]"):
            return Flaw(f"a comma ({byte}) follows the object, as in a JSON array; a job has none there", "commas")
        case ",":
            return Flaw(f"a comma ({byte}) and more follow the object; put each on a line of its own", "second")
        case "\x1a":
            return Flaw(f"Ctrl-Z ({byte}), the end of a file in DOS, follows the object; remove it", "ctrl-z")
        case "\x1e" | "\ufeff":
            return Flaw(f"U+{ord(found[0]):04X} ({byte}) follows the object; put each object on its own line", "second")
        case _:
            flaw = _flaw_of(found, "", text)
            return flaw or Flaw(f"trailing characters ({byte}) follow the object: {_cut(text[found.start() :])!r}")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
