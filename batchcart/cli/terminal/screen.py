"""Owns the lines at the bottom of a terminal that are redrawn again and again; it does not know what they show.

The cursor is never hidden and rests below the lines, so that nothing has to be put right after a crash or a kill.
"""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from batchcart.cli.folding import fold_err
from batchcart.cli.output import echo_err, escape_control

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class Screen:
    """The lower end of the terminal that stderr is; as long as nothing is drawn, plain stderr."""

    _lengths: list[int] = field(default_factory=list)  # of the lines that are on the terminal now
    _columns: int = 0
    _lines: list[str] = field(default_factory=list)

    def paint(self, lines: Sequence[str]) -> None:
        """Draw the lines in place of those before; none may be longer than the terminal is wide."""
        columns = size()[0]
        text = self._back(columns) + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J"
        self._lines, self._columns = list(lines), columns
        self._lengths = [len(_STYLE.sub("", line)) for line in lines]
        _write(text)

    def say(self, text: str) -> None:
        """Write above the drawn lines, to stay."""
        if self._lengths:
            lines = self._lines
            self._wipe(fold_err(escape_control(text)))
            self.paint(lines)
        else:
            echo_err(text)

    def say_now(self, text: str) -> None:
        """Write from a signal handler, in the place of what is drawn.

        The signal may have come in the middle of a write to stderr, whose buffer must not be entered twice.
        """
        if self._lengths:
            self._wipe(text)
        else:
            _write(f"\n{text}\n")

    def clear(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        if self._lengths:
            _write(self._back(size()[0]) + "\x1b[J")
            self._lengths, self._lines = [], []

    def _wipe(self, text: str) -> None:
        _write(self._back(size()[0]) + "\x1b[J" + f"{text}\n")
        self._lengths, self._lines = [], []

    def _back(self, columns: int) -> str:
        """To the first of the drawn lines; on a terminal that has become narrower each may take several rows."""
        if columns < self._columns:
            rows = sum(max(1, -(-length // columns)) for length in self._lengths)
        else:
            rows = len(self._lengths)
        return f"\r\x1b[{rows}A" if rows else "\r"


def drawable() -> bool:
    """Whether stderr is a terminal that lines can be drawn on."""
    # None: the caller closed it
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", ""}


def size() -> tuple[int, int]:
    """Columns and rows of the terminal that stderr is."""
    with suppress(OSError):
        found = os.get_terminal_size(2)
        if found.columns and found.lines:
            return found.columns, found.lines
    return 80, 24


def _write(text: str) -> None:
    left = memoryview(text.encode(sys.stderr.encoding if sys.stderr else "utf-8", "replace"))
    with suppress(OSError):
        while left:
            left = left[os.write(2, left) :]
