"""Owns `batchcart rest`: its options and output; the new job is made in runs/rest.py."""

from pathlib import Path

import click

from batchcart.api import after_run as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.folding import fold
from batchcart.cli.output import echo
from batchcart.model.text import plural


@click.command("rest", epilog=examples_text("rest"))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("later", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The job to write: lines, or a sheet where it ends in .csv, .tsv or .xlsx.",
)
@shared.config
def command(results: Path, later: tuple[Path, ...], output: Path, config: Path | None) -> int:
    """Write what did not end well in a run as a job, to be corrected and run.

    Lines that failed, were skipped or never reached stand in it in their order, each with the reason under `why`, of
    which nothing is sent. In a sheet (.csv, .tsv, .xlsx) those are the columns `why.message` and so on. Carts and items
    that exist are named by the shop's own keys. Lines in doubt are left out: settle them first. Lines that the runs of
    the LATER results did again are left out too. Nothing is sent.

    Exit codes: 0 everything is in the job, 1 lines are left out, 2 nothing was written.
    """
    result = api.rest(results, output, later=later, config=config)
    echo("\n".join(_tell(result, output)))
    return result.exit_code


def _tell(result: api.RestResult, output: Path) -> list[str]:
    counts = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(result.written.items()))
    written = f"Wrote {output}: {plural(result.written.total(), 'line')} ({counts})"
    parts = [written if counts else "No line is left to correct"]
    if result.doubts:
        named = ", ".join(map(str, result.first_doubts)) + (", …" if result.doubts > len(result.first_doubts) else "")
        needing = plural(result.dependent, "line that needs", "lines that need")
        more = f", and {needing} {'it' if result.doubts == 1 else 'them'}"
        where = f"line{'' if result.doubts == 1 else 's'} {named}"
        parts += [
            fold(f"Left out: {result.doubts:,} in doubt ({where}){more if result.dependent else ''}. Settle first:"),
            f"  {result.commands.settle()}",
        ]
    if result.under_way:
        parts += [
            fold(f"Left out: {plural(result.under_way, 'line')} on the way when the run stopped. Resume it first:"),
            f"  {result.commands.run()}",
        ]
    if counts:
        fixed = api.RunCommands(api.default_results(str(output)), str(output), result.commands.config)
        parts += [
            fold("Correct the job (`why` says what was wrong), run it, and report on both together:"),
            f"  {fixed.run()}",
            f"  {result.commands.report(str(fixed.results))}",
        ]
    if result.written["not_attempted"]:
        parts.append(fold("Do not resume the first run as well: its lines that were never reached are in the new job"))
    return parts
