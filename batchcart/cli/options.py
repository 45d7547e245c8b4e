"""Owns the options that several commands have with the same meaning; what they do with them is theirs."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

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


_TLS = (
    click.option("--tls-ca", type=click.Path(dir_okay=False, path_type=Path), help="Authority of hub and seats, PEM."),
    click.option("--tls-cert", type=click.Path(dir_okay=False, path_type=Path), help="Certificate of this side, PEM."),
    click.option("--tls-key", type=click.Path(dir_okay=False, path_type=Path), help="Its key, PEM."),
)


def tls(command: _Command) -> _Command:
    """The options by which a hub and its seats trust each other, as one argument ``tls``."""

    @wraps(command)
    def collect(*args: Any, tls_ca: Path | None, tls_cert: Path | None, tls_key: Path | None, **keys: Any) -> Any:
        return command(*args, tls=(tls_ca, tls_cert, tls_key), **keys)

    for option in reversed(_TLS):
        collect = option(collect)
    return cast("_Command", collect)


_SEATS = (
    click.option(
        "--seats-at", default="", metavar="ADDRESS:PORT", help="Listen there for `batchcart seat`, on any machine."
    ),
    click.option(
        "--cluster", default="", metavar="tls://HOST:PORT", help="Have the workers of this Dask scheduler be seats."
    ),
)


def seats(command: _Command) -> _Command:
    """The options that say where seats come from, read, as one argument ``guests``."""

    @wraps(command)
    def collect(*args: Any, seats_at: str, cluster: str, tls: Any, **keys: Any) -> Any:
        from batchcart.api.seats import read_address, read_scheduler  # noqa: PLC0415  # other commands need no TLS

        at = read_address(seats_at, "--seats-at", tls) if seats_at else None
        return command(*args, guests=(at, read_scheduler(cluster, tls) if cluster else None), **keys)

    collect = tls(collect)
    for option in reversed(_SEATS):
        collect = option(collect)
    return cast("_Command", collect)


def filters(command: _Command) -> _Command:
    """The options that narrow which carts a shop lists."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command
