"""Owns the lines of a report's runs one by one: each with how it ended, those that are not ok first.

A run without a legible journal tells only the lines that ended, in the order in which they did.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from batchcart.journal.remaining import LineLeft, every_line, lines_of_status
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.report.collect import Report
from batchcart.report.details import LineDetail, Telling, open_telling
from batchcart.runs.status import open_journal_readonly

MOST_LINES = 3000
"""Lines that a page shows one by one."""

MOST_DETAILS = 1000
"""Of these, the lines that are not ok whose job line, request and answer it shows."""

_WORST_FIRST = ("failed", "in_doubt", "skipped", "not_attempted", "ok")


class LineError(msgspec.Struct, frozen=True):
    """Why a line is not ok; ``line`` is the earlier one that it needed, ``body`` what the shop answered."""

    kind: str = ""
    message: str = ""
    line: int | None = None
    body: Any = None


class LineRecord(msgspec.Struct, frozen=True):
    """One line of a job and how it ended, as the result line has it."""

    line: int
    account: str
    op: str
    status: str
    platform: str = ""
    id: Any = None
    cart: str | None = None
    item: str | None = None
    cart_id: str | int | None = None
    item_id: str | int | None = None
    http_status: int | None = None
    attempts: int = 0
    sent_at: str | None = None
    elapsed_ms: float | None = None
    error: LineError | None = None
    settled: str = ""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line that a page shows: the number of its run in the report, and what led to its end, if that is shown too."""

    run: int
    record: LineRecord
    detail: LineDetail | None = None


def pick_lines(report: Report) -> list[ShownLine]:
    """The lines that a page has room for, those that are not ok first."""
    found: dict[str, list[ShownLine]] = {status: [] for status in _WORST_FIRST}
    for number, run in enumerate(report.runs):
        try:
            picked = _pick(number, run.results, report)
        except UsageError:  # no journal, or none that can be read
            picked = {}
            for record in read_records(run.results):
                rows = picked.setdefault(record.status, [])
                if len(rows) < MOST_LINES:
                    rows.append(ShownLine(number, record))
        for status, rows in picked.items():
            found.setdefault(status, []).extend(rows)
    return [row for rows in found.values() for row in rows][:MOST_LINES]


def read_lines(results: Path) -> Iterator[LineRecord]:
    """All lines of a run in file order, also those that have not ended; as far as its journal can be read.

    Raises UsageError at what is not a result line.
    """
    last = 0
    try:
        with open_journal_readonly(results) as connection:
            for line in every_line(connection):
                yield _record(connection, line)
                last = line.planned.line
            return
    except UsageError:
        if not results.exists():
            raise
    yield from (record for record in read_records(results) if record.line > last)


def read_records(results: Path) -> Iterator[LineRecord]:
    """The lines in a result file, in the order in which they ended; a last line that is not whole is left out."""
    decode = msgspec.json.Decoder(LineRecord).decode
    for number, text in enumerate(lines_of(results), 1):
        try:
            yield decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not text.endswith(b"\n"):
                return
            raise UsageError(f"{results}:{number}: not a result line: {error}") from None


def _pick(number: int, results: Path, report: Report) -> dict[str, list[ShownLine]]:
    room = MOST_DETAILS
    picked = {}
    counts = report.runs[number].summary.totals
    with open_journal_readonly(results) as connection, open_telling(connection, report.entries) as telling:
        for status in _WORST_FIRST:
            rows = []
            for line in islice(lines_of_status(connection, status), min(counts[status], MOST_LINES)):
                detail = _detail(telling, line, _record(connection, line)) if status != "ok" and room else None
                room -= detail is not None
                rows.append(ShownLine(number, _record(connection, line), detail))
            picked[status] = rows
    return picked


def _detail(telling: Telling, line: LineLeft, record: LineRecord) -> LineDetail:
    body = record.error.body if record.error else None
    text = body if isinstance(body, str) else "" if body is None else msgspec.json.encode(body).decode()
    return telling.explain(line, None if record.cart_id is None else str(record.cart_id), text)


def _record(connection: Connection, line: LineLeft) -> LineRecord:
    if line.status is None:
        return LineRecord(line.planned.line, line.name, line.kind.value, "not_attempted", line.platform)
    return decode_value(connection, "result", line.text, LineRecord)
