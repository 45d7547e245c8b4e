"""Owns putting a report on the disk as a web page; what the page shows is html/'s."""

import importlib
from pathlib import Path

from batchcart.model.errors import UsageError
from batchcart.model.files import in_place_of, replace_atomically
from batchcart.report.collect import Report

_PAGE_HEAD = b"<!doctype html"


def write_page(report: Report, html: Path) -> None:
    """Write the page, in the place of an older one; raises UsageError where another file is there or it cannot be."""
    page = importlib.import_module("batchcart.report.html.page")  # templates and charts take longer than all the rest
    try:
        if html.is_file() and not _is_page(html):
            raise UsageError(f"--html {html}: the existing file is not a web page; choose another name")
        text = page.page(report).encode("utf-8", "backslashreplace")
        if html.exists() and not html.is_file():  # a pipe, or /dev/stdout
            html.write_bytes(text)
        else:
            replace_atomically(in_place_of(html), text)
    except OSError as error:
        raise UsageError(f"--html {html}: cannot write there: {error.strerror}") from None


def _is_page(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(len(_PAGE_HEAD))
    return not head or head.lower() == _PAGE_HEAD
