"""Owns the report as one self-contained page: template, style sheet and content policy; its parts are parts.py's.

The page runs no script and loads nothing. Its policy lets in the one style sheet that stands in it, by its hash.
"""

import base64
import hashlib
import time
from datetime import UTC, datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from batchcart import __version__
from batchcart.report.collect import Report
from batchcart.report.html import problems as troubles
from batchcart.report.html import sections as parts
from batchcart.report.html import throughput as pace

_PARTS = (
    ("counts", "Counts"),
    ("throughput", "Throughput"),
    ("latency", "Latency"),
    ("attempts", "Attempts and waits"),
    ("pauses", "Pauses"),
    ("failures", "Failures by reason"),
    ("doubts", "In doubt"),
)


def page(report: Report) -> str:
    """The report as an HTML page."""
    folder = files(__package__)
    style = (folder / "style.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "template.html").read_text(encoding="utf-8"))
    return template.render(
        version=__version__,
        made=f"{datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d %H:%M}",
        style=style,
        policy=policy(style),
        parts=_PARTS,
        **parts.opening(report),
        **parts.counts(report),
        **pace.throughput(report),
        **parts.latency(report),
        **parts.attempts(report),
        **troubles.pauses(report),
        **troubles.failures(report),
        **troubles.doubts(report),
    )


def policy(style: str) -> str:
    """What the browser lets the page do: show text, and the style sheet with this very text."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
