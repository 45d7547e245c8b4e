"""Owns `batchcart platforms`: the operations table, made by the same calls that build requests."""

from collections.abc import Iterator, Sequence

import click

from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.cli.tables import table_text
from batchcart.jobs.checks import describe_route
from batchcart.migration.support_matrix import support_matrix
from batchcart.model.adapter import Adapter
from batchcart.model.operation import OperationKind
from batchcart.platforms import find_platforms, load_adapters


@click.command("platforms", epilog=examples_text("platforms"))
@click.option("--migration", is_flag=True, help="Show what survives a move from each platform to each.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def command(*, migration: bool, markdown: bool) -> int:
    """Show which operations each platform has.

    {cart_id} and {item_id} are the platform's own keys, as in results; a dash means that there is no such operation.
    Below stands where each platform comes from: built in, or a package that brings it; a package that cannot be used is
    named and left out. With --migration: which fields of a cart survive a move; a dash means that the source shows no
    such field.
    """
    adapters = list(load_adapters().values())
    rows = support_matrix(adapters) if migration else operations_table(adapters)
    if markdown:
        echo(markdown_text(rows))
    else:
        echo("\n".join([table_text(rows, names=len(rows[0])), "", *_origins()]))
    return 0


def _origins() -> Iterator[str]:
    """Where each platform comes from, and what was left out."""
    built_in = [found.name for found in find_platforms() if not found.package]
    yield f"built in: {', '.join(built_in)}"
    for found in find_platforms():
        if found.problem:
            yield f"left out: {found.name}: {found.complaint}"
        elif found.package:
            yield f"from {found.origin}: {found.name}"


def markdown_text(rows: Sequence[tuple[str, ...]]) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def operations_table(adapters: Sequence[Adapter]) -> list[tuple[str, ...]]:
    """Which operations each platform has, and its limits; the header first."""
    rows = [(kind.value, *(describe_route(kind, adapter) for adapter in adapters)) for kind in OperationKind]
    limits = ("limits", *(", ".join(adapter.limits) for adapter in adapters))
    return [("operation", *(adapter.name for adapter in adapters)), *rows, limits]
