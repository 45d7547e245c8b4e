"""Owns fitting sentences to the width of the terminal that they are shown on; commands and tables stay as they are."""

import os
import sys
import textwrap
from contextlib import suppress
from typing import TextIO

_LEAST, _MOST = 40, 120


def fold(text: str, indent: str = "", following: str = "  ") -> str:
    """The sentence in lines that fit the terminal, the first with ``indent``; elsewhere one line."""
    return _fold(text, _width(sys.stdout), indent, following)


def fold_err(text: str) -> str:
    """The sentence in lines that fit the terminal that stderr is; elsewhere one line."""
    return _fold(text, _width(sys.stderr), "", "  ")


def _fold(text: str, width: int | None, indent: str, following: str) -> str:
    if width is None:
        return indent + text
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + following,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _width(stream: TextIO | None) -> int | None:
    if stream is None or not stream.isatty():
        return None
    with suppress(OSError):
        if columns := os.get_terminal_size(stream.fileno()).columns:
            return max(_LEAST, min(columns, _MOST))
    return None
