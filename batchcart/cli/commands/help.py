"""Owns `batchcart help`: the help of a command, for those who look for it there."""

import click

from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo


@click.command("help", epilog=examples_text("help"))
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> int:
    """Show the help of a command, or of batchcart."""
    group = ctx.find_root()
    if name is None or not isinstance(group.command, click.Group):
        echo(group.get_help())
        return 0
    found = group.command.get_command(group, name)
    if found is None:  # an option: --help
        echo(group.get_help())
        return 0
    with click.Context(found, parent=group, info_name=name) as asked:
        echo(found.get_help(asked))
    return 0
