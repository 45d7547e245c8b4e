"""Owns what the page's parts about troubles show: pauses, failures by reason, doubts; the template lays them out."""

from typing import Any

from batchcart.journal.timeline import Pause
from batchcart.model.text import duration, utc_time
from batchcart.report.aggregate import MOST_DOUBTS
from batchcart.report.collect import Report
from batchcart.report.error_groups import ErrorGroup, ErrorKey, Occurrence, advice
from batchcart.report.html import charts
from batchcart.report.html.line_rows import line_anchor
from batchcart.report.pauses import WORDS, AccountPauses

MOST_ROWS = 25
"""Accounts whose pauses are drawn; the table has all."""

MOST_SPANS = 300
"""Pauses that the table lists one by one."""


def pauses(report: Report) -> dict[str, Any]:
    """When accounts paused and why, as a timeline and tables."""
    spans, by = report.pausing.spans(), report.pausing.by
    if not spans:
        unknown = "Pauses stand in a run's journal: there is none, or it is of a version that did not note them."
        words = "No account had to pause." if report.pausing.runs == len(report.runs) else unknown
        return {"pause_charts": [], "pauses_words": words}
    longest: dict[str, float] = {}
    for (account, _), paused in by.items():
        longest[account] = longest.get(account, 0.0) + paused.seconds
    accounts = sorted(longest, key=lambda name: -longest[name])[:MOST_ROWS]
    shown = [span for span in spans if span.account in accounts]
    pause_charts = charts.pauses("pauses-all", "Pauses by account", shown, accounts, _whole(report, shown))
    hidden = len(longest) - len(accounts)
    return {
        "pause_charts": pause_charts,
        "pause_caption": f"The {MOST_ROWS} accounts that paused longest; the table has {hidden:,} more."
        if hidden
        else "",
        "pause_legend": [
            (reason, words) for reason, words in WORDS.items() if any(span.reason == reason for span in shown)
        ],
        "pauses_words": (
            "Times in which an account sent little or nothing. 429s that follow one another closely are one pause, in "
            "which it may have sent between them; pauses close together are drawn as one where there are very many. "
            "Times are UTC."
        ),
        "pause_rows": [
            [account, WORDS[reason], paused.count, _in_all(paused), paused.refusals]
            for (account, reason), paused in sorted(by.items())
        ],
        "pause_spans": [_span(span) for span in sorted(spans, key=_length, reverse=True)[:MOST_SPANS]],
    }


def _in_all(paused: AccountPauses) -> str:
    if not paused.seconds and any(span.ended is None for span in paused.spans):
        return "its end was not seen"
    return duration(paused.seconds)


def _whole(report: Report, spans: list[Pause]) -> charts.Span:
    """The time that the timeline shows: that of the throughput above it, and all pauses."""
    sent = report.figures.sent
    edges = [sent.steps[0] * float(sent.width), (sent.steps[-1] + 1) * float(sent.width)] if sent.steps else []
    edges += [span.began for span in spans] + [span.ended for span in spans if span.ended is not None]
    return min(edges), max(*edges, min(edges) + 1)


def _length(span: Pause) -> float:
    return span.ended - span.began if span.ended is not None else float("inf")


def _span(span: Pause) -> list[str]:
    lasted = "its end was not seen" if span.ended is None else duration(max(0.0, _length(span)))
    began = utc_time(span.began)
    return [began, span.account, WORDS[span.reason], span.why, lasted]


def failures(report: Report) -> dict[str, Any]:
    """The reasons why lines are not ok, most frequent first."""
    return {"reasons": [_reason(report, cause, reason) for cause, reason in report.figures.reasons.rank()]}


def _reason(report: Report, cause: ErrorKey, reason: ErrorGroup) -> dict[str, Any]:
    http = f", HTTP {cause.http_status}" if cause.http_status else ""
    accounts = ", ".join(f"{name} {found:,}" for name, found in reason.accounts.most_common(8))
    more = f" and {len(reason.accounts) - 8:,} more accounts" if len(reason.accounts) > 8 else ""
    first = len(reason.first)
    return {
        "cause": cause,
        "reason": reason,
        "words": f"{cause.status.replace('_', ' ')} · {cause.kind}{http}",
        "advice": advice(cause, report.commands_for(reason), reason),
        "accounts": accounts + more,
        "shown": f"The first {first} lines"
        if reason.count > first
        else "The line"
        if first == 1
        else f"The {first} lines",
        "names": [_describe_place(report, place) for place in reason.first],
        "anchors": [line_anchor(place.run, place.line) for place in reason.first],
    }


def doubts(report: Report) -> dict[str, Any]:
    """The lines in doubt, one by one, each with its evidence."""
    listed, found = report.figures.doubts, report.figures.in_doubt
    hidden = found - len(listed)
    commands = report.runs[listed[0].run if listed else 0].commands
    words = "Nobody can say whether these happened."
    if commands.journal:
        words += (
            f" `{commands.settle()}` reads the shops again. What that cannot settle you look up yourself: "
            f"`{commands.todo()}` writes a table to fill in, and `{commands.answers()}` takes the answers."
        )
    more = f"… and {hidden:,} more; all of them are in the table of `{commands.csv([run.name for run in report.runs])}`"
    return {
        "doubts": [
            (_describe_place(report, place), place, line_anchor(place.run, place.line))
            for place in listed[:MOST_DOUBTS]
        ],
        "doubts_words": words,
        "doubts_more": more if hidden else "",
    }


def _describe_place(report: Report, place: Occurrence) -> str:
    run = f"{report.runs[place.run].name}, " if len(report.runs) > 1 else ""
    return f"{run}line {place.line}"
