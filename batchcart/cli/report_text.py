"""Owns the report that a person reads in a terminal; the figures are report/'s."""

from batchcart.cli.folding import fold
from batchcart.cli.reasons_text import next_text, reasons_text
from batchcart.cli.summary_text import summary_text
from batchcart.cli.tables import table_text
from batchcart.model.text import duration, local_time
from batchcart.report.collect import Report, RunReport
from batchcart.report.comparison import compare_reasons, pace_of
from batchcart.report.error_groups import ErrorKey
from batchcart.report.histogram import Durations, merge
from batchcart.report.pauses import WORDS, AccountPauses

_MOST_HAPPENED = 15
_MOST_COMPARED = 8
_MOST_SIDE_BY_SIDE = 6
_ONLY_ON_THE_PAGE = {"limit", "token"}


def report_text(report: Report) -> str:
    """The summary of each run and of all together, durations, pauses, and the reasons why lines are not ok."""
    parts = [summary_text(run.summary, str(run.results)) + "\n" for run in report.runs]
    if len(report.runs) > 1:
        parts.append(f"All {len(report.runs)} runs together:\n{summary_text(report.total, '')}\n")
        parts.append(_comparison(report))
    figures = report.figures
    durations = merge(figures.durations.values())
    if durations.count:
        parts.append(fold(_durations(durations)))
    parts += [
        fold(f"{account}: {WORDS[reason]}, {_pauses(paused)}, {duration(paused.seconds)} waited")
        for (account, reason), paused in sorted(report.pausing.by.items())
    ]
    parts += _what_happened(report)
    parts += reasons_text(figures.reasons, report.total.accounts, report.runs[0].commands, len(report.runs))
    parts += [fold(note) for note in (*(note for run in report.runs for note in run.notes), *report.notes)]
    parts += [
        text for run in report.runs for text in next_text(run.left, run.commands, report.figures.reasons, run.pid)
    ]
    return "\n".join(parts).rstrip("\n")


def _comparison(report: Report) -> str:
    """How fast each run was, and how many lines of each ended for which reason."""
    heads = ("", "took", "lines/s", "requests a line", "50 %", "95 %", "99 %")
    rows = [heads, *(_pace(number, run) for number, run in enumerate(report.runs, 1))]
    names = [fold(f"run {number} is {run.name}") for number, run in enumerate(report.runs, 1)]
    parts = ["Side by side:", *names, table_text(rows)]
    reasons = compare_reasons(report)[:_MOST_COMPARED]
    if reasons and len(report.runs) <= _MOST_SIDE_BY_SIDE:
        numbers = [[f"run {number}" for number in range(1, len(report.runs) + 1)]]
        numbers += [[_number(count) for count in counts] for _, counts in reasons]
        lines = table_text(numbers, names=0).splitlines()
        indent = " " * (max(map(len, lines)) + 2)
        words = ["why lines are not ok", *(_cause(cause) for cause, _ in reasons)]
        parts += [fold(f"{line}  {why}", "", indent) for line, why in zip(lines, words, strict=True)]
    return "\n".join(parts) + "\n"


def _pace(number: int, run: RunReport) -> tuple[str, ...]:
    pace = pace_of(run)
    name = f"run {number}"
    if not pace.durations.count:
        return (name, "nothing was sent", *[""] * 5)
    points = [duration(pace.durations.percentile(percent) / 1000) for percent in (50, 95, 99)]
    return (name, duration(pace.seconds), f"{pace.per_second:.3g}", f"{pace.requests_per_line:.2f}", *points)


def _number(count: int) -> str:
    return f"{count:,}" if count else "–"


def _cause(cause: ErrorKey) -> str:
    return f"{cause.status.replace('_', ' ')}: {cause.message}"


def _what_happened(report: Report) -> list[str]:
    """Starts, stops, kills and closings, where there was more than a start and an end."""
    found = [entry for run in report.runs for entry in run.timeline.entries if entry.kind not in _ONLY_ON_THE_PAGE]
    if {entry.kind for entry in found} <= {"started", "finished"}:
        return []
    hidden = len(found) - _MOST_HAPPENED
    several = len(report.runs) > 1
    parts = ["What happened:", *([f"  … {hidden:,} earlier"] if hidden > 0 else [])]
    for entry in sorted(found, key=lambda entry: entry.at)[-_MOST_HAPPENED:]:
        where = (f"{report.runs[entry.run].name}: " if several else "") + (
            f"{entry.account}: " if entry.account else ""
        )
        parts.append(fold(f"{local_time(entry.at)}  {entry.kind}: {where}{entry.text}", "  "))
    return parts


def _pauses(paused: AccountPauses) -> str:
    times = "one pause" if paused.count == 1 else f"{paused.count:,} pauses"
    lasting = [span.began for span in paused.spans if span.ended is None]
    if lasting:
        times += f", one of them since {local_time(max(lasting))} without an end yet"
    return times + (f" ({paused.refusals:,} × 429)" if paused.refusals else "")


def _durations(durations: Durations) -> str:
    points = [f"{percent} % within {duration(durations.percentile(percent) / 1000)}" for percent in (50, 95, 99)]
    points.append(f"the longest {duration(durations.longest / 1000)}")
    return f"From a line's first request to its end, waits included: {', '.join(points)}"
