"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

import contextlib
import sqlite3
from pathlib import Path

import click

from batchcart.cli.output import show, show_json
from batchcart.cli.summary_text import summary_text
from batchcart.errors import UsageError
from batchcart.journal.schema import open_reading
from batchcart.lanes import journal_path
from batchcart.standing import summed_up, worked_on_by
from batchcart.summary import Summary


@click.command("status")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    summary = _read(results)
    if as_json:
        show_json(summary.as_dict())
    else:
        pid = worked_on_by(results)
        show(summary_text(summary, str(results)))
        show(f"A run is at work on it (pid {pid})" if pid else "No run is at work on it")
    return summary.exit_code


def _read(results: Path) -> Summary:
    path = journal_path(results)
    if not path.exists():
        raise UsageError(f"{results} has no journal {path}: no run has written there, or it has not begun to send yet")
    try:
        with contextlib.closing(open_reading(path)) as connection:
            return summed_up(connection, results)
    except sqlite3.Error as error:
        raise UsageError(f"the journal {path} cannot be read: {error}") from None
