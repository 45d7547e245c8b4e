"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

from pathlib import Path

import click

from batchcart.cli.output import show, show_json
from batchcart.cli.summary_text import summary_text
from batchcart.runs.status import figures, worked_on_by


@click.command("status")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    summary = figures(results)
    if as_json:
        show_json(summary.as_dict())
    else:
        pid = worked_on_by(results)
        show(summary_text(summary, str(results), pid))
        if not pid:
            show("No run is at work on it")
    return summary.exit_code
