"""Owns the report that a person reads in a terminal; the figures are report/'s."""

from batchcart.cli.reasons_text import next_text, reasons_text
from batchcart.cli.summary_text import summary_text
from batchcart.cli.tables import duration_text
from batchcart.model.events import clock
from batchcart.report.collect import Report
from batchcart.report.histogram import Durations, merge
from batchcart.report.pauses import WORDS, AccountPauses


def report_text(report: Report) -> str:
    """The summary of each run and of all together, durations, pauses, and the reasons why lines are not ok."""
    parts = [summary_text(run.summary, str(run.results)) + "\n" for run in report.runs]
    if len(report.runs) > 1:
        parts.append(f"All {len(report.runs)} runs together:\n{summary_text(report.total, '')}\n")
    figures = report.figures
    durations = merge(figures.durations.values())
    if durations.count:
        parts.append(_durations(durations))
    parts += [
        f"{account}: {WORDS[reason]}, {_pauses(paused)}, {duration_text(paused.seconds)} waited"
        for (account, reason), paused in sorted(report.pausing.by.items())
    ]
    parts += reasons_text(figures.reasons, report.total.accounts, report.runs[0].commands, len(report.runs))
    parts += [note for run in report.runs for note in run.notes] + list(report.notes)
    parts += [text for run in report.runs for text in next_text(run.left, run.commands, run.pid)]
    return "\n".join(parts).rstrip("\n")


def _pauses(paused: AccountPauses) -> str:
    times = "one pause" if paused.count == 1 else f"{paused.count:,} pauses"
    lasting = [span.began for span in paused.spans if span.ended is None]
    if lasting:
        times += f", one of them since {clock(max(lasting))} without an end yet"
    return times + (f" ({paused.refusals:,} × 429)" if paused.refusals else "")


def _durations(durations: Durations) -> str:
    points = ", ".join(f"{percent} % within {_ms(durations.percentile(percent))}" for percent in (50, 95, 99))
    return f"From a line's first request to its end, waits included: {points}, the longest {_ms(durations.longest)}"


def _ms(ms: float) -> str:
    return f"{ms:.3g} ms" if ms < 1000 else duration_text(ms / 1000)
