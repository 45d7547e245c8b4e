"""Owns the report as one self-contained page: template, style sheet, script and policy; its parts are other modules'.

The page loads nothing. Its policy lets in the style sheet and the script that stand in it, by their hashes; the script
filters the table of lines, and all of the page is there without it.
"""

import base64
import hashlib
import time
from datetime import UTC, datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from batchcart import __version__
from batchcart.report.collect import Report
from batchcart.report.html import history, line_rows
from batchcart.report.html import problems as troubles
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
    style = (folder / "style.css").read_text(encoding="utf-8")
    script = (folder / "filter.js").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "template.html").read_text(encoding="utf-8"))
    return template.render(
        version=__version__,
        made=f"{datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d %H:%M}",
        style=style,
        script=script,
        policy=policy(style, script),
        parts=[part for part in _PARTS if part[0] != "compared" or len(report.runs) > 1],
        **parts.opening(report),
        **history.timeline(report),
        **history.comparison(report),
        **parts.counts(report),
        **pace.throughput(report),
        **parts.latency(report),
        **parts.attempts(report),
        **troubles.pauses(report),
        **troubles.failures(report),
        **troubles.doubts(report),
        **line_rows.lines(report),
    )


def policy(style: str, script: str) -> str:
    """What the browser lets the page do: show text, with the style sheet and the script of these very texts."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
