"""Owns the summary that a person reads at the end of a run; the figures are summary.py's."""

from batchcart.cli.output import paint
from batchcart.cli.tables import duration_text, table_text
from batchcart.journal.summary import STATUSES, Summary

_COLOURS = {"ok": "green", "failed": "red", "in doubt": "yellow"}


def summary_text(summary: Summary, job: str, pid: int | None = None) -> str:
    """Counts per account, operation and status; duration, rate, retries; where the results are; what to do next.

    ``pid`` is the run's that is at work on it; then its end is the next step.
    """
    parts = []
    if summary.nothing_to_do:
        parts.append(f"{job}: this run is finished; nothing was sent.")
    parts.append(_table(summary))
    if not summary.nothing_to_do and summary.seconds:
        parts.append(
            f"{summary.sent:,} requests in {duration_text(summary.seconds)} ({summary.sent / summary.seconds:.1f}/s), "
            f"{summary.retries:,} retries"
        )
    parts += [f"{name}: {one.reason}" for name, one in summary.accounts.items() if one.reason]
    if summary.stopped:
        parts.append(f"Stopped before the end: {summary.stopped}")
    parts.append(f"Results: {summary.results}")
    parts += _advice(summary, pid)
    return "\n".join(parts)


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


def _advice(summary: Summary, pid: int | None) -> list[str]:
    totals, advice = summary.totals, []
    if pid:
        return [f"A run is at work on it (pid {pid}); it goes on by itself"]
    if totals["in_doubt"]:
        advice.append(
            f"{totals['in_doubt']:,} in doubt: nobody could say whether they happened; their lines hold the evidence, "
            f"`batchcart settle {summary.results}` reads the shops again or takes your word"
        )
    if totals["failed"] or totals["skipped"]:
        advice.append(
            "Lines that are not ok say why under `error`; --retry-failed opens the failed and skipped ones again"
        )
    if totals["not_attempted"]:
        advice.append("Run the same command again to go on")
    return advice
