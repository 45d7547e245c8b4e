"""Owns the report as one self-contained page: template, style sheet and script; its parts are other modules'.

The script filters the table of lines, and all of the page is there without it.
"""

import time
from importlib.resources import files

from batchcart.model.text import utc_minute
from batchcart.pages.one_file import render_page
from batchcart.report.collect import Report
from batchcart.report.html import history, line_rows, problems
from batchcart.report.html import sections as parts
from batchcart.report.html import throughput as pace

_PARTS = (
    ("failures", "Failures by reason"),
    ("doubts", "In doubt"),
    ("timeline", "What happened when"),
    ("compared", "Runs compared"),
    ("counts", "Counts"),
    ("throughput", "Throughput"),
    ("latency", "Latency"),
    ("attempts", "Attempts and waits"),
    ("pauses", "Pauses"),
    ("lines", "Every line"),
)


def page(report: Report) -> str:
    """The report as an HTML page."""
    folder = files(__package__)
    template, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("template.html", "style.css", "filter.js")
    )
    return render_page(
        template,
        style,
        script,
        made=utc_minute(time.time()),
        parts=[part for part in _PARTS if part[0] != "compared" or len(report.runs) > 1],
        **parts.opening(report),
        **history.timeline(report),
        **history.comparison(report),
        **parts.counts(report),
        **pace.throughput(report),
        **parts.latency(report),
        **parts.attempts(report),
        **problems.pauses(report),
        **problems.failures(report),
        **problems.doubts(report),
        **line_rows.lines(report),
    )
