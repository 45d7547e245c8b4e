"""Owns the report that a person reads in a terminal; the figures are report/'s."""

from collections.abc import Iterable, Iterator

from batchcart.cli.summary_text import summary_text
from batchcart.cli.tables import duration_text
from batchcart.model.events import clock
from batchcart.report.collect import Report
from batchcart.report.error_groups import ErrorGroup, ErrorKey, advice
from batchcart.report.histogram import Durations, merge
from batchcart.report.pauses import WORDS, AccountPauses

_MOST_REASONS = 5


def report_text(report: Report) -> str:
    """The summary of each run and of all together, durations, pauses, and the reasons why lines are not ok."""
    parts = [summary_text(run.summary, str(run.results)) + "\n" for run in report.runs]
    if len(report.runs) > 1:
        parts.append(f"All {len(report.runs)} runs together:\n{summary_text(report.total, '')}\n")
    durations = merge(report.figures.durations.values())
    if durations.count:
        parts.append(_durations(durations))
    parts += [
        f"{account}: {WORDS[reason]}, {_pauses(paused)}, {duration_text(paused.seconds)} waited"
        for (account, reason), paused in sorted(report.pausing.by.items())
    ]
    ranked = report.figures.reasons.rank()
    if ranked:
        parts.append("Why lines are not ok:")
        parts += _reasons(ranked[:_MOST_REASONS])
    if len(ranked) > _MOST_REASONS:
        parts.append(f"… and {len(ranked) - _MOST_REASONS:,} more reasons; --html and --json have all")
    parts += [note for run in report.runs for note in run.notes] + list(report.notes)
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


def _reasons(ranked: Iterable[tuple[ErrorKey, ErrorGroup]]) -> Iterator[str]:
    """Each reason with what to do; what several of them call for is said with the first."""
    said = set()
    for cause, reason in ranked:
        yield _reason(cause, reason)
        if (what_to_do := advice(cause)) not in said:
            said.add(what_to_do)
            yield f"    {what_to_do}"


def _reason(cause: ErrorKey, reason: ErrorGroup) -> str:
    lines = ", ".join(f"{place.line}" for place in reason.first[:5]) + (", …" if reason.count > 5 else "")
    status = cause.status.replace("_", " ")
    return f"  {reason.count:,} {status}, {cause.kind}: {cause.message} (line {lines})"
