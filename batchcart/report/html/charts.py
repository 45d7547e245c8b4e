"""Owns which charts a report has and what they show; how pygal draws is svg.py's, the colours are the page's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pygal

from batchcart.journal.summary import STATUSES
from batchcart.journal.timeline import Pause
from batchcart.model.text import duration, plural
from batchcart.report.histogram import Durations
from batchcart.report.html.axes import count, heights, moments, rate_unit
from batchcart.report.html.svg import chart_config, to_svg
from batchcart.report.pauses import WORDS

Span = tuple[float, float]
PER_DECADE = 10
SHOWN_PERCENTILES = (50, 95, 99)
_THIN = 0.006
_LEAST_SEEN = 0.004
"""The share of the time shown that a pause takes up at least, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A chart's size in units of its letters, the marks of its time axis, and the letters of a name beside it."""

    name: str
    width: int
    height: int
    marks: int
    letters: int


SHAPES = (Shape("wide", 1000, 280, 10, 30), Shape("narrow", 350, 250, 3, 13))
"""Every chart is drawn twice; the page shows the one that fits."""


@dataclass(frozen=True, slots=True)
class Rates:
    """An account's operations begun a second, in steps of ``width`` seconds from ``began`` on, and what limits them."""

    began: float
    width: float
    all: Sequence[float]
    bad: Sequence[float]
    limit: float | None
    learnt: Sequence[tuple[float, float | None]]

    @property
    def end(self) -> float:
        """The end of the last step."""
        return self.began + self.width * len(self.all)

    @property
    def unit(self) -> tuple[str, float]:
        """The unit of time in which the rates are shown, and its seconds."""
        learnt = [rate for _, rate in self.learnt if rate]
        return rate_unit(max([*self.all, self.limit or 0.0, *learnt]))


