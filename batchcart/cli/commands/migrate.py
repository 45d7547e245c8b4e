"""Owns `batchcart migrate`: its options and output; moving is `batchcart.migrate`'s."""

from collections.abc import Iterator
from pathlib import Path

import click

from batchcart.api import migration as api
from batchcart.cli import options as shared
from batchcart.cli.output import echo, echo_err
from batchcart.cli.tables import table_text
from batchcart.cli.terminal.session import drive_here


@click.command("migrate")
@click.option("--from", "source", required=True, metavar="ACCOUNT", help="Account that the carts come from.")
@click.option("--to", "target", required=True, metavar="ACCOUNT", help="Account that they go to.")
@click.option("--map", "product_map", type=click.Path(path_type=Path), required=True, help="Product map.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where all files go [FROM-to-TO].")
@click.option(
    "--ids",
    "keys_from",
    type=click.Path(path_type=Path),
    help="Carts to move: keys, one a line, or the result file of a run (platforms without a list of carts need it).",
)
@shared.filters
@click.option("--strict", is_flag=True, help="Make no cart if anything would be lost.")
@click.option("--allow-unused", is_flag=True, help="Let the map name products that no cart has.")
@shared.config
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Requests in flight per account [8].")
@shared.patience
@shared.stop_after
@shared.progress
def command(
    source: str,
    target: str,
    product_map: Path,
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
) -> int:
    """Move carts from one account to another: export, convert, run and verify.

    The same command again goes on where it stopped. Exit codes: 0 all carts are there and equal but for what the loss
    report names, 1 something is not, 2 refused in words, 3 stopped before the end.
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
        config=config,
        concurrency=concurrency,
        patience=patience,
        stop_after=stop_after,
        on_step=echo_err,
        driver=drive_here(progress, steps=True),
    )
    echo(migrate_text(migrated))
    return migrated.exit_code


def migrate_text(migrated: api.MigrationResult) -> str:
    """The steps that are done, what each did, and what to do next."""
    rows = [("step", "what it did"), *((name, done.text) for name, done in migrated.done.items())]
    parts = [table_text(rows, names=2), f"Folder: {migrated.folder}"]
    if migrated.broken is not None:
        word = "Stopped before the end" if migrated.broken.code == 3 else "Refused"
        parts.append(f"{word}: {migrated.broken.why}. Run the same command again to go on")
    elif migrated.exit_code:
        parts.append("Not everything is as it should be; see " + ", ".join(_where(migrated)))
    return "\n".join(parts)


def _where(migrated: api.MigrationResult) -> Iterator[str]:
    """The files that say what is not as it should be, by step."""
    files = {
        "export": "carts.unread.jsonl (carts that could not be read)",
        "convert": "job.losses.jsonl (carts that could not be converted)",
        "run": "results.jsonl (lines that are not ok; `batchcart settle` for those in doubt, `batchcart run` with "
        "--retry-failed, then this command again)",
        "verify": "parity.jsonl (each new cart beside its source)",
    }
    yield from (text for name, text in files.items() if name in migrated.done and migrated.done[name].code)
