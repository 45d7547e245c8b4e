"""Owns `batchcart results`: its options and output; the tables are made in runs/ and migration/."""

from pathlib import Path

import click

from batchcart.cli.output import echo
from batchcart.migration.key_table import is_parity, write_keys
from batchcart.model.errors import UsageError
from batchcart.runs.results_table import write_results

_PARITY = "parity.jsonl"


@click.command("results")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Table: .csv, .xlsx, .parquet.",
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
    if results.is_dir():
        results /= _PARITY
        if not results.exists():
            raise UsageError(f"{results} does not exist; give a result file, or the folder of a finished migration")
    if is_parity(results):
        echo(f"Wrote {table} with {write_keys(results, table):,} carts: old_key and new_key")
        return 0
    found = write_results(results, table, body=not no_body)
    left = f"; {found.not_ended:,} lines have not ended and are not in it" if found.not_ended else ""
    echo(f"Wrote {table} with {found.rows:,} results{left}")
    return 0
