"""Owns `batchcart status`: where a run stands, read from its journal while the run may be alive."""

from pathlib import Path

import click

from batchcart.cli.output import echo, echo_json
from batchcart.cli.summary_text import ending_text
from batchcart.report.run_reasons import reasons_where_legible, summary_fields
from batchcart.runs.status import lock_holder, read_summary


@click.command("status")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(results: Path, *, as_json: bool) -> int:
    """Show where a run stands, also while it runs.

    What is in flight counts as not attempted. Exit codes are those the run would end with now.
    """
    summary, reasons = read_summary(results), reasons_where_legible(results)
    if as_json:
        echo_json(summary_fields(summary, reasons))
    else:
        pid = lock_holder(results)
        echo(ending_text(summary, str(results), reasons, pid))
        if not pid:
            echo("No run is at work on it")
    return summary.exit_code
