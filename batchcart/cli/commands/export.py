"""Owns `batchcart export`: its options and output; exporting is `batchcart.export`'s."""

from pathlib import Path

import click

from batchcart.api import migration as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.cli.terminal.session import drive_here
from batchcart.model.text import plural


@click.command("export", epilog=examples_text("export"))
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
    exported = api.export(
        account,
        output,
        keys_from=keys_from,
        since_id=since_id,
        created_after=created_after,
        created_before=created_before,
        cart_key=cart_key,
        config=config,
        concurrency=concurrency,
        patience=patience,
        driver=drive_here(progress),
    )
    echo(export_text(exported))
    return exported.exit_code


def export_text(exported: api.ExportResult) -> str:
    """What was exported, what could not be, and what to do next."""
    if exported.stopped:
        return f"Stopped before the end: {exported.stopped}. Run the same command again to resume"
    parts = [f"{plural(exported.carts, 'cart')} with {plural(exported.items, 'item')}: {exported.output}"]
    if exported.bare:
        parts.append(
            f"{exported.bare:,} of them without their items, which the shop does not show; export with --from and the "
            "result file of the run that made them, with its job and journal in place"
        )
    if exported.unread:
        parts.append(f"{plural(exported.unread, 'cart')} could not be read; {exported.unread_path} says why")
    if exported.unsure:
        parts.append(f"Perhaps not all: {exported.unsure}")
    return "\n".join(parts)
