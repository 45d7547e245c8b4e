"""Owns the table of all lines as a CSV file that any spreadsheet opens; it works out nothing in it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from batchcart.model.errors import UsageError
from batchcart.model.files import in_place_of, replacing
from batchcart.report.collect import Report
from batchcart.report.lines import LineRecord, read_lines
from batchcart.runs.results_table import COLUMNS as RESULT_COLUMNS
from batchcart.sheets.cell_text import write_text

COLUMNS = ("results", *(column.name for column in RESULT_COLUMNS[:-3]))
"""The columns: the result file, then those of a run's results as a table but for the bodies."""

_MARK = b"\xef\xbb\xbf"  # tells Excel that it is UTF-8
_HEAD = ",".join(COLUMNS).encode()


def write_lines(report: Report, table: Path) -> int:
    """Write every line of the runs, with how it ended; how many. A table of lines that is there is replaced.

    Raises UsageError if the file is another one, or cannot be written.
    """
    try:
        if table.is_file() and not _is_table(table):
            raise UsageError(f"--csv {table}: the existing file is not a table of lines; choose another name")
        if table.exists() and not table.is_file():  # a pipe, or /dev/stdout
            with table.open("wb") as file:
                return _write(file, report)
        with replacing(in_place_of(table)) as file:
            return _write(file, report)
    except OSError as error:
        raise UsageError(f"--csv {table}: cannot write there: {error.strerror}") from None


def _is_table(table: Path) -> bool:
    with table.open("rb") as opened:
        head = opened.read(len(_MARK) + len(_HEAD))
    return not head or head.removeprefix(_MARK).startswith(_HEAD)


def _write(file: IO[bytes], report: Report) -> int:
    file.write(_MARK + _HEAD + b"\r\n")
    count = 0
    for row in _rows(report):
        file.write(row)
        count += 1
    return count


def _rows(report: Report) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for run in report.runs:
        for record in read_lines(run.results):
            writer.writerow([_cell(value) for value in (run.name, *_values(record))])
            yield text.getvalue().encode("utf-8", "backslashreplace")
            text.seek(0)
            text.truncate()


def _values(record: LineRecord) -> tuple[Any, ...]:
    error = record.error
    why = (error.kind, error.message, error.line) if error else (None, None, None)
    return (
        record.line, record.id, record.account, record.platform, record.op, record.cart, record.item, record.status,
        record.cart_id, record.item_id, record.http_status, record.attempts, record.sent_at, record.elapsed_ms, *why,
    )  # fmt: skip


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, int | float) else write_text(str(value))
