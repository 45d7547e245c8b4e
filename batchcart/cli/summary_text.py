"""Owns the summary that a person reads at the end of a run; the figures are summary.py's."""

from batchcart.cli.folding import fold
from batchcart.cli.output import paint
from batchcart.cli.reasons_text import next_text, reasons_text
from batchcart.cli.tables import duration_text, table_text
from batchcart.journal.summary import STATUSES, Summary
from batchcart.report.run_reasons import RunReasons

_COLOURS = {"ok": "green", "failed": "red", "in doubt": "yellow"}


def summary_text(summary: Summary, job: str) -> str:
    """Counts per account, operation and status; duration, rate, retries; where the results are."""
    parts = []
    if summary.nothing_to_do:
        parts.append(f"{job}: this run is finished; nothing was sent.")
    parts.append(_table(summary))
    if not summary.nothing_to_do and summary.seconds:
        parts.append(
            f"{_plural(summary.sent, 'request', 'requests')} in {duration_text(summary.seconds)} "
            f"({summary.sent / summary.seconds:.1f}/s), {_plural(summary.retries, 'retry', 'retries')}"
        )
    if summary.stopped:
        parts.append(fold(f"Stopped before the end: {summary.stopped}"))
    if summary.chosen is not None:
        parts.append(f"Chosen for this run: {_plural(summary.chosen, 'line', 'lines')} of {summary.lines:,}")
    parts.append(f"Results: {summary.results}")
    return "\n".join(parts)


def ending_text(summary: Summary, job: str, reasons: RunReasons | None, pid: int | None = None) -> str:
    """The summary of a run, why lines of it are not ok, and what to do next.

    ``pid`` is the run's that is at work on it.
    """
    parts = [summary_text(summary, job)]
    if reasons is not None:
        parts += reasons_text(reasons.groups, summary.accounts, reasons.commands)
        if reasons.looked_at is not None:
            parts.append(f"  Only the first {reasons.looked_at:,} lines that are not ok were looked at")
        parts += next_text(summary, reasons.commands, pid)
    return "\n".join(parts)


def _plural(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _table(summary: Summary) -> str:
    used = [status for status in STATUSES if summary.totals[status] or status == "ok"]
    rows = [("account", "operation", *(status.replace("_", " ") for status in used))]
    for name, one in summary.accounts.items():
        kinds = sorted({kind for kind, _ in one.kinds})
        for index, kind in enumerate(kinds):
            cells = [str(one.kinds.get((kind, status), 0) or "") for status in used]
            rows.append((name if index == 0 else "", kind, *cells))
    rows.append(("all", "", *(f"{summary.totals[status]:,}" for status in used)))
    head, line_end, rest = table_text(rows, names=2).partition("\n")
    for status, colour in _COLOURS.items():
        head = head.replace(status, paint(status, colour))
    return head + line_end + rest
