"""Owns `batchcart settle`: its options and output; settling is settling.py's."""

import asyncio
from pathlib import Path

import click

from batchcart.cli import options as shared
from batchcart.cli.output import echo, echo_event
from batchcart.cli.summary_text import ending_text
from batchcart.model.errors import UsageError
from batchcart.report.run_reasons import reasons_where_legible
from batchcart.runs.context import RunMonitor
from batchcart.runs.settle import settle_from_shop, settle_manually


@click.command("settle")
@click.argument("results", type=click.Path(path_type=Path))
@shared.config
@click.option("--line", type=click.IntRange(1), help="Settle this line by hand.")
@click.option("--done", multiple=True, metavar="KEY=VALUE", help="It happened; its ids, as in cart_id=6F027F81ggx48to.")
@click.option("--not-done", is_flag=True, help="It did not happen.")
def command(results: Path, config: Path | None, line: int | None, done: tuple[str, ...], *, not_done: bool) -> int:
    """Settle what is in doubt, by reading the shops again or by your word.

    Without --line every shop with lines in doubt is read again, and lines that this decides end ok or failed; nothing
    is written to a shop. A failed line can be sent again with: batchcart run JOB --retry-failed
    Exit codes are those the run would end with now.
    """
    if line is None:
        if done or not_done:
            raise UsageError("--done and --not-done go with --line N")
        monitor = RunMonitor(sinks=[echo_event])
        summary = asyncio.run(settle_from_shop(results, config, monitor))
    else:
        if bool(done) == not_done:
            raise UsageError("--line N goes with either --done KEY=VALUE or --not-done")
        summary = settle_manually(results, line, None if not_done else _pairs(done))
    echo(ending_text(summary, str(results), reasons_where_legible(results, config)))
    return summary.exit_code


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--done {text}: write KEY=VALUE, as in cart_id=6F027F81ggx48to")
        pairs[key] = value
    return pairs
