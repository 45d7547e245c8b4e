"""Owns what the page shows of throughput: operations begun over time beside the limits; the template lays it out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from batchcart.model.limits import Bucket, Limit, Window
from batchcart.model.text import duration, utc_time
from batchcart.report.collect import Report
from batchcart.report.html import charts

MOST_RATES = 8
"""Accounts whose throughput is drawn; the document of --json has all."""

_CHANGES = 8
"""Changes of a learnt limit that the caption tells; the document of --json has all that are kept."""

_SHORT = 60.0
"""Seconds of a limit's window up to which the limit is drawn as a rate even where the run was shorter."""


def throughput(report: Report) -> dict[str, Any]:
    """For each account its operations begun over time, and the limit."""
    sent = report.figures.sent
    totals: Counter[str] = Counter()
    for (name, _), steps in sent.counts.items():
        totals[name] += steps.total()
    names = [name for name, _ in totals.most_common(MOST_RATES)]
    hidden = len(totals) - len(names)
    shown = [_rate("All accounts", "rates-all", _rates(report, sorted(totals), None), "")] if len(totals) > 1 else []
    for number, name in enumerate(names):
        limit, words = _limit_to_draw(report, name)
        shown.append(_rate(name, f"rates-{number}", _rates(report, [name], limit), words))
    more = f"These are the {MOST_RATES} accounts that sent the most; `--json` has the {hidden:,} others too."
    return {
        "rates": shown,
        "step": duration(sent.width),
        "rates_left_out": more if hidden > 0 else "",
    }


def _rates(report: Report, names: Sequence[str], limit: float | None) -> charts.Rates:
    sent = report.figures.sent
    bad, every = ([_at(sent.counts, names, step, kinds) for step in sent.steps] for kinds in ((False,), (True, False)))
    learnt = sorted(report.pausing.learnt.get(names[0], []), key=itemgetter(0)) if len(names) == 1 else []
    width = float(sent.width)
    return charts.Rates(
        sent.steps[0] * width, width, [n / width for n in every], [n / width for n in bad], limit, learnt
    )


def _at(found: Mapping[tuple[str, bool], Counter[int]], names: Sequence[str], step: int, kinds: Sequence[bool]) -> int:
    return sum(found[name, ok][step] for name in names for ok in kinds if (name, ok) in found)


def _rate(account: str, chart: str, shown: charts.Rates, words: str) -> dict[str, Any]:
    unit, seconds = shown.unit
    legend = [("sent", f"begun per {unit}")]
    legend += [("failed", "of these not ok")] if any(shown.bad) else []
    legend += [("limit", f"limit, {shown.limit * seconds:.3g} per {unit}")] if shown.limit else []
    legend += [("learnt", "limit learnt from 429s")] if any(rate for _, rate in shown.learnt) else []
    rows = [
        [
            utc_time(shown.began + shown.width * number),
            round(every * shown.width),
            round(bad * shown.width),
            f"{every * seconds:.3g}",
        ]
        for number, (every, bad) in enumerate(zip(shown.all, shown.bad, strict=True))
        if every
    ]
    title = f"Operations begun over time, {account}"
    return {
        "account": account,
        "charts": charts.rates(chart, title, shown),
        "legend": legend,
        "caption": f"{words}{_describe_adapted(shown)}",
        "unit": unit,
        "rows": rows,
    }


def _describe_adapted(shown: charts.Rates) -> str:
    """The limits learnt from 429s, in words."""
    if not shown.learnt:
        return ""
    unit, seconds = shown.unit
    steps = [
        f"from {utc_time(at)} the config's again"
        if rate is None
        else f"from {utc_time(at)} {rate * seconds:.3g} per {unit}"
        for at, rate in shown.learnt[:_CHANGES]
    ]
    more = f", and {len(shown.learnt) - _CHANGES:,} changes more" if len(shown.learnt) > _CHANGES else ""
    return f" Learnt from 429s: {', '.join(steps)}{more}."


def _limit_to_draw(report: Report, name: str) -> tuple[float | None, str]:
    """The lowest of the account's limits that a chart of this length can show, as a rate; and what to say of them."""
    limits, span = report.limits.get(name), report.span()
    if not limits:
        return None, "It has no limit." if limits is not None else ""
    shown = max(span[1] - span[0] if span else 0.0, _SHORT)
    rates = [_rate_of(limit) for limit in limits if isinstance(limit, Bucket) or limit.seconds <= shown]
    words = f"Limits: {', '.join(map(str, limits))}."
    if rates:
        words += " The line is what can be kept up; a burst may stand above it."
    if len(rates) < len(limits):
        words += " A limit over a longer time than the chart is not drawn."
    return min(rates, default=None), words


def _rate_of(limit: Limit) -> float:
    """The sends a second that can be kept up."""
    match limit:
        case Window(count, seconds):
            return count / seconds
        case Bucket(_, leak):
            return leak
