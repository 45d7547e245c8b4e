"""Owns `batchcart platforms`: the operations table, made by the same calls that build requests."""

import click

from batchcart.checking import route
from batchcart.cli.output import show
from batchcart.cli.table_text import table_text
from batchcart.operation import Kind
from batchcart.platforms import platforms


@click.command("platforms")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def command(*, markdown: bool) -> int:
    """Show which operations each platform has.

    {cart_id} and {item_id} are the platform's own keys, as in results; a dash means that there is no such operation.
    """
    adapters = list(platforms().values())
    rows = [("operation", *(adapter.name for adapter in adapters))]
    rows += [(kind.value, *(route(kind, adapter) for adapter in adapters)) for kind in Kind]
    limits = ("limits", *(", ".join(adapter.limits) for adapter in adapters))
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in (*rows, limits)]
        show("\n".join([lines[0], "|" + "---|" * len(limits), *lines[1:]]))
    else:
        show(table_text([*rows, limits], names=len(limits)))
    return 0
