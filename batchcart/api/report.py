"""Owns the function that reports on runs; a module of its own, since a run needs none of what it imports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batchcart.api.driving import Config, config_source
from batchcart.report import collect
from batchcart.report.collect import Report
from batchcart.report.json_document import document
from batchcart.report.line_table import write_lines
from batchcart.report.page_file import write_page

__all__ = ["Report", "report", "report_document"]


def report(
    results: str | Path | Sequence[str | Path],
    *,
    config: Config = None,
    html: str | Path | None = None,
    csv: str | Path | None = None,
) -> Report:
    """The figures of one or several runs together; the config says the limits.

    ``html`` is a page to be written, ``csv`` a table of every line.

    Raises UsageError where a file is no result file, the config that was given cannot be read, or page or table cannot
    be written.
    """
    files = [results] if isinstance(results, str | Path) else results
    found = collect.collect([Path(file) for file in files], config_source(config))
    if csv is not None:
        write_lines(found, Path(csv))
    if html is not None:
        write_page(found, Path(html))
    return found


def report_document(found: Report) -> dict[str, Any]:
    """What `report --json` prints."""
    return document(found)
