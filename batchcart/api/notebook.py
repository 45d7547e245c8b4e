"""Owns what a notebook shows: a run's progress in its cell, and results as a table; elsewhere nothing is shown."""

import importlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, overload

from batchcart.journal.result_line import Result
from batchcart.journal.summary import Summary
from batchcart.model.html_table import html_table

_TICK = 0.5  # seconds between two looks
_SHOWN = 100  # rows of a table

Show = Callable[[str, str], None]
"""Shows this, as plain text or as HTML, in the place of what was shown before."""


class Display:
    """The progress of one run in the cell of a notebook that runs it; anywhere else it shows nothing."""

    def __init__(self) -> None:
        self._show = _find_cell()
        self._counts: Counter[str] = Counter()
        self._next = 0.0

    def count(self, result: Result) -> None:
        """A line has ended."""
        if self._show is None:
            return
        self._counts[result.status.value] += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TICK
            told = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in self._counts.items())
            self._show(told, escape(told))

    def finish(self, summary: Summary) -> None:
        """The run is over."""
        if self._show is not None:
            self._show(str(summary.totals), summary._repr_html_())


def _find_cell() -> Show | None:
    """What shows something in the cell that runs now, where IPython is at work for a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        return None
    display = importlib.import_module("IPython.display").display  # it is there, since it runs the cell
    handle: Any = None

    def show(text: str, html: str) -> None:
        nonlocal handle
        data = {"text/plain": text, "text/html": html}
        if handle is None:
            handle = display(data, raw=True, display_id=True)
        else:
            handle.update(data, raw=True)

    return show


@dataclass(frozen=True, slots=True)
class ResultTable(Sequence[Result]):
    """Results that a notebook shows as a table; its first hundred rows, with the number of the others."""

    results: tuple[Result, ...]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> "ResultTable": ...
    def __getitem__(self, index: int | slice) -> "Result | ResultTable":
        found = self.results[index]
        return found if isinstance(found, Result) else ResultTable(found)

    def _repr_html_(self) -> str:
        head = ("line", "account", "op", "status", "cart_id", "item_id", "error")
        rows = [
            (str(one.line), one.account, one.op, one.status.value, one.cart_id or "", one.item_id or "", _message(one))
            for one in self.results[:_SHOWN]
        ]
        more = len(self.results) - len(rows)
        return html_table(head, rows) + (f"<p>… and {more:,} more</p>" if more > 0 else "")


def table(results: Iterable[Result]) -> ResultTable:
    """The results, all of them read now, as a table for a notebook; it is a sequence of them as well."""
    return ResultTable(tuple(results))


def _message(result: Result) -> str:
    return str(result.error.get("message", "")) if isinstance(result.error, dict) else ""
