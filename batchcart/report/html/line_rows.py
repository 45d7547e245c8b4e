"""Owns what the page shows of single lines: all that it has room for, each with what led to its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from batchcart.journal.summary import STATUSES
from batchcart.model.text import duration
from batchcart.report.collect import Report
from batchcart.report.lines import LineRecord, ShownLine, pick_lines

_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of the table: ``anchor`` is what links to it name, ``steps`` are headings with texts, in order."""

    anchor: str
    number: int
    run: str
    account: str
    op: str
    cart: str
    status: str
    words: str
    message: str
    sent: str
    took: str
    steps: tuple[tuple[str, str], ...]


def line_anchor(run: int, line: int) -> str:
    """What the line's row is called inside the page."""
    return f"l{run}-{line}"


def lines(report: Report) -> dict[str, Any]:
    """The lines that the page has room for, and where the others are."""
    shown = pick_lines(report)
    known = sum(run.summary.lines for run in report.runs)
    files = [run.name for run in report.runs]
    return {
        "line_rows": [_row(report, one) for one in shown],
        "line_anchors": {line_anchor(one.run, one.record.line) for one in shown},
        "line_accounts": sorted({one.record.account for one in shown}),
        "line_statuses": [status for status in STATUSES if any(one.record.status == status for one in shown)],
        "lines_words": _words(len(shown), known, report.runs[0].commands.csv(files)),
    }


def _words(shown: int, known: int, command: str) -> str:
    if shown < known:
        return (
            f"{shown:,} of {known:,} lines, those that are not ok first; a page has no room for more. `{command}` "
            "writes all of them as a table."
        )
    return f"All {shown:,} lines, those that are not ok first. `{command}` writes them as a table."


def _row(report: Report, one: ShownLine) -> LineRow:
    record, run = one.record, report.runs[one.run]
    words = record.status.replace("_", " ") + (f" · HTTP {record.http_status}" if record.http_status else "")
    words += f"; settled {record.settled}" if record.settled else ""
    words += "; done again since" if record.line in run.again else ""
    return LineRow(
        anchor=line_anchor(one.run, record.line),
        number=record.line,
        run=run.name if len(report.runs) > 1 else "",
        account=record.account,
        op=record.op,
        cart=" · ".join(
            str(name) for name in (record.id, record.cart or record.cart_id, record.item) if name is not None
        ),
        status=record.status,
        words=words,
        message=_message(record),
        sent=(record.sent_at or "").replace("T", " ").partition(".")[0],
        took="" if record.elapsed_ms is None else duration(record.elapsed_ms / 1000),
        steps=tuple(_steps(one, run.commands.job)),
    )


def _message(record: LineRecord) -> str:
    if record.error is not None:
        return record.error.message[:_LONGEST_MESSAGE]
    keys = (record.cart_id, None if record.item_id is None else f"item {record.item_id}")
    return " · ".join(str(key) for key in keys if key is not None)


def _steps(one: ShownLine, job: str) -> Sequence[tuple[str, str]]:
    """The way from the job line to the answer."""
    detail, record = one.detail, one.record
    if detail is None:
        return ()
    steps = [(f"{job}:{record.line}", detail.job_line)] if detail.job_line else []
    for number, (sent, came) in enumerate(detail.requests, 1):
        order = f" {number}" if len(detail.requests) > 1 else ""
        steps.append((f"Request{order}, without credentials", sent))
        steps += [(f"What came back{order}", came)] if came else []
    if detail.answer:
        steps.append((f"Answer{f', HTTP {record.http_status}' if record.http_status else ''}", detail.answer))
    elif record.status == "skipped" and record.error is not None and record.error.line:
        steps.append(("Nothing was sent", f"It needs line {record.error.line}."))
    return steps
