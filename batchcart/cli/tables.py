"""Owns laying out rows of text as an aligned table; it does not know what they say."""

from collections.abc import Sequence


def table_text(rows: Sequence[Sequence[str]], *, names: int = 1) -> str:
    """The rows as lines; the first ``names`` columns are left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(_cells(row, widths, names)).rstrip() for row in rows)


def _cells(row: Sequence[str], widths: Sequence[int], names: int) -> list[str]:
    pairs = list(zip(row, widths, strict=True))
    return [cell.ljust(width) if index < names else cell.rjust(width) for index, (cell, width) in enumerate(pairs)]


def duration_text(seconds: float) -> str:
    """A duration as a person says it: 6.3 s, 4 min 10 s, 3 h 5 min, 2 days 4 h."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
