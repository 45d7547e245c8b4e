"""Owns the summary that a person reads at the end of a run; the figures are summary.py's."""

from batchcart.cli.folding import fold
from batchcart.cli.output import paint
from batchcart.cli.reasons_text import next_text, only_gone, reasons_text
from batchcart.cli.tables import table_text
from batchcart.journal.summary import STATUSES, Summary
from batchcart.model.text import duration, plural
from batchcart.report.run_reasons import RunReasons

_COLOURS = {"ok": "green", "failed": "red", "in doubt": "yellow"}


def summary_text(summary: Summary, job: str, *, gone: bool = False) -> str:
    """Counts per account, operation and status; duration, rate, retries; where the results are.

    ``gone`` says that all that failed was to delete what is gone already, which is no alarm.
    """
    parts = []
    if summary.nothing_to_do:
        parts.append(f"{job}: this run is finished; nothing was sent.")
    head, _, rest = counts_text(summary).partition("\n")
    for status, colour in _COLOURS.items():
        head = head.replace(status, status if gone and status == "failed" else paint(status, colour))
    parts.append(f"{head}\n{rest}")
    if not summary.nothing_to_do and summary.seconds:
        asked = f", asked to wait {plural(summary.refusals, 'time')}" if summary.refusals else ""
        parts.append(
            f"{plural(summary.sent, 'request')} in {duration(summary.seconds)} "
            f"({summary.sent / summary.seconds:.1f}/s), {plural(summary.retries, 'retry', 'retries')}{asked}"
        )
    if summary.stopped:
        parts.append(fold(f"Stopped before the end: {summary.stopped}"))
    if summary.chosen is not None:
        parts.append(f"Chosen for this run: {plural(summary.chosen, 'line')} of {summary.lines:,}")
    parts.append(f"Results: {summary.results}")
    return "\n".join(parts)


def ending_text(summary: Summary, job: str, reasons: RunReasons | None, pid: int | None = None) -> str:
    """The summary of a run, why lines of it are not ok, and what to do next.

    ``pid`` is the run's that is at work on it, 0 if none is; None says nothing about that.
    """
    parts = [summary_text(summary, job, gone=reasons is not None and only_gone(reasons.groups))]
    if pid == 0:
        parts.append("No run is at work on it")
    if reasons is not None:
        parts += reasons_text(reasons.groups, summary.accounts, reasons.commands)
        if reasons.looked_at is not None:
            parts.append(f"  Only the first {reasons.looked_at:,} lines that are not ok were looked at")
        parts += next_text(summary, reasons.commands, reasons.groups, pid)
    return "\n".join(parts)


def counts_text(summary: Summary) -> str:
    """The lines by account, operation and status as a table."""
    used = [status for status in STATUSES if summary.totals[status] or status == "ok"]
    rows = [("account", "operation", *(status.replace("_", " ") for status in used))]
    for name, one in summary.accounts.items():
        kinds = sorted({kind for kind, _ in one.kinds})
        for index, kind in enumerate(kinds):
            cells = [str(one.kinds.get((kind, status), 0) or "") for status in used]
            rows.append((name if index == 0 else "", kind, *cells))
    rows.append(("all", "", *(f"{summary.totals[status]:,}" for status in used)))
    return table_text(rows, names=2)
