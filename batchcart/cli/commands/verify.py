"""Owns `batchcart verify`: its options and output; verifying is `batchcart.verify`'s."""

from collections import Counter
from pathlib import Path

import click

from batchcart.api import migration as api
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.cli.tables import table_text
from batchcart.cli.terminal.session import drive_here


@click.command("verify", epilog=examples_text("verify"))
@click.argument("carts", type=click.Path(path_type=Path))
@click.argument("results", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Report [RESULTS' name].")
@click.option(
    "--map",
    "product_map",
    type=click.Path(path_type=Path),
    required=True,
    help="Product map that the job was made with.",
)
@shared.config
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Requests in flight [8].")
@shared.patience
@shared.progress
def command(
    carts: Path,
    results: Path,
    output: Path | None,
    product_map: Path,
    config: Path | None,
    concurrency: int | None,
    patience: float,
    progress: str,
) -> int:
    """Read the new carts back and compare them with their sources.

    CARTS is the file that was converted, RESULTS the result file of the job made from it. What the loss report names
    is told apart as not carried. Exit codes: 0 nothing differs, 1 something does, is missing or cannot be read,
    2 nothing was read, 3 stopped before the end; run the same command again to resume.
    """
    verified = api.verify(
        carts,
        results,
        product_map=product_map,
        output=output,
        config=config,
        concurrency=concurrency,
        patience=patience,
        driver=drive_here(progress),
    )
    echo(verify_text(verified))
    return verified.exit_code


def verify_text(verified: api.VerifyResult) -> str:
    """Carts by status, fields by what became of them, and where the report is."""
    if verified.stopped:
        return f"Stopped before the end: {verified.stopped}. Run the same command again to resume"
    statuses = [(status, f"{verified.carts[status]:,}") for status in sorted(verified.carts, key=_order)]
    parts = [table_text([("read back", "carts"), *statuses, ("all", f"{verified.carts.total():,}")])]
    fields = [
        *_rows("different", verified.different),
        *_rows("not carried", verified.not_carried),
        *_rows("not shown by the target", verified.not_shown),
    ]
    if fields:
        parts.append(table_text([("field", "what became of it", "carts"), *fields], names=2))
    return "\n".join([*parts, f"Report: {verified.output}"])


def _order(status: str) -> int:
    return ("equal", "different", "missing", "cannot be read").index(status)


def _rows(what: str, counter: Counter[str]) -> list[tuple[str, str, str]]:
    return [(name, what, f"{counter[name]:,}") for name in sorted(counter)]
