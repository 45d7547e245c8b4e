"""Owns writing job lines as a sheet that reads as the same lines again; it does not know what they are for.

What a cell cannot hold (a blank at an end, a control character) is found by reading the sheet, so that nothing is sent
that differs from the line. A number in quotes may lose them where the field takes both.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

import msgspec

from batchcart.jobs.job_file import RawLine, link_of
from batchcart.jobs.opening import open_job
from batchcart.jobs.sheet_columns import OWN_KEYS, cell_type, column_kind
from batchcart.jobs.sheet_places import sheet_ending
from batchcart.model.errors import UsageError
from batchcart.sheets.cell_text import EXACT_DIGITS, write_text
from batchcart.sheets.table import Column, ColumnKind, Value, write_table

_WHY = ("why.message", "why.status", "why.line", "why.results", "why.run")
_NUMBER = re.compile(rf"-?[0-9.]{{1,{EXACT_DIGITS}}}")
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WIDE = 60

_Keys = dict[str, msgspec.Raw]


def write_sheet(path: Path, lines: Iterable[bytes]) -> None:
    """Write the lines as rows, .csv, .tsv or .xlsx by the file's name; no file where there are none.

    Raises UsageError where the file is there or cannot be written, or a line cannot be a row.
    """
    with tempfile.TemporaryFile() as spool:
        found: dict[str, None] = {}
        operations: dict[str, None] = {}
        for line in lines:
            spool.write(line)
            cells = _cells(line)
            found |= dict.fromkeys(cells)
            operations[cell_text(cells["op"])] = None
        if not found:
            return
        columns = [_column(name, operations) for name in _in_order(found)]
        marked = sheet_ending(str(path)) not in {".csv", ".tsv"}  # those two are marked as they are written
        spool.seek(0)
        write_table(path, columns, (_row(line, columns, marked=marked) for line in spool))
        try:
            _check_same(path, spool)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def cells_of(column: str, raw: msgspec.Raw) -> Iterator[tuple[str, msgspec.Raw]]:
    """What stands in a sheet for a value: a column for each field of an object and entry of a list."""
    text = bytes(raw)
    inside: Iterable[tuple[Any, msgspec.Raw]] = ()
    if text.startswith(b"{"):
        inside = msgspec.json.decode(raw, type=_Keys).items()
    elif text.startswith(b"["):
        inside = enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw]), 1)
    for name, value in inside:
        yield from cells_of(f"{column}.{name}", value)
    if not inside:
        yield column, raw


def cell_text(raw: msgspec.Raw) -> str:
    """A text without its quotes; anything else as it stands."""
    text = bytes(raw).decode()
    return msgspec.json.decode(raw, type=str) if text.startswith('"') else text


def _cells(line: bytes) -> _Keys:
    """The line by columns; data and query that say nothing have none."""
    keys = msgspec.json.decode(line, type=_Keys)
    cells = {column: raw for key, value in keys.items() for column, raw in cells_of(key, value)}
    return {column: raw for column, raw in cells.items() if column not in {"data", "query"}}


def _in_order(found: Iterable[str]) -> list[str]:
    """The job's own keys, the fields, and why."""
    own = [name for name in OWN_KEYS if name in found]
    why = [name for name in _WHY if name in found]
    return [*own, *(name for name in found if name not in {*own, *why}), *why]


def _column(name: str, operations: Iterable[str]) -> Column:
    width = _WIDE if name == "why.message" else max(14, len(name) + 2)
    return Column(name, column_kind(name, operations), width)


def _row(line: bytes, columns: Iterable[Column], *, marked: bool) -> list[Value]:
    cells = _cells(line)
    return [_value(cells.get(column.name), column, marked=marked) for column in columns]


def _value(raw: msgspec.Raw | None, column: Column, *, marked: bool) -> Value:
    if raw is None:
        return None
    text = bytes(raw).decode()
    if column.kind is ColumnKind.DECIMAL and _NUMBER.fullmatch(text) and str(Decimal(text)) == text:
        return Decimal(text)
    text = cell_text(raw) or '""'
    return write_text(text) if marked else text


def _check_same(path: Path, lines: IO[bytes]) -> None:
    """Raises UsageError where a row of the sheet does not read as its line."""
    if wrong := _find_difference(path, lines):
        raise UsageError(f"{path} was not written, as {wrong}; give the job a name that ends in .jsonl")


def _find_difference(path: Path, lines: IO[bytes]) -> str:
    lines.seek(0)
    try:
        with open_job(str(path)) as sheet:
            for line, row in zip_longest(lines, (row.text for row in sheet.lines()), fillvalue=b"{}"):
                if (wanted := _meaning(line)) != (found := _meaning(row)):
                    link = link_of(RawLine(1, 0, line))
                    which = f"line {link.line} of the run" if link else "a line"
                    return f"{which} cannot be a row that means the same ({_first_difference(wanted, found)})"
    except UsageError as error:
        return f"it could not be read again ({error})"
    return ""


def _meaning(line: bytes) -> dict[str, Any]:
    """What a line says; of why, what joins two runs."""
    keys = json.loads(line, parse_float=Decimal)
    said = {key: _value_of(value, key, keys.get("op", "")) for key, value in keys.items()}
    said = {key: value for key, value in said.items() if not (key in {"data", "query"} and value == {})}
    if "id" in said:
        said["id"] = str(said["id"])
    return said | {"why": link_of(RawLine(1, 0, line))}


def _value_of(value: Any, column: str, operation: str) -> Any:
    """The value; a number in quotes is one without where the field takes both."""
    match value:
        case dict():
            return {name: _value_of(inside, f"{column}.{name}", operation) for name, inside in value.items()}
        case list():
            return [_value_of(inside, f"{column}.{place}", operation) for place, inside in enumerate(value, 1)]
        case str() if _PLAIN.fullmatch(value):
            takes = cell_type(operation, column)
            return Decimal(value) if takes is not None and (takes.whole or takes.fraction) else value
        case _:
            return value


def _first_difference(one: Any, other: Any) -> str:
    """The first key, as a column, whose values are not the same."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return ""
    key = next(key for key in {**one, **other} if one.get(key) != other.get(key))
    inside = _first_difference(one.get(key), other.get(key))
    return f"{key}.{inside}" if inside else key
