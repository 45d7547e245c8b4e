"""Owns fitting sentences to the width of the terminal that stdout is; commands and tables stay as they are."""

import os
import sys
import textwrap
from contextlib import suppress

_LEAST, _MOST = 40, 120


def fold(text: str, indent: str = "", following: str = "  ") -> str:
    """The sentence in lines that fit the terminal, the first with ``indent``; elsewhere one line."""
    width = _width()
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


def _width() -> int | None:
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    with suppress(OSError):
        if columns := os.get_terminal_size(sys.stdout.fileno()).columns:
            return max(_LEAST, min(columns, _MOST))
    return None
