"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

from pathlib import Path

import click

from batchcart.cli.output import echo, echo_json
from batchcart.cli.summary_text import summary_text
from batchcart.runs.status import lock_holder, read_summary


@click.command("status")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    summary = read_summary(results)
    if as_json:
        echo_json(summary.as_dict())
    else:
        pid = lock_holder(results)
        echo(summary_text(summary, str(results), pid))
        if not pid:
            echo("No run is at work on it")
    return summary.exit_code
