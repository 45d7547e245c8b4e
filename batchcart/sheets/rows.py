"""Owns what the rows of a sheet are made of, and what a spreadsheet calls the place of a cell."""

from collections.abc import Generator, Sequence
from datetime import date, datetime, time, timedelta

Cell = str | int | float | bool | datetime | date | time | timedelta | None
"""What a cell holds; None for an empty one, and all of a CSV file are texts."""

SheetRows = Generator[tuple[int, Sequence[Cell]], None, None]
"""The rows with their numbers, from 1 as a spreadsheet counts them. Blank rows may be left out. They are
to be closed before their file."""

_BLANK = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029\u3000\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u00ad\u00a0\u202f"


def strip_blank(text: str) -> str:
    """The text without what cannot be seen at its ends."""
    return text.strip(_BLANK)


def column_letter(place: int) -> str:
    """What a spreadsheet calls the column at this place, from 0: A to Z, AA and so on."""
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
