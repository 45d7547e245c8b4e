"""Owns looking at a workbook before a library opens it: is it one, and can it be read in bounded memory.

A workbook is a ZIP archive of XML. Its parts are walked over once, piece by piece, and refused where one is larger,
deeper or longer than spreadsheets write them, names entities, or has rows and cells out of their order, which readers
would leave out without a word. What a library builds of the parts that remain fits into memory.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

from batchcart.model.errors import UsageError

_MOST_PARTS = 10_000
_LARGEST = 256 << 20  # bytes of all parts that hold no pictures
_LARGEST_STRINGS = 64 << 20  # all of them are in memory
_LARGEST_OTHER = 16 << 20  # styles and the like, likewise
_MOST_ELEMENTS = 3_000_000  # beside those of rows
_MOST_IN_ROW = 100_000
_DEEPEST = 64
_LONGEST_TEXT = 1 << 20
_LAST_ROW, _LAST_COLUMN = 1 << 20, 1 << 14
_PIECE = 1 << 16
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ENCRYPTED = 0x1
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TOO_LARGE = "it is too large to be read as a workbook; split it, or save the sheet as CSV UTF-8"
_ODD = "it is not as a spreadsheet program writes a workbook; open it in one and save it again, or save it as CSV UTF-8"

Unvalued = Mapping[str, str]
"""By the name of a part, the first cell in it with a formula whose value is not kept in the file, such as "D7"."""


class _Refused(Exception):
    """Why a part is not read, as the end of a sentence."""


def check_workbook(file: IO[bytes], name: str) -> Unvalued:
    """Raises UsageError where the file is no workbook that can be read in bounded memory."""
    if file.read(len(_OLD)) == _OLD:
        raise UsageError(f"job file {name} has a password, or is an old .xls; save it as .xlsx without a password")
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            _check_sizes(parts)
            scanned = {part.filename: _scan(archive, part) for part in parts if _is_text(part)}
    except _Refused as refused:
        raise UsageError(f"job file {name}: {refused}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError):
        raise UsageError(f"job file {name} is not whole, or no .xlsx workbook; save it again as .xlsx") from None
    return {part: cell for part, cell in scanned.items() if cell}


def _is_text(part: zipfile.ZipInfo) -> bool:
    return "/media/" not in part.filename and not part.is_dir()


def _check_sizes(parts: list[zipfile.ZipInfo]) -> None:
    texts = [part for part in parts if _is_text(part)]
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise _Refused("it is protected with a password; save it without one")
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in texts) > _LARGEST:
        raise _Refused(_TOO_LARGE)
    for part in texts:
        most = _LARGEST if "sheet" in part.filename.lower() else _LARGEST_OTHER
        if part.file_size > (_LARGEST_STRINGS if "strings" in part.filename.lower() else most):
            raise _Refused(_TOO_LARGE)


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> str:
    """Walk over a part; the first cell with a formula and no value, or ""."""
    with archive.open(part) as stream:
        head = stream.read(_PIECE)
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
            if part.file_size > _LARGEST_OTHER:
                raise _Refused(_TOO_LARGE)
            return ""
        walk = _Walk()
        parser = walk.parser()
        try:
            while head:
                parser.Parse(head)
                head = stream.read(_PIECE)
            parser.Parse(b"", True)  # noqa: FBT003  # expat takes no names
        except expat.ExpatError:
            raise _Refused(_ODD) from None
    return walk.unvalued


@dataclass(slots=True)
class _Walk:
    """What is known of a part up to the place that was read: where it is, and how much there is already."""

    depth: int = 0
    elements: int = 0
    in_row: int | None = None
    text: int = 0
    row: int = 0
    column: int = 0
    cell: str = ""
    formula: bool = False
    value: bool = False
    unvalued: str = field(default="")

    def parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        return parser

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.text = 0
        if self.in_row is None:
            self.elements += 1
        else:
            self.in_row += 1
        if self.depth > _DEEPEST or self.elements > _MOST_ELEMENTS or (self.in_row or 0) > _MOST_IN_ROW:
            raise _Refused(_TOO_LARGE)
        match tag.rpartition(":")[2]:
            case "row":
                self._begin_row(attributes.get("r"))
            case "c" if self.in_row is not None:
                self._begin_cell(attributes.get("r"))
            case "f":
                self.formula = True
            case _:
                pass

    def _begin_row(self, number: str | None) -> None:
        found = int(number) if number and number.isdecimal() and len(number) < 8 else 0 if number else self.row + 1
        if not self.row < found <= _LAST_ROW:
            raise _Refused(_ODD)
        self.row, self.column, self.in_row = found, 0, 0

    def _begin_cell(self, place: str | None) -> None:
        self.formula = self.value = False
        if place is None:
            self.column += 1
        elif (found := _CELL.fullmatch(place)) and int(found[2]) == self.row and _number(found[1]) > self.column:
            self.column = _number(found[1])
        else:
            raise _Refused(_ODD)
        if self.column > _LAST_COLUMN:
            raise _Refused(_ODD)
        self.cell = place or ""

    def _end(self, tag: str) -> None:
        self.depth -= 1
        match tag.rpartition(":")[2]:
            case "row":
                self.in_row = None
            case "v" | "is":
                self.value = self.value or self.text > 0
            case "c" if self.formula and not self.value:
                self.unvalued = self.unvalued or self.cell

    def _characters(self, text: str) -> None:
        self.text += len(text)
        if self.text > _LONGEST_TEXT:
            raise _Refused(_TOO_LARGE)

    def _refuse_doctype(self, *_: object) -> None:
        raise _Refused(_ODD)


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
