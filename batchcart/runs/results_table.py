"""Owns a run's results as a table, one row a line in the job's order; it does not know how a table is written."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from batchcart.journal.queries import result_texts
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.runs.paths import journal_path
from batchcart.runs.status import open_journal_readonly, read_summary
from batchcart.sheets.table import Column, ColumnKind, Value, write_table

_WHOLE, _MOMENT = ColumnKind.WHOLE, ColumnKind.MOMENT
COLUMNS = (
    Column("line", _WHOLE, 7),
    Column("id"),
    Column("account"),
    Column("platform", width=10),
    Column("op", width=15),
    Column("cart"),
    Column("item"),
    Column("status", width=9),
    Column("cart_id", width=34),
    Column("item_id"),
    Column("http_status", _WHOLE, 7),
    Column("attempts", _WHOLE, 7),
    Column("sent_at", _MOMENT, 25),
    Column("elapsed_ms", ColumnKind.DECIMAL, 10),
    Column("error_kind", width=11),
    Column("error", width=50),
    Column("error_line", _WHOLE, 7),
    Column("error_body", width=30),
    Column("own_names", width=30),
    Column("body", width=50),
)
"""The table's columns; ``own_names`` has what the platform's own names say beyond the ids, as JSON."""

_ERROR = {"kind": "error_kind", "message": "error", "line": "error_line", "body": "error_body", "http_status": ""}
_KINDS = {column.name: column.kind for column in COLUMNS}
_Keys = dict[str, msgspec.Raw]
_keys_of = msgspec.json.Decoder(_Keys).decode
_decode = msgspec.json.decode


class ResultsTable(msgspec.Struct, frozen=True):
    """What was written: its rows, and how many lines of the job are not in it as they have not ended."""

    rows: int
    not_ended: int


def write_results(results: Path, table: Path, *, body: bool = True) -> ResultsTable:
    """Write the results as a table, ``body`` with what reads brought; CSV, workbook or Parquet by its name.

    Without the journal beside it the result file itself is read, in its own order.
    Raises UsageError where it holds no results, or the table cannot be written.
    """
    columns = COLUMNS if body else COLUMNS[:-1]
    with contextlib.ExitStack() as stack:
        texts = _texts_in(results)
        not_ended = 0
        if journal_path(results).exists():
            connection = stack.enter_context(open_journal_readonly(results))
            texts = enumerate(result_texts(connection, in_order=True), 1)
            not_ended = read_summary(results).totals["not_attempted"]
        rows = (_row(results, number, text, columns) for number, text in texts)
        return ResultsTable(write_table(table, columns, rows), not_ended)


def _texts_in(results: Path) -> Iterator[tuple[int, bytes]]:
    try:
        yield from enumerate(lines_of(results), 1)
    except FileNotFoundError:
        raise UsageError(f"{results} does not exist; give the result file of a run") from None
    except OSError as error:
        raise UsageError(f"{results} cannot be read: {error.strerror}") from None


def _row(results: Path, number: int, text: bytes, columns: tuple[Column, ...]) -> list[Value]:
    try:
        keys = _flatten(_keys_of(text))
        return [_value(column, keys.get(column.name)) for column in columns]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{results}:{number}: not a result line: {error}") from None


def _flatten(keys: _Keys) -> _Keys:
    """The keys by column. Raises ValueError where they are no result's."""
    if not keys.keys() >= {"line", "status", "op"}:
        raise ValueError("it has no line, status and op")
    for key, value in _keys_of(keys.pop("error", b"{}")).items():
        keys[_ERROR.get(key, "")] = value
    keys.pop("", None)
    ids = {bytes(keys.get(name, b"")) for name in ("cart_id", "item_id")}
    own = {key: keys.pop(key) for key in list(keys) if key not in _KINDS}
    if own_names := {key: value for key, value in own.items() if bytes(value) not in ids}:
        keys["own_names"] = msgspec.Raw(msgspec.json.encode(own_names))
    return keys


def _value(column: Column, raw: msgspec.Raw | None) -> Value:
    if raw is None:
        return None
    match column.kind:
        case ColumnKind.WHOLE:
            return _decode(raw, type=int)
        case ColumnKind.DECIMAL:
            return Decimal(bytes(raw).decode())
        case ColumnKind.MOMENT:
            return datetime.fromisoformat(_decode(raw, type=str))
        case ColumnKind.TEXT:
            text = bytes(raw).decode()
            return _decode(raw, type=str) if text.startswith('"') and column.name != "body" else text
