"""Owns what the page shows of numbers: opening, counts, throughput, latency, attempts; the template lays them out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from batchcart.journal.summary import STATUSES
from batchcart.model.text import duration, plural, utc_time
from batchcart.report.collect import Report, RunReport, operations
from batchcart.report.histogram import RELATIVE_ERROR, Durations, merge
from batchcart.report.html import charts
from batchcart.runs.commands import next_steps

MOST_BARS = 20
"""Accounts that the chart of counts shows; the table has all."""

_WORDS = {status: status.replace("_", " ") for status in STATUSES}


def opening(report: Report) -> dict[str, Any]:
    """Headline, facts, tiles, notes and what to do next."""
    total, span = report.total, report.span()
    names = [run.name for run in report.runs]
    facts = [
        names[0] if len(names) == 1 else f"{len(names)} runs",
        f"{len(total.accounts):,} account{'s' if len(total.accounts) != 1 else ''}",
        _span(*span) if span else "nothing was sent",
    ]
    return {
        "title": names[0] if len(names) == 1 else f"{len(names)} runs",
        "headline": f"{total.totals['ok']:,} of {total.lines:,} lines ended ok",
        "facts": " · ".join(facts),
        "sources": _join_names(names, 5),
        "tiles": [
            {"status": status, "count": found, "words": _WORDS[status], "share": _share(found, total.lines)}
            for status, found in total.totals.items()
        ],
        "notes": [note for run in report.runs for note in run.notes] + list(report.notes),
        "next_steps": list(_next_steps(report)),
        "status_words": list(_WORDS.values()),
        "status_legend": list(_WORDS.items()),
    }


def counts(report: Report) -> dict[str, Any]:
    """Charts and tables of lines by account, operation and status, and by run."""
    accounts = report.total.accounts
    largest = sorted(accounts, key=lambda name: -sum(accounts[name].counts.values()))
    shown = {name: dict(accounts[name].counts) for name in largest[:MOST_BARS]}
    kinds: Counter[tuple[str, str]] = Counter()
    for account in accounts.values():
        kinds.update(account.kinds)
    total = [report.total.lines, *report.total.totals.values()]
    hidden = len(accounts) - len(shown)
    return {
        "account_charts": charts.by_status("status-accounts", "Lines by account and status", shown),
        "account_caption": f"The {MOST_BARS} accounts with the most lines; the table has all." if hidden else "",
        "operation_charts": charts.by_status(
            "status-operations", "Lines by operation and status", dict(operations(kinds))
        ),
        "count_rows": [
            *(
                [name, op, sum(found.values()), *found.values()]
                for name, account in accounts.items()
                for op, found in operations(account.kinds)
            ),
            ["all", "", *total],
        ],
        "account_rows": [*(_account_row(report, name) for name in accounts), ["all", "", "", "", *total]],
        "runs": [*map(_run_row, report.runs), ["all", "", *total]] if len(report.runs) > 1 else [],
    }


def _account_row(report: Report, name: str) -> list[Any]:
    account, limits = report.total.accounts[name], report.limits.get(name)
    limits_text = "–" if limits is None else ", ".join(map(str, limits)) or "none"
    row = [name, report.platforms.get(name, ""), account.state.replace("_", " "), limits_text]
    return [*row, sum(account.counts.values()), *account.counts.values()]


def latency(report: Report) -> dict[str, Any]:
    """How long lines took, as a chart and by account and operation."""
    durations = report.figures.durations
    whole = merge(durations.values())
    if not whole.count:
        return {"latency_charts": [], "latency_legend": [], "latency_rows": [], "latency_bars": [], "error": ""}
    rows = [[account, op, *_latency_cells(durations[account, op])] for account, op in sorted(durations)]
    legend = [("sent", "lines")]
    legend += [
        (f"p{percent}", f"{percent} % within {duration(whole.percentile(percent) / 1000)}")
        for percent in charts.SHOWN_PERCENTILES
    ]
    edge = 10 ** (1 / charts.PER_DECADE)
    return {
        "latency_charts": charts.latencies("latency-all", "Lines by latency", whole),
        "latency_legend": legend,
        "latency_rows": [*rows, ["all", "", *_latency_cells(whole)]],
        "latency_bars": [
            [duration(edge**k / 1000), duration(edge ** (k + 1) / 1000), lines]
            for k, lines in whole.spread(charts.PER_DECADE).items()
        ],
        "error": f"{RELATIVE_ERROR:.0%}",
    }


def attempts(report: Report) -> dict[str, Any]:
    """How many lines took how many attempts, and how long these took."""
    tries = report.figures.tries
    several = {number: tries[number].count for number in sorted(tries) if number > 1}
    once = tries[1].count if 1 in tries else 0
    return {
        "attempts_words": (
            f"{plural(once, 'line')} took one attempt, {sum(several.values()):,} took more. One attempt more means "
            "that the shop answered 429, or failed, that no answer came, or that the account was closed and its run "
            "resumed later; the time that such lines took is mostly waits."
        ),
        "attempts_charts": charts.tries("tries-all", "Lines by attempts, beyond one", several) if several else [],
        "attempts_rows": [
            [str(number), one.count, *_durations_text((one.percentile(50), one.percentile(99), one.longest))]
            for number, one in sorted(tries.items())
        ],
    }


def _latency_cells(one: Durations) -> list[Any]:
    points = (one.mean, *(one.percentile(percent) for percent in (50, 90, 95, 99)), one.longest)
    return [one.count, *_durations_text(points)]


def _durations_text(milliseconds: Iterable[float]) -> list[str]:
    return [duration(ms / 1000) for ms in milliseconds]


def _run_row(run: RunReport) -> list[Any]:
    return [run.name, utc_time(run.began) if run.began else "", run.summary.lines, *run.summary.totals.values()]


def _next_steps(report: Report) -> Iterator[str]:
    for name, account in report.total.accounts.items():
        if account.reason:
            yield f"{name}: {account.reason}"
    for run in report.runs:
        for step in next_steps(run.left, run.commands, final=report.figures.reasons.is_final()):
            yield f"{step.purpose}: `{step.command}`"


def _span(began: float, ended: float) -> str:
    return f"{utc_time(began)} to {utc_time(ended)} UTC ({duration(ended - began)})"


def _share(part: int, whole: int) -> str:
    if not part or not whole:
        return ""
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.3g} %" if percent >= 0.1 else "under 0.1 %"


def _join_names(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
