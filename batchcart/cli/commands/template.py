"""Owns `batchcart template`: its options and output; the sheet is made in jobs/sheet_template.py."""

from pathlib import Path

import click

from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.jobs.sheet_template import write_template
from batchcart.model.errors import UsageError
from batchcart.model.text import plural
from batchcart.platforms import load_adapters
from batchcart.runs.commands import RunCommands, default_results


@click.command("template", epilog=examples_text("template"))
@click.option("--platform", required=True, help="Platform of the shops; `batchcart platforms` lists them.")
@click.option(
    "--op", "operations", multiple=True, help="An operation that the sheet is for; needed, and may be given again."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The sheet, .csv or .xlsx [PLATFORM.csv]."
)
def command(platform: str, operations: tuple[str, ...], output: Path | None) -> int:
    """Write a spreadsheet to begin a job with: its columns, what each takes, and rows that show it.

    The second row says in words what a column takes, and is a comment to batchcart. The rows below it are examples
    that `batchcart check` accepts; put yours in their place.

    Exit codes: 0 the sheet is written, 2 it is not.
    """
    adapter = load_adapters().find(platform)
    if not operations:
        raise UsageError(f"give the operations with --op; {platform} has {', '.join(adapter.operations)}")
    path = output or Path(f"{platform}.csv")
    kinds = write_template(path, adapter, operations)
    rows = plural(len(kinds), "row that shows", "rows that show")
    echo(f"Wrote {path} with {rows} it. Put yours in their place, then:")
    echo(f"  {RunCommands(default_results(str(path)), str(path)).check()}")
    return 0
