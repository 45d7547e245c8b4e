"""Owns writing a table as a file: CSV, tabs, workbook or Parquet, row by row; it does not know what the rows say.

A text stays a text in each of them, whatever a spreadsheet would make of it, and a time has its zone.
"""

import csv
import importlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from batchcart.model.errors import UsageError
from batchcart.model.files import writing_new
from batchcart.sheets.cell_text import write_text
from batchcart.sheets.rows import column_letter
from batchcart.sheets.xlsx_rows import load_openpyxl

Value = str | int | Decimal | datetime | None
"""What a cell of a table holds; None for nothing, and times are in UTC."""

_BATCH = 10_000
_MOST_ROWS = (1 << 20) - 1  # of a workbook's sheet, its header not counted
_LONGEST_CELL = 32_767
_NOT_IN_XML = re.compile("[\0-\b\v\f\x0e-\x1f\ufffe\uffff]")
_MOMENT = 'yyyy-mm-dd"T"hh:mm:ss.000"Z"'


class ColumnKind(Enum):
    """What a column's cells are: ``decimal`` has three places, ``moment`` is a time in UTC to the millisecond."""

    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    MOMENT = "moment"


class Column(msgspec.Struct, frozen=True):
    """A column by name, and how wide a workbook shows it, in characters."""

    name: str
    kind: ColumnKind = ColumnKind.TEXT
    width: int = 14


ValueRow = Sequence[Value]


def write_table(path: Path, columns: Sequence[Column], rows: Iterable[ValueRow]) -> int:
    """Write the table in the form that the file's name asks for; how many rows it has.

    Raises UsageError where the file is there, cannot be written, or its form is none of these or needs an extra.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"{path}: a table is written as {', '.join(_WRITERS)}; give the file one of these endings")
    counted = _Counted(rows)
    try:
        with writing_new(path) as file:
            write(file, columns, counted)
    except FileExistsError:
        raise UsageError(f"{path} already exists and was not overwritten; choose another file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}; choose another place") from None
    return counted.count


class _Counted:
    """The rows, and how many of them were taken."""

    def __init__(self, rows: Iterable[ValueRow]) -> None:
        self._rows = iter(rows)
        self.count = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> ValueRow:
        row = next(self._rows)
        self.count += 1
        return row


def _write_csv(file: IO[bytes], columns: Sequence[Column], rows: Iterable[ValueRow], separator: str = ",") -> None:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")  # Excel takes the mark for UTF-8
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(column.name for column in columns)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    text.detach()


def _csv_cell(value: Value) -> Value:
    match value:
        case str():
            return write_text(value)
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
        case _:
            return value


def _write_workbook(file: IO[bytes], columns: Sequence[Column], rows: Iterable[ValueRow]) -> None:
    openpyxl = load_openpyxl("writing .xlsx")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("batchcart")
    sheet.freeze_panes = "A2"
    for place, column in enumerate(columns):
        shown = sheet.column_dimensions[column_letter(place)]
        shown.width = column.width
        if column.kind is ColumnKind.TEXT:
            shown.number_format = "@"  # so that ids stay as they are typed
    cell = importlib.import_module("openpyxl.cell").WriteOnlyCell
    sheet.append([_workbook_cell(column.name, sheet, cell) for column in columns])
    try:
        for number, row in enumerate(rows):
            _check_room(number)
            sheet.append([_workbook_cell(value, sheet, cell) for value in row])
    except BaseException:
        sheet.close()
        raise
    book.save(file)


def _check_room(number: int) -> None:
    if number >= _MOST_ROWS:
        raise UsageError(f"a workbook has at most {_MOST_ROWS:,} rows below its header; write .csv or .parquet")


def _workbook_cell(value: Value, sheet: Any, make: Callable[..., Any]) -> Any:
    match value:
        case str():
            text = _NOT_IN_XML.sub("\ufffd", value)
            text = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"
            if not text.startswith(("=", "#")):
                return text
            found = make(sheet, text)
            found.data_type = "s"  # it is no formula and no error
            return found
        case datetime():
            found = make(sheet, value.replace(tzinfo=None))
            found.number_format = _MOMENT
            return found
        case _:
            return value


def _write_parquet(file: IO[bytes], columns: Sequence[Column], rows: Iterable[ValueRow]) -> None:
    try:
        pa = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("writing .parquet needs the extra: pip install 'batchcart[parquet]'; or write .csv") from None
    kinds = {
        ColumnKind.TEXT: pa.string(),
        ColumnKind.WHOLE: pa.int64(),
        ColumnKind.DECIMAL: pa.decimal128(18, 3),
        ColumnKind.MOMENT: pa.timestamp("ms", tz="UTC"),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in columns])
    rest = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rest, _BATCH)):
            arrays = [pa.array(cells, kind) for cells, kind in zip(zip(*batch, strict=True), schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


_WRITERS: dict[str, Callable[[IO[bytes], Sequence[Column], Iterable[ValueRow]], None]] = {
    ".csv": _write_csv,
    ".tsv": partial(_write_csv, separator="\t"),
    ".xlsx": _write_workbook,
    ".parquet": _write_parquet,
}
