"""Owns reading a CSV file as spreadsheets, pandas and editors leave it; it does not know what its columns mean.

What is the same table in another dress is read: UTF-16 with tabs, semicolons, Excel's `sep=` line, columns and rows
that are empty, invisible characters around a cell.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from batchcart.jobs.file_kind import binary_kind
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.model.text_encoding import codec_of, utf_of
from batchcart.sheets.rows import strip_blank

_LARGEST = 64 << 20
"""Bytes of a file; its rows are kept in memory."""

_DELIMITERS = (",", ";", "\t", "|")
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_HALF = re.compile("[\ud800-\udfff]")
_WORDS = {
    "unexpected end of data": "a cell that begins with a quote has no end; close the quote, or remove it",
    "',' expected": "a quote stands inside a cell that is in quotes; write it twice",
}


class Table(msgspec.Struct, frozen=True):
    """The line of the header, the columns it names, and the rows under it as they are read.

    Each row comes with the line it begins on and its cells by column; blank rows are left out.
    """

    line: int
    columns: Sequence[str]
    rows: Iterator[tuple[int, dict[str, str]]]


def read_table(path: Path, what: str, columns: Sequence[str], free: Collection[str]) -> Table:
    """The table at ``path``; ``what`` names the file in sentences.

    ``free`` are columns of any text, which may be damaged without harm; they are empty in what comes.
    Raises UsageError, also while rows are read, where the file is no table with these columns.
    """
    text = _text(path, what)
    rows, delimiter = _rows(path, text, columns)
    line, cells = next(rows, (1, []))
    if not _count_known(cells, columns) and delimiter is None:
        _check_kind(path, what, text)
    header = _header(path, line, cells, columns, what)
    return Table(line, header, _under(path, rows, header, free))


def _under(
    path: Path, rows: Iterator[tuple[int, list[str]]], header: list[str], free: Collection[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in rows:
        if [_column(cell) for cell in cells[: len(header)]] == header:
            raise UsageError(f"{path}:{line}: the header once more; two files were put together, keep one of the two")
        yield line, _map_columns(path, line, cells, header, free)


def _text(path: Path, what: str) -> str:
    """The file's text. A byte that is not UTF-8 comes as a lone surrogate, for the cell it is in to be judged."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"{what} {path} does not exist; --map-template {path} writes one to fill in") from None
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise UsageError(f"{what} {path} is larger than {_LARGEST >> 20} MiB; is it the right file?")
    encoding = utf_of(content)
    if not encoding and (found := binary_kind(content)):
        raise UsageError(f"{what} {path} is {found[0]}; save the table as CSV UTF-8")
    if not encoding:
        return content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        return content.decode(codec_of(content)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise UsageError(f"{what} {path} is in {encoding}, and damaged; save it as CSV UTF-8") from None


def _rows(path: Path, text: str, columns: Sequence[str]) -> tuple[Iterator[tuple[int, list[str]]], str | None]:
    """The rows that are not blank with their lines, and the delimiter where the file names it itself."""
    file = io.StringIO(text, newline="")
    skipped, first = 0, ""
    for first in file:
        if strip_blank(first):
            break
        skipped += 1
    if named := _SEP.fullmatch(first.strip("\r\n\ufeff")):
        return _cells(path, file, named[1], skipped + 1), named[1]
    file.seek(0)
    rest = islice(file, skipped, None)
    return _cells(path, rest, _delimiter(first, columns), skipped), None


def _cells(path: Path, lines: Iterator[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    began = skipped + 1
    try:
        for cells in reader:
            found = [strip_blank(cell) for cell in cells]
            if any(found):
                yield began, found
            began = skipped + reader.line_num + 1
    except csv.Error as error:
        said = next((words for begin, words in _WORDS.items() if begin in str(error)), _limit(str(error)))
        raise UsageError(f"{path}:{began}: not CSV: {said}") from None


def _limit(said: str) -> str:
    if "field limit" not in said:
        return said
    return f"a cell is longer than {csv.field_size_limit():,} characters; is a quote not closed?"


def _delimiter(first: str, columns: Sequence[str]) -> str:
    def count_known(delimiter: str) -> int:
        return _count_known(next(csv.reader([first], delimiter=delimiter), []), columns)

    return max(_DELIMITERS, key=count_known)


def _count_known(cells: Sequence[str], columns: Sequence[str]) -> int:
    return len({_column(cell) for cell in cells} & set(columns))


def _column(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", strip_blank(cell)).lower()


def _check_kind(path: Path, what: str, text: str) -> None:
    begins = strip_blank(text)[:1]
    if begins in {"<", "{", "["}:
        kind = "a web page or XML" if begins == "<" else "JSON"
        raise UsageError(f"{what} {path} is {kind}; save the table as CSV UTF-8")


def _header(path: Path, line: int, cells: Sequence[str], columns: Sequence[str], what: str) -> list[str]:
    """The columns' names; those behind the last one that has a name are left out."""
    header = [_column(cell) for cell in cells]
    while header and not header[-1]:
        header.pop()
    if len(header) > 1 and not set(header) & set(columns):
        raise UsageError(f"{path}:{line}: it is not a header, which names its columns {', '.join(columns)}")
    for place, name in enumerate(header):
        if not name:
            then = "name it, or remove it (pandas writes its index so: index=False)"
            raise UsageError(f"{path}:{line}: column {place + 1} has no name; {then}")
        if name not in columns:
            given = quote(_HALF.sub("\ufffd", cells[place]))
            raise UsageError(f"{path}:{line}: {given} is not a column of a {what}; {suggest(name, columns)}")
        if name in header[:place]:
            raise UsageError(f"{path}:{line}: the column {name} is there twice")
    return header


def _map_columns(
    path: Path, line: int, cells: Sequence[str], header: Sequence[str], free: Collection[str]
) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise UsageError(f"{path}:{line}: {len(cells)} cells, but the header has {len(header)}")
    found = {name: "" if name in free else cell for name, cell in zip(header, cells, strict=False)}
    for name, cell in found.items():
        if _HALF.search(cell):
            then = "save the table as CSV UTF-8"
            raise UsageError(
                f"{path}:{line}: {name} is not UTF-8 but in another encoding (Windows-1250, ISO 8859?); {then}"
            )
    return found
