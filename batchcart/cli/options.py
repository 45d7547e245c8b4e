"""Owns the options that several commands have with the same meaning; what they do with them is theirs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

config = click.option("--config", type=click.Path(path_type=Path), help="Config file [batchcart.toml].")
patience = click.option(
    "--patience",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Minutes to wait for a shop that is down.",
)
stop_after = click.option(
    "--stop-after",
    type=click.IntRange(0),
    default=25,
    show_default=True,
    metavar="N",
    help="Stop an account after N lines in a row that did not end ok for the same reason; 0: never.",
)
progress = click.option("--progress", type=click.Choice(["auto", "plain", "none"]), default="auto", show_default=True)

_FILTERS = (
    click.option("--since-id", default="", metavar="N", help="Lines with greater numbers only."),
    click.option("--created-after", default="", metavar="TIME", help="Lines created from then on."),
    click.option("--created-before", default="", metavar="TIME", help="Lines created until then."),
    click.option("--user-key", "cart_key", default="", metavar="KEY", help="Lines of this cart only."),
)


def filters(command: _Command) -> _Command:
    """The options that narrow which carts a shop lists."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command
