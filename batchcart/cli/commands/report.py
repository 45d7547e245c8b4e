"""Owns `batchcart report`: its options and output; the figures are `batchcart.report`'s."""

from pathlib import Path

import click

from batchcart.api import report as api
from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo, echo_err
from batchcart.cli.report_text import report_text
from batchcart.model.text import plural


@click.command("report", epilog=examples_text("report"))
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as a web page.")
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path), help="Write every line as a table.")
@click.option("--config", type=click.Path(path_type=Path), help="Config file with the limits [batchcart.toml].")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    results: tuple[Path, ...], html: Path | None, table: Path | None, config: Path | None, *, as_json: bool
) -> int:
    """Summarize one or several runs, as text, JSON or a web page.

    RESULTS are result files; the journal beside each tells the rest. Several are compared. The page of --html is one
    file that needs no network, and no script to be complete. Exit codes are those the runs would end with now.
    """
    report = api.report(results, config=config, html=html, csv=table)
    if table is not None:
        count = sum(run.summary.lines for run in report.runs)
        echo_err(f"{plural(count, 'line')}: the table is in {table}")
    if html is not None:
        echo_err(f"The page is in {html}")
    if as_json:
        echo_json(api.report_document(report))
    else:
        echo(report_text(report))
    return report.exit_code
