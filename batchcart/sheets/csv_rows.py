"""Owns reading the rows of a CSV file as spreadsheets, pandas and editors leave it; it does not know its columns.

What is the same table in another dress is read alike: UTF-16, tabs or semicolons, Excel's `sep=` line. A file of any
length is read row by row.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import IO

from batchcart.model.errors import UsageError
from batchcart.model.text_encoding import codec_of
from batchcart.sheets.rows import SheetRows, strip_blank

_HEAD = 1 << 16
_LONGEST = 1 << 20  # characters of a line
_DELIMITERS = (",", ";", "\t", "|")
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_WORDS = {
    "unexpected end of data": "a cell that begins with a quote has no end; close the quote, or remove it",
    "' expected": "a quote stands inside a cell that is in quotes; write it twice",
    "field limit": "a cell is very long; is a quote not closed?",
}

CountKnown = Callable[[Sequence[str]], int]
"""How many cells of a header name a column that is known; the delimiter that finds most of them is the file's."""


def csv_rows(stream: IO[bytes], name: str, count_known: CountKnown) -> SheetRows:
    """The rows from the first that is not blank on, with spaces at the ends of cells taken away.

    A byte that is not UTF-8 comes as a lone surrogate, for the cell it is in to be judged. Raises UsageError where the
    file is no CSV.
    """
    codec = codec_of(stream.read(_HEAD))
    stream.seek(0)
    text = io.TextIOWrapper(stream, codec or "utf-8-sig", "strict" if codec else "surrogateescape", newline="")
    number = 0
    try:
        lines, delimiter = _with_delimiter(_lines(text, name), count_known)
        for number, cells in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), 1):
            found = [strip_blank(cell) for cell in cells]
            if any(found):
                yield number, found
    except csv.Error as error:
        said = next((words for part, words in _WORDS.items() if part in str(error)), str(error))
        raise UsageError(f"{name}: row {number + 1}: not CSV: {said}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} is in {codec.upper()}, and damaged; save it as CSV UTF-8") from None
    finally:
        text.detach()


def _lines(text: IO[str], name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST and not line.endswith(("\n", "\r")):
            raise UsageError(f"{name}: line {number} has more than {_LONGEST:,} characters; is it a table?")
        yield line


def _with_delimiter(lines: Iterator[str], count_known: CountKnown) -> tuple[Iterator[str], str]:
    """The lines, and what stands between their cells. The line `sep=;` names it, and is no row to a spreadsheet."""
    blank, first = [], ""
    for first in lines:
        if strip_blank(first):
            break
        blank.append(first)
    if named := _SEP.fullmatch(strip_blank(first)):
        return lines, named[1]

    def count(delimiter: str) -> int:
        return count_known([strip_blank(cell) for cell in next(csv.reader([first], delimiter=delimiter), [])])

    return chain(blank, [first] if first else [], lines), max(_DELIMITERS, key=count)
