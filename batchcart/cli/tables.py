"""Owns laying out rows of text as an aligned table; it does not know what they say."""

from collections.abc import Sequence


def table_text(rows: Sequence[Sequence[str]], *, names: int = 1) -> str:
    """The rows as lines; the first ``names`` columns are left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(_cells(row, widths, names)).rstrip() for row in rows)


def _cells(row: Sequence[str], widths: Sequence[int], names: int) -> list[str]:
    pairs = list(zip(row, widths, strict=True))
    return [cell.ljust(width) if index < names else cell.rjust(width) for index, (cell, width) in enumerate(pairs)]
