"""Owns `batchcart report`: its options and output; what it tells is report/'s."""

import importlib
from pathlib import Path

import click

from batchcart.cli.output import echo, echo_err, echo_json
from batchcart.cli.report_text import report_text
from batchcart.model.errors import UsageError
from batchcart.model.files import in_place_of, replace_atomically
from batchcart.report.collect import Report, collect
from batchcart.report.json_document import document

_PAGE_HEAD = b"<!doctype html"


@click.command("report")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as a web page.")
@click.option("--config", type=click.Path(path_type=Path), help="Config file with the limits [batchcart.toml].")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(results: tuple[Path, ...], html: Path | None, config: Path | None, *, as_json: bool) -> int:
    """Sum up one or several runs, as text, JSON or a web page.

    RESULTS are result files; the journal beside each tells the rest. The page of --html is one file that needs no
    network and runs no script. Exit codes are those the runs would end with now.
    """
    report = collect(results, config)
    if html is not None:
        _write(report, html)
    if as_json:
        echo_json(document(report))
    else:
        echo(report_text(report))
    return report.exit_code


def _write(report: Report, html: Path) -> None:
    page = importlib.import_module("batchcart.report.html.page")  # templates and charts take longer than all the rest
    try:
        if html.is_file() and not _is_page(html):
            raise UsageError(f"--html {html}: the file that is there is no web page; choose another name")
        text = page.page(report).encode("utf-8", "backslashreplace")
        if html.exists() and not html.is_file():  # a pipe, or /dev/stdout
            html.write_bytes(text)
        else:
            replace_atomically(in_place_of(html), text)
    except OSError as error:
        raise UsageError(f"--html {html}: cannot write there: {error.strerror}") from None
    echo_err(f"The page is in {html}")


def _is_page(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(len(_PAGE_HEAD))
    return not head or head.lower() == _PAGE_HEAD
