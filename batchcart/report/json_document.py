"""Owns the report as a document for scripts, whose shape is documented and stays; it does not know pages or charts."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from batchcart.journal.summary import Summary
from batchcart.journal.timeline import Pause
from batchcart.model.text import format_timestamp
from batchcart.report.collect import Report, RunReport, operations
from batchcart.report.comparison import pace_of
from batchcart.report.error_groups import Occurrence
from batchcart.report.histogram import RELATIVE_ERROR, Durations, merge
from batchcart.report.run_reasons import reason_fields
from batchcart.report.timeline import TimelineEntry

PERCENTILES = (50, 90, 95, 99, 99.9)


def document(report: Report) -> dict[str, Any]:
    """What `batchcart report --json` prints; the counts and accounts are those of `status --json`."""
    figures = report.figures
    return {
        **_counts(report.total, report),
        "operations": dict(operations(_all_kinds(report.total))),
        "runs": [_run(run) for run in report.runs],
        "throughput": _throughput(report),
        "latency_ms": {
            "relative_error": RELATIVE_ERROR,
            "all": _durations(merge(figures.durations.values())),
            "operations": [
                {"account": account, "op": op, **_durations(figures.durations[account, op])}
                for account, op in sorted(figures.durations)
            ],
        },
        "attempts": [{"attempts": tries, **_durations(figures.tries[tries])} for tries in sorted(figures.tries)],
        "pauses": {
            "accounts": [
                {"account": account, "reason": reason, "count": one.count, "seconds": round(one.seconds, 3),
                 "refusals": one.refusals}
                for (account, reason), one in sorted(report.pausing.by.items())
            ],
            "spans": [_span(span) for span in report.pausing.spans()],
        },
        "learnt_limits": {
            account: [{"at": format_timestamp(at), "per_second": rate} for at, rate in changes]
            for account, changes in sorted(report.pausing.learnt.items())
        },
        "reasons": [
            {**reason_fields(cause, reason, report.commands_for(reason)),
             "runs": [reason.runs[number] for number in range(len(report.runs))],
             "first": [_place(report, place) for place in reason.first]}
            for cause, reason in figures.reasons.rank()
        ],
        "doubts": {"count": figures.in_doubt, "first": [_place(report, place) for place in figures.doubts]},
        "notes": list(report.notes),
    }  # fmt: skip


def _counts(summary: Summary, report: Report) -> dict[str, Any]:
    """As `status --json`, and of each account its platform, limits and operations."""
    fields: dict[str, Any] = summary.as_dict()
    for name, account in fields["accounts"].items():
        account["platform"] = report.platforms.get(name, "")
        account["limits"] = [str(limit) for limit in report.limits[name]] if name in report.limits else None
        account["operations"] = dict(operations(summary.accounts[name].kinds))
    return fields


def _all_kinds(summary: Summary) -> Mapping[tuple[str, str], int]:
    kinds: Counter[tuple[str, str]] = Counter()
    for account in summary.accounts.values():
        kinds.update(account.kinds)
    return kinds


def _run(run: RunReport) -> dict[str, Any]:
    pace = pace_of(run)
    return {
        "results": run.name,
        **run.summary.as_dict(),
        "began": _moment(run.began),
        "last_ended": _moment(run.last),
        "pid": run.pid,
        "taken_up": run.taken_up,
        "seconds": round(pace.seconds, 3),
        "requests": pace.requests,
        "latency_ms": _durations(pace.durations),
        "timeline": [_entry(entry) for entry in run.timeline.entries],
        "notes": list(run.notes),
    }


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    return {"at": format_timestamp(entry.at), "what": entry.kind, "account": entry.account, "text": entry.text}


def _throughput(report: Report) -> dict[str, Any]:
    sent = report.figures.sent
    names = sorted({name for name, _ in sent.counts})
    nothing: Counter[int] = Counter()
    accounts = {
        name: {
            word: [sent.counts.get((name, ok), nothing)[step] for step in sent.steps]
            for word, ok in (("ok", True), ("not_ok", False))
        }
        for name in names
    }
    first = _moment(float(sent.steps[0] * sent.width)) if sent.steps else None
    return {"first_step": first, "step_seconds": sent.width, "accounts": accounts}


def _durations(durations: Durations) -> dict[str, Any]:
    if not durations.count:
        return {"count": 0}
    points = {f"p{percent:g}": round(durations.percentile(percent), 1) for percent in PERCENTILES}
    ends = {"least": durations.shortest, "mean": round(durations.mean, 1), **points, "most": durations.longest}
    return {"count": durations.count, **ends}


def _span(span: Pause) -> dict[str, Any]:
    return {
        "account": span.account,
        "reason": span.reason,
        "began": format_timestamp(span.began),
        "ended": _moment(span.ended),
        "why": span.why,
        "refusals": span.refusals,
    }


def _place(report: Report, place: Occurrence) -> dict[str, Any]:
    return {
        "results": report.runs[place.run].name,
        "line": place.line,
        "account": place.account,
        "op": place.op,
        "cart": place.cart,
        "message": place.message,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else format_timestamp(seconds)
