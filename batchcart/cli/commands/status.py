"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

from pathlib import Path

import click

from batchcart.api import run_status as api
from batchcart.cli.examples import examples_text
from batchcart.cli.json_output import echo_json
from batchcart.cli.output import echo
from batchcart.cli.summary_text import ending_text
from batchcart.cli.terminal.watch import watch_run


@click.command("status", epilog=examples_text("status"))
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Show it again and again until the run ends, or until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, watch: bool, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    if watch:
        watch_run(results)
    found = api.status(results)
    if as_json:
        echo_json(found.as_dict())
    else:
        echo(ending_text(found.summary, str(results), found.reasons, found.pid or 0))
    return found.exit_code