def by_status(name: str, title: str, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Bars of lines by status, one for each name."""
    words = "; ".join(f"{row}: {_label(found)}" for row, found in counts.items())
    most = max((sum(found.values()) for found in counts.values()), default=0)
    rows = list(counts.items())[::-1]
    svgs = []
    for shape in SHAPES:
        config = chart_config(
            shape.width, 46 + 30 * len(counts), y_labels=heights(most, shape.marks), value_formatter=count
        )
        chart = pygal.HorizontalStackedBar(config, x_labels=[_cut(row, shape.letters) for row, _ in rows])
        for status in STATUSES:
            chart.add(status, [found[status] for _, found in rows])
        svgs.append(to_svg(chart, f"{name}-{shape.name}", title, words))
    return svgs


def rates(name: str, title: str, shown: Rates) -> list[str]:
    """Operations begun over time, those that did not end ok, and the limit."""
    unit, seconds = shown.unit
    highest = max([*shown.all, shown.limit or 0.0, 1e-9]) * seconds
    words = f"Operations begun per {unit}; the highest step has {max(shown.all) * seconds:.3g}"
    words += f", the limit is {shown.limit * seconds:.3g}" if shown.limit else ""
    span = (shown.began, shown.end)
    svgs = []
    for shape in SHAPES:
        config = chart_config(
            shape.width,
            shape.height,
            show_dots=False,
            xrange=span,
            range=(0, highest * 1.05),
            y_labels=heights(highest * 1.05, 6),
            value_formatter=lambda rate: f"{rate:.3g}",
            x_labels=[{"label": text, "value": at} for at, text in moments(*span, shape.marks)],
            show_x_guides=True,
        )
        chart = pygal.XY(config)
        chart.add("all", _stairs(shown, shown.all, seconds), fill=True)
        chart.add("not ok", _stairs(shown, shown.bad, seconds) if any(shown.bad) else [], fill=True)
        chart.add("limit", [(at, shown.limit * seconds) for at in span] if shown.limit else [])
        chart.add("learnt", _adapted_line(shown, seconds), allow_interruptions=True)
        svgs.append(to_svg(chart, f"{name}-{shape.name}", title, words))
    return svgs


def latencies(name: str, title: str, durations: Durations) -> list[str]:
    """How many lines took how long, on an axis that grows tenfold at equal distances, with three percentiles."""
    bars = durations.spread(PER_DECADE)
    points = {percent: durations.percentile(percent) for percent in SHOWN_PERCENTILES}
    words = ", ".join(f"{percent} % took at most {duration(ms / 1000)}" for percent, ms in points.items())
    first, last, highest = min(bars), max(bars) + 1, max(bars.values())
    svgs = []
    for shape in SHAPES:
        spare = last - first > shape.marks * 5
        marks = [k for k in range(first, last + 1) if k % PER_DECADE in ({0} if spare else {0, 3, 7})]
        config = chart_config(
            shape.width,
            shape.height,
            y_labels=heights(highest * 1.05, 6),
            range=(0, highest * 1.05),
            value_formatter=count,
            x_labels=[{"label": duration(_nice(k) / 1000), "value": k} for k in marks],
        )
        chart = pygal.Histogram(config)
        chart.add("lines", [_bar(k, lines) for k, lines in bars.items()])
        for percent, ms in points.items():
            at = _place(ms)
            thin = _THIN * (last - first) / 2
            value = {
                "value": (highest * 1.05, at - thin, at + thin),
                "formatter": _pin_config(f"{percent} %: {duration(ms / 1000)}"),
            }
            chart.add(f"{percent} %", [value])
        svgs.append(to_svg(chart, f"{name}-{shape.name}", title, words))
    return svgs


def tries(name: str, title: str, lines: Mapping[int, int]) -> list[str]:
    """How many lines took how many attempts."""
    words = "; ".join(f"{number} attempts: {found:,} lines" for number, found in lines.items())
    rows = list(lines.items())[::-1]
    svgs = []
    for shape in SHAPES:
        marks = heights(max(lines.values()), shape.marks)
        config = chart_config(shape.width, 46 + 30 * len(rows), y_labels=marks, value_formatter=count)
        chart = pygal.HorizontalBar(config, x_labels=[f"{number} attempts" for number, _ in rows])
        chart.add("lines", [found for _, found in rows])
        svgs.append(to_svg(chart, f"{name}-{shape.name}", title, words))
    return svgs


def pauses(name: str, title: str, spans: Sequence[Pause], accounts: Sequence[str], whole: Span) -> list[str]:
    """When each account paused, and why: a row for each account, a band for each pause."""
    words = f"{plural(len(spans), 'pause')} of {plural(len(accounts), 'account')}"
    rows = {account: len(accounts) - number for number, account in enumerate(accounts)}
    least = (whole[1] - whole[0]) * _LEAST_SEEN
    svgs = []
    for shape in SHAPES:
        config = chart_config(
            shape.width,
            52 + 30 * len(accounts),
            show_dots=False,
            xrange=whole,
            range=(0.4, len(accounts) + 0.6),
            allow_interruptions=True,
            y_labels=[{"label": _cut(account, shape.letters), "value": row} for account, row in rows.items()],
            x_labels=[{"label": text, "value": at} for at, text in moments(*whole, shape.marks)],
            show_x_guides=True,
        )
        chart = pygal.XY(config)
        for reason in WORDS:
            chart.add(reason, _bands([span for span in spans if span.reason == reason], rows, whole[1], least))
        svgs.append(to_svg(chart, f"{name}-{shape.name}", title, words))
    return svgs


def _stairs(shown: Rates, values: Sequence[float], seconds: float) -> list[Span]:
    return [
        (shown.began + shown.width * (number + side), value * seconds)
        for number, value in enumerate(values)
        for side in (0, 1)
    ]


def _adapted_line(shown: Rates, seconds: float) -> list[tuple[float, float | None]]:
    """The learnt limit as a line that ends where it was forgotten."""
    points: list[tuple[float, float | None]] = []
    changes = [*shown.learnt, (shown.end, None)] if shown.learnt else []
    for (at, rate), (until, _) in pairwise(changes):
        height = None if rate is None else rate * seconds
        points += [(max(at, shown.began), height), (min(until, shown.end), height)]
    return points


def _bands(
    spans: Sequence[Pause], rows: Mapping[str, int], ended: float, least: float
) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    for span in spans:
        until = ended if span.ended is None else span.ended
        begin = min(span.began, ended - least)
        points += [
            (begin, rows[span.account]),
            (min(ended, max(until, begin + least)), rows[span.account]),
            (begin, None),
        ]
    return points


def _bar(k: int, lines: int) -> dict[str, object]:
    text = (
        f"{duration(10 ** (k / PER_DECADE) / 1000)} to {duration(10 ** ((k + 1) / PER_DECADE) / 1000)}: {lines:,} lines"
    )
    return {"value": (lines, k, k + 1), "formatter": _pin_config(text)}


def _pin_config(text: str) -> object:
    return lambda _value: text


def _place(ms: float) -> float:
    """Where a duration stands on the axis."""
    return math.log10(max(ms, 0.05)) * PER_DECADE


def _nice(k: int) -> float:
    """The duration at a mark: 1, 2 or 5 times a power of ten."""
    return {0: 1, 3: 2, 7: 5}[k % PER_DECADE] * 10.0 ** (k // PER_DECADE)


def _label(found: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {status.replace('_', ' ')}" for status, number in found.items() if number)


def _cut(name: str, letters: int) -> str:
    """The name in so many letters; its beginning and its end, since either may tell it from others."""
    if len(name) <= letters:
        return name
    end = letters // 3
    return f"{name[: letters - 1 - end]}…{name[-end:]}"
