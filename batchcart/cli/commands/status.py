"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

from pathlib import Path

import click

from batchcart.api import after_run as api
from batchcart.cli.output import echo, echo_json
from batchcart.cli.summary_text import ending_text


@click.command("status")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    found = api.status(results)
    if as_json:
        echo_json(found.as_dict())
    else:
        echo(ending_text(found.summary, str(results), found.reasons, found.pid))
        if not found.pid:
            echo("No run is at work on it")
    return found.exit_code
