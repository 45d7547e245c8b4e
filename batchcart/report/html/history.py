"""Owns what the page shows of a run's way through time, and of several runs side by side; the template lays it out."""

from typing import Any

from batchcart.model.text import duration, utc_time
from batchcart.report.collect import Report, RunReport
from batchcart.report.comparison import compare_reasons, pace_of
from batchcart.report.timeline import TimelineEntry, with_pauses

_MOST_SIDE_BY_SIDE = 8


def timeline(report: Report) -> dict[str, Any]:
    """What happened when: starts, stops, kills, closings, pauses."""
    entries = with_pauses([run.timeline for run in report.runs], report.pausing.spans())
    dropped = sum(run.timeline.dropped for run in report.runs)
    several = len(report.runs) > 1
    return {
        "timeline_heads": ["when (UTC)", "what", *(["run"] if several else []), "account", ""],
        "timeline_rows": [_row(report, entry, several=several) for entry in entries],
        "timeline_words": f"{dropped:,} earlier entries are not shown; a log has them all." if dropped else "",
    }


def _row(report: Report, entry: TimelineEntry, *, several: bool) -> tuple[str, list[str]]:
    lasted = "" if entry.until is None else f" ({duration(max(0.0, entry.until - entry.at))})"
    run = [report.runs[entry.run].name if entry.run >= 0 else ""] if several else []
    return entry.kind, [utc_time(entry.at), entry.kind, *run, entry.account, entry.text + lasted]


def comparison(report: Report) -> dict[str, Any]:
    """How fast each run was, and the lines of each by reason."""
    if len(report.runs) < 2:
        return {"pace_rows": [], "reason_rows": [], "reason_heads": []}
    names = [run.name for run in report.runs]
    rows = [
        [f"{cause.status.replace('_', ' ')}: {cause.message}", *counts] for cause, counts in compare_reasons(report)
    ]
    return {
        "pace_rows": [_pace(run) for run in report.runs],
        "reason_heads": ["reason", *names],
        "reason_rows": rows if len(names) <= _MOST_SIDE_BY_SIDE else [],
    }


def _pace(run: RunReport) -> list[Any]:
    pace = pace_of(run)
    if run.began is None or not pace.durations.count:
        return [run.name, "nothing was sent", *[""] * 6]
    points = [duration(pace.durations.percentile(percent) / 1000) for percent in (50, 95, 99)]
    rate = (f"{pace.per_second:.3g}", f"{pace.requests_per_line:.2f}")
    return [run.name, utc_time(run.began), duration(pace.seconds), *rate, *points]
