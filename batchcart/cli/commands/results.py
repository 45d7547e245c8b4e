"""Owns `batchcart results`: its options and output; writing is `batchcart.results`'s."""

from pathlib import Path

import click

from batchcart.api import after_run as api
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.model.text import plural


@click.command("results", epilog=examples_text("results"))
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Table: .csv, .tsv, .xlsx, .parquet.",
)
@click.option("--no-body", is_flag=True, help="Leave out what reads brought.")
def command(results: Path, table: Path, *, no_body: bool) -> int:
    """Write the results of a run as a table: .csv, .xlsx or .parquet.

    One row a line of the job that has ended, in the job's order; `line` is its line there, or its row in a
    spreadsheet. In a text that a spreadsheet would work out as a formula, CSV has a ' in front.

    RESULTS may also be the folder of a migration, or its parity report: then the table has the old key of each cart
    beside its new one.

    Exit codes: 0 the table is written, 2 it is not.
    """
    written = api.results(results, table, body=not no_body)
    if written.of_keys:
        echo(f"Wrote {table} with {plural(written.rows, 'cart')}: old_key and new_key")
        return 0
    left = plural(written.not_ended, "line has not ended and is", "lines have not ended and are")
    echo(f"Wrote {table} with {plural(written.rows, 'result')}" + (f"; {left} not in it" if written.not_ended else ""))
    return 0
