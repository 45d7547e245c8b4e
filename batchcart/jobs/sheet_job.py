"""Owns reading a spreadsheet as a job: each row becomes the line of the same number of a JSON Lines text.

What reads jobs then needs to know nothing of sheets, but for saying where a mistake stands.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import IO, Any

import msgspec

from batchcart.jobs.sheet_cells import cell_json, name_text
from batchcart.jobs.sheet_columns import OWN_KEYS, cell_type, field_columns
from batchcart.jobs.sheet_places import SheetPlaces, locate, sheet_ending
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.sheets.csv_rows import csv_rows
from batchcart.sheets.rows import Cell, SheetRows, column_letter
from batchcart.sheets.xlsx_rows import xlsx_rows

_NAMES = frozenset({"cart", "cart_id", "item", "item_id", "id"})
_MOST_FLAWS = 10_000
_LOOKED_AHEAD = 20  # rows below one that names no columns
_TEMPLATE = "write a sheet to begin with: batchcart template --platform NAME --op cart.create -o FILE"
_WORKBOOK, _OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_FIELD = re.compile(r"(?:data|query|why)\.[^.]+(?:\.[^.]+)*")


def sheet_rows(stream: IO[bytes], path: str) -> SheetRows:
    """The rows of the sheet at ``path``, which is open as ``stream``; raises UsageError where its name lies."""
    if sheet_ending(path) not in {".csv", ".tsv"}:
        return xlsx_rows(stream, path)
    magic = stream.read(4)
    stream.seek(0)
    if magic in {_WORKBOOK, _OLD}:
        raise UsageError(f"{path} is a workbook and no CSV; give it a name that ends in .xlsx, or save it as CSV UTF-8")
    return csv_rows(stream, path, _count_known)


def write_lines(rows: SheetRows, name: str, write: Callable[[bytes], object]) -> SheetPlaces:
    """Write the rows as lines; rows that are blank or a comment, and the header, as blank ones.

    Raises UsageError where the first row names no columns of a job.
    """
    number, columns = _read_header(rows, name)
    flaws: dict[int, Sequence[str]] = {}
    line = 1
    for row, cells in rows:
        number = row
        if _is_comment(cells):
            continue
        _check_width(cells, columns, name, number)
        keys, wrong = _read_row(cells, columns)
        if wrong:
            flaws[number] = wrong
            if len(flaws) > _MOST_FLAWS:
                first = next(iter(flaws))
                raise UsageError(
                    f"{locate(name, SheetPlaces({}, {}), first, flaws[first][0])}. So it is with more than "
                    f"{_MOST_FLAWS:,} rows"
                )
        write(b"\n" * (number - line) + msgspec.json.encode(keys) + b"\n")
        line = number + 1
    letters = {column: column_letter(place) for place, column in enumerate(columns) if column}
    return SheetPlaces(letters, flaws)


def _is_comment(cells: Sequence[Cell]) -> bool:
    first = cells[0] if cells else None
    return isinstance(first, str) and (first == "#" or first.startswith("# "))


def _by_lower_case() -> dict[str, str]:
    return {column.lower(): column for column in (*OWN_KEYS, *field_columns())}


def _count_known(cells: Sequence[str]) -> int:
    known = _by_lower_case()
    return sum(_column(cell, known) in known.values() for cell in cells)


def _column(cell: Cell, known: Mapping[str, str]) -> str:
    """The column that a cell of the header names; fields that no document has keep their name."""
    text = re.sub(r"\s*\.\s*", ".", "" if cell is None else str(cell))
    return known.get(text.lower(), text)


def _read_header(rows: SheetRows, name: str) -> tuple[int, list[str]]:
    """The number of the first row, and the columns that it names."""
    number, cells = next(rows, (0, ()))
    if not number:
        raise UsageError(f"{name}: {_nothing_in(name)}; {_TEMPLATE}")
    known = _by_lower_case()
    header = _columns(cells, known)
    if not set(header) & set(known.values()):
        raise UsageError(f"{name}: row {number}: {_why_no_header(rows, name, known)}")
    for place, column in enumerate(header):
        if problem := _column_problem(column, header[:place], known):
            raise UsageError(f"{name}: row {number}, column {column_letter(place)}: {problem}")
    if "op" not in header:
        raise UsageError(f"{name}: row {number}: the column op is missing, which says what to do with each row")
    return number, header


def _columns(cells: Sequence[Cell], known: Mapping[str, str]) -> list[str]:
    header = [_column(cell, known) for cell in cells]
    while header and not header[-1]:
        header.pop()
    return header


def _nothing_in(name: str) -> str:
    return "nothing stands on its first sheet that is not hidden" if sheet_ending(name) == ".xlsx" else "it is empty"


def _why_no_header(rows: SheetRows, name: str, known: Mapping[str, str]) -> str:
    what = f"it names no columns of a job, such as {', '.join(OWN_KEYS[:4])}"
    for number, cells in islice(rows, _LOOKED_AHEAD):
        if "op" in _columns(cells, known):
            return f"{what}; row {number} does: delete the rows above it"
    if sheet_ending(name) == ".xlsx":
        return f"{what}, and only the first sheet that is not hidden is read; {_TEMPLATE}"
    return f"{what}; {_TEMPLATE}"


def _column_problem(column: str, before: Sequence[str], known: Mapping[str, str]) -> str:
    if not column:
        return ""
    if column in {"data", "query"}:
        return f"give each field of {column} a column of its own, such as {field_columns()[0]}"
    if not (column in known.values() or _FIELD.fullmatch(column)):
        given = quote(column.encode(errors="replace").decode())
        return f"{given} is not a column of a job; {_near(column, known)} Notes of your own stand in a column why"
    if column in before:
        return f"the column {column} is there twice, first as column {column_letter(before.index(column))}"
    for other in before:
        if other.startswith(f"{column}.") or column.startswith(f"{other}."):
            return f"{column} stands beside {other}, which is a part of it; keep one of the two"
    return ""


def _near(column: str, known: Mapping[str, str]) -> str:
    found = suggest(column, known.values())
    return found if found.endswith("?") else f"it is one of {', '.join(OWN_KEYS)}, or a field such as data.quantity."


def _check_width(cells: Sequence[Cell], columns: Sequence[str], name: str, number: int) -> None:
    for place, cell in enumerate(cells):
        if cell in {None, ""} or (place < len(columns) and columns[place]):
            continue
        what = "the column has no name in the header"
        hint = " (pandas writes its index so: index=False)" if place == 0 else ""
        where = f"{name}: row {number}, column {column_letter(place)}"
        raise UsageError(f"{where}: {what}, but a cell of it says {quote(str(cell))}; name it or take it away{hint}")


def _read_row(cells: Sequence[Cell], columns: Sequence[str]) -> tuple[dict[str, Any], Sequence[str]]:
    """The keys of the row's line, and what is wrong with its cells."""
    operation = next((str(cell) for cell, column in _cells_of(cells, columns) if column == "op"), "")
    if operation == "op":
        return {}, ["op: the row names the columns a second time; delete it"]
    keys: dict[str, Any] = {}
    wrong: list[str] = []
    for cell, column in _cells_of(cells, columns):
        try:
            if column in _NAMES:
                keys[column] = name_text(cell)
                continue
            value = msgspec.Raw(cell_json(cell, cell_type(operation, column)))
        except ValueError as error:
            wrong.append(f"{column}: {error}")
            continue
        _put(keys, column.split("."), value)
    return _with_lists(keys), wrong


def _cells_of(cells: Sequence[Cell], columns: Sequence[str]) -> Iterable[tuple[Cell, str]]:
    return ((cell, column) for cell, column in zip(cells, columns, strict=False) if column and cell not in {None, ""})


def _put(keys: dict[str, Any], path: Sequence[str], value: msgspec.Raw) -> None:
    for name in path[:-1]:
        keys = keys.setdefault(name, {})
    keys[path[-1]] = value


def _with_lists(value: Any) -> Any:
    """The value with a list wherever its names are numbers, as data.ItemOptions.1 and data.ItemOptions.2 say it."""
    if not isinstance(value, dict):
        return value
    if value and all(name.isdecimal() for name in value):
        return [_with_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _with_lists(inside) for name, inside in value.items()}
