"""Owns `batchcart migrate`: its options and output; moving is `batchcart.migrate`'s."""

from pathlib import Path

import click

from batchcart.api import migration as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.migrate_text import migrate_text
from batchcart.cli.output import echo, echo_err
from batchcart.cli.terminal.session import drive_here


@click.command("migrate", epilog=examples_text("migrate"))
@click.option("--from", "source", required=True, metavar="ACCOUNT", help="Account that the carts come from.")
@click.option("--to", "target", required=True, metavar="ACCOUNT", help="Account that they go to.")
@click.option("--map", "product_map", type=click.Path(path_type=Path), help="Product map [FOLDER/products.csv].")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where all files go [FROM-to-TO].")
@click.option(
    "--ids",
    "keys_from",
    type=click.Path(path_type=Path),
    help="Carts to move: keys, one a line, or the result file of a run (platforms without a list of carts need it).",
)
@shared.filters
@click.option("--strict", is_flag=True, help="Create no cart if anything would be lost.")
@click.option("--allow-unused", is_flag=True, help="Let the map name products that no cart has.")
@click.option("--retry-failed", is_flag=True, help="Make once more what failed; carts that are made stay.")
@shared.config
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Requests in flight per account [8].")
@shared.patience
@shared.stop_after
@shared.progress
def command(
    source: str,
    target: str,
    product_map: Path | None,
    folder: Path | None,
    keys_from: Path | None,
    since_id: str,
    created_after: str,
    created_before: str,
    cart_key: str,
    config: Path | None,
    concurrency: int | None,
    patience: float,
    stop_after: int,
    progress: str,
    *,
    strict: bool,
    allow_unused: bool,
    retry_failed: bool,
) -> int:
    """Move carts from one account to another: export, convert, run and verify.

    Without --map it writes one to fill in, and ends; the same command again resumes, as it does wherever it stopped.
    With a map that was corrected since, it creates what is not created yet, and nothing twice. At the end stands a
    report for the shop's owner. Exit codes: 0 all carts are there and equal but for what the loss report names, 1
    something is not, 2 refused in words or the map is to be filled in, 3 stopped before the end.
    """
    migrated = api.migrate(
        source,
        target,
        product_map=product_map,
        folder=folder,
        keys_from=keys_from,
        since_id=since_id,
        created_after=created_after,
        created_before=created_before,
        cart_key=cart_key,
        strict=strict,
        allow_unused=allow_unused,
        retry_failed=retry_failed,
        config=config,
        concurrency=concurrency,
        patience=patience,
        stop_after=stop_after,
        on_step=echo_err,
        driver=drive_here(progress, steps=True),
    )
    echo(migrate_text(migrated))
    return migrated.exit_code
