"""Owns writing to stdout and stderr; whoever reads there may have gone, and a run must not end because of it."""

import os
import re
import sys
from contextlib import suppress

import click

from batchcart.cli.folding import fold_err
from batchcart.model.errors import Stopped

# Compiled when first used: help needs neither.
_STEERING = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
_STEERING_BUT_COLOURS = rf"(?!\x1b\[\d+m){_STEERING}"


def escape_control(text: str, *, colours: bool = False) -> str:
    """The text with what would steer a terminal, or turn its words around, written as JSON escapes it.

    Shops and job files may say such things. In JSON it means the same.
    """
    pattern = _STEERING_BUT_COLOURS if colours else _STEERING
    return re.sub(pattern, lambda found: f"\\u{ord(found[0]):04x}", text)


def paint(word: str, colour: str) -> str:
    """The word in a colour, where stdout is a terminal that shows colours and NO_COLOR does not forbid them."""
    return click.style(word, fg=colour) if _has_colours() else word


def _has_colours() -> bool:
    fits = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return fits and not os.environ.get("NO_COLOR")


def echo(text: str) -> None:
    """Write to stdout. A reader that has gone is no error; raises Stopped if the disk takes no more."""
    if sys.stdout is None:  # so it is in a process that was started with it closed
        return
    try:
        sys.stdout.buffer.write(
            f"{escape_control(text, colours=_has_colours())}\n".encode(sys.stdout.encoding, "backslashreplace")
        )
        sys.stdout.flush()
    except OSError as error:
        detach_broken()
        if not isinstance(error, BrokenPipeError):
            raise Stopped(f"the output cannot be written: {error.strerror}") from None


def detach_broken() -> None:
    """Drop what stdout and stderr do not take: it would fail once more when the process ends, and change its code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def echo_err(text: str) -> None:
    """Write to stderr, sentences folded at the terminal's width; if that fails there is nobody to tell."""
    lines = escape_control(text).split("\n")
    with suppress(OSError):
        click.echo("\n".join(line if line.startswith(" ") else fold_err(line) for line in lines), err=True)
