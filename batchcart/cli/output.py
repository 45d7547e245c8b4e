"""Owns writing to stdout and stderr; whoever reads there may have gone, and a run must not end because of it."""

import os
import sys
from contextlib import suppress

import click
import orjson

from batchcart.errors import Stopped


def show(text: str) -> None:
    """Write to stdout. A reader that has gone is no error; raises Stopped where the disk takes no more."""
    if sys.stdout is None:  # so it is in a process that was started with it closed
        return
    try:
        sys.stdout.buffer.write(f"{text}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Stopped(f"the output cannot be written: {error.strerror}") from None


def show_json(document: object) -> None:
    """Write a document to stdout as JSON."""
    show(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def say(text: str) -> None:
    """Write to stderr; if that fails there is nobody to tell."""
    with suppress(OSError):
        click.echo(text, err=True)
