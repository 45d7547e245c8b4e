"""Owns `batchcart seat`: its options and signals; what a seat does is runs/seats/'s."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import click

from batchcart.api.seats import read_address, seat
from batchcart.cli import options as shared
from batchcart.cli.examples import examples_text
from batchcart.cli.output import echo
from batchcart.model.system import STOP_SIGNALS, allow_many_files


@click.command("seat", epilog=examples_text("seat"))
@click.argument("address", metavar="HOST:PORT")
@shared.tls
def command(address: str, tls: tuple[Path | None, Path | None, Path | None]) -> int:
    """Work on the accounts of a run that listens for seats.

    That run was begun with --seats-at ADDRESS:PORT. A seat needs no config and no secrets of its own.

    Beyond one machine both sides show a certificate of the same authority. A first Ctrl-C gives the accounts back and
    ends, a second one ends at once.

    Exit codes: 0 the run is over, 2 the options are wrong, 3 there is no such run, or it is gone.
    """
    seat(read_address(address, "seat", tls), _prepare)
    return 0


def _prepare(leave: Callable[[], None]) -> None:
    """Have signals end the seat, a second one at once."""
    allow_many_files()
    seen = 0

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            os._exit(3)
        echo("giving the accounts back; once more stops at once")
        leave()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
