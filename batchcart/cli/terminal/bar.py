"""Owns the bar that shows how far a run has come, a part for each way in which lines end; it does not draw it."""

from collections.abc import Sequence

from rich.text import Text

from batchcart.runs.snapshot import AccountSnapshot

_STYLES = {"ok": "green", "failed": "red", "skipped": "magenta", "in_doubt": "yellow"}
_DONE, _HELD_UP, _OPEN = "█", "▒", "░"


def bar_text(snapshots: Sequence[AccountSnapshot], width: int) -> Text:
    """The bar: ended lines by status, those that are held up (a shop is down, an account closed), and the open ones.

    What is there at all has one cell at least, and only a run whose lines have all ended fills the bar.
    """
    lines = sum(one.lines for one in snapshots)
    counts = {status: sum(one.ended.get(status, 0) for one in snapshots) for status in _STYLES}
    held_up = sum(one.held_up for one in snapshots)
    opened = lines - sum(counts.values()) - held_up
    bar = Text()
    cells = _share([*counts.values(), held_up, opened], width)
    for style, count in zip(_STYLES.values(), cells, strict=False):
        bar.append(_DONE * count, style=style)
    return bar.append(_HELD_UP * cells[-2], style="yellow").append(_OPEN * cells[-1], style="dim")


def _share(counts: Sequence[int], width: int) -> list[int]:
    """Cells for each count: in proportion, one at least for what is not nothing; together ``width``."""
    total = sum(counts)
    if not total:
        return [0] * (len(counts) - 1) + [width]
    cells = [max(1, count * width // total) if count else 0 for count in counts]
    largest = max(range(len(counts)), key=counts.__getitem__)
    cells[largest] = max(0, cells[largest] + width - sum(cells))
    return cells
