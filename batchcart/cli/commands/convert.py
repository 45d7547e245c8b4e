"""Owns `batchcart convert`: its options, and saying what was converted and what is lost."""

from collections.abc import Sequence
from pathlib import Path

import click

from batchcart.api import migration as api
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo, echo_err
from batchcart.cli.tables import table_text
from batchcart.model.errors import UsageError
from batchcart.model.text import plural

_MOST_ROWS = 30
_FILE = click.Path(path_type=Path)


@click.command("convert", epilog=examples_text("convert"))
@click.argument("carts", type=_FILE)
@click.option("--to", "account", metavar="ACCOUNT", help="Account that the job is for.")
@click.option("--map", "products", type=_FILE, help="Product map, a CSV file.")
@click.option("-o", "--output", type=_FILE, help="Job file to write.")
@click.option("--map-template", "template", type=_FILE, help="Write a map with all products seen, to fill in.")
@click.option("--strict", is_flag=True, help="Write no job if anything would be lost.")
@click.option("--allow-unused", is_flag=True, help="Let the map name products that no cart has.")
@click.option("--force", is_flag=True, help="Replace a job that is there and differs.")
@click.option("--config", type=_FILE, help="Config file [batchcart.toml].")
def command(
    carts: Path,
    account: str | None,
    products: Path | None,
    output: Path | None,
    template: Path | None,
    config: Path | None,
    *,
    strict: bool,
    allow_unused: bool,
    force: bool,
) -> int:
    """Turn a carts file into a job for another account, and list what is lost.

    Nothing is sent. Without --map, --map-template only writes the map to fill in. What the target cannot hold is
    listed beside the job, in JOB's name with .losses.jsonl. Exit codes: 0 all carts converted, 1 some or all
    stopped, 2 refused, and no job was written.
    """
    if products is None and template is not None:
        count = api.write_map_template(carts, template)
        echo(f"Wrote {template} with {plural(count, 'product')}. Fill in the target columns, then give it as --map.")
        return 0
    if account is None or products is None or output is None:
        raise UsageError("convert needs --to ACCOUNT, --map FILE and -o JOB; --map-template FILE writes a first map")
    converted = api.convert(
        carts,
        to=account,
        product_map=products,
        output=output,
        template=template,
        strict=strict,
        allow_unused=allow_unused,
        force=force,
        config=config,
    )
    echo(convert_text(converted))
    if converted.refused:
        echo_err(f"batchcart: {converted.refused}; no job was written, see {converted.report}")
    return converted.exit_code


def convert_text(converted: api.ConvertResult) -> str:
    """What was converted, what is lost, and which products the map lacks."""
    parts = [f"{converted.converted:,} of {plural(converted.carts, 'cart')} converted, {converted.lossy:,} with losses"]
    if converted.losses:
        lost = [("not carried", "carts", "why"), *((row.field, f"{row.carts:,}", row.why) for row in converted.losses)]
        width = max(len(count) for _, count, _ in lost)
        parts += _cut([(name, count.rjust(width), why) for name, count, why in lost], names=3)
    if converted.unread:
        fields = ", ".join(f"{name} ({plural(carts, 'cart')})" for name, carts in converted.unread)
        parts.append(f"Not known, since the source does not show it: {fields}")
    if converted.unmapped:
        lacking = [(*(text or "–" for text in product), f"{carts:,}") for product, carts in converted.unmapped]
        parts.append("Not in the map, so that their carts are stopped:")
        parts += _cut([("product", "variant", "options", "sku", "carts"), *lacking], names=4)
    if converted.losses or converted.stopped:
        parts.append(f"Cart by cart: {converted.report}")
    if not converted.refused and converted.converted:
        same = ", which was there already and is the same" if converted.unchanged else ""
        parts.append(f"Job: {converted.output}, {plural(converted.lines, 'line')}{same}")
    elif not converted.refused:
        parts.append("No cart could be converted, so no job was written.")
    return "\n".join(parts)


def _cut(rows: Sequence[Sequence[str]], names: int) -> list[str]:
    """The table, and what of it is too much to show."""
    more = len(rows) - 1 - _MOST_ROWS
    return [table_text(rows[: _MOST_ROWS + 1], names=names), *([f"… and {more:,} more"] if more > 0 else [])]
