"""Owns `batchcart export`: its options and output; exporting is migration/export.py's."""

import re
from pathlib import Path

import click

from batchcart.cli import options as shared
from batchcart.cli.output import echo
from batchcart.cli.terminal.session import monitor_run
from batchcart.migration.export import ExportOptions, ExportResult, export
from batchcart.model.adapter import Filters
from batchcart.runs.cart_reader import Reader
from batchcart.runs.event_loop import run_async


@click.command("export")
@click.argument("account")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Carts file.")
@click.option(
    "--from",
    "keys_from",
    type=click.Path(path_type=Path),
    help="Carts to read: keys, one a line, or the result file of a run.",
)
@shared.filters
@shared.config
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Requests in flight [8].")
@shared.patience
@shared.progress
def command(
    account: str,
    output: Path,
    keys_from: Path | None,
    since_id: str,
    created_after: str,
    created_before: str,
    cart_key: str,
    config: Path | None,
    concurrency: int | None,
    patience: float,
    progress: str,
) -> int:
    """Write a shop's carts to a file of neutral carts.

    Where a shop cannot list its carts, name them with --from. TIME is the shop's own clock, as in
    "2026-11-21 18:00:00" or 2026-11-21. The same command again resumes where it stopped.

    Exit codes: 0 all carts are there, 1 some could not be read or may be missing, 2 nothing was read,
    3 stopped before the end.
    """
    options = ExportOptions(
        account=account,
        output=output,
        keys_from=keys_from,
        filters=Filters(since_id, moment(created_after), moment(created_before), cart_key),
        reader=Reader(config, patience, concurrency),
    )
    exported = run_async(_export(options, progress))
    echo(export_text(exported))
    return exported.exit_code


async def _export(options: ExportOptions, progress: str) -> ExportResult:
    async with monitor_run(progress) as monitor:
        return await export(options, monitor)


def moment(text: str) -> str:
    """A time as the documents write it: a day alone begins at midnight, and a T is a blank."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)$", r"\1 00:00:00", text.strip()).replace("T", " ", 1)


def export_text(exported: ExportResult) -> str:
    """What was exported, what could not be, and what to do next."""
    if exported.stopped:
        return f"Stopped before the end: {exported.stopped}. Run the same command again to go on"
    parts = [f"{exported.carts:,} carts with {exported.items:,} items: {exported.output}"]
    if exported.bare:
        parts.append(
            f"{exported.bare:,} of them without their items, which the shop does not show; export with --from and the "
            "result file of the run that made them, with its job and journal in place"
        )
    if exported.unread:
        parts.append(f"{exported.unread:,} carts could not be read; {exported.unread_path} says why")
    if exported.unsure:
        parts.append(f"Perhaps not all: {exported.unsure}")
    return "\n".join(parts)
