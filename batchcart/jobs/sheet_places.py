"""Owns saying where in a job's file a mistake stands: file and line, or in a sheet row and column."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_INDEX = re.compile(r"\[([0-9]+)\]")
_QUOTED = re.compile(r" or an? [^,;]* in quotes")  # what a cell holds stands in no quotes


@dataclass(frozen=True, slots=True)
class SheetPlaces:
    """Where a sheet's keys stand, by their columns' letters, and what is wrong with cells of its rows."""

    columns: Mapping[str, str]
    flaws: Mapping[int, Sequence[str]]


def locate(name: str, sheet: SheetPlaces | None, number: int, problem: str) -> str:
    """The sentence with its place in front. ``sheet`` is None for a file of lines."""
    if sheet is None:
        return f"{name}:{number}: {problem}"
    key, colon, rest = without_quotes(problem).partition(":")
    column = _INDEX.sub(lambda found: f".{int(found[1]) + 1}", key)
    if letter := sheet.columns.get(column):
        return f"{name}: row {number}, column {letter} {column}{colon}{rest}"
    return f"{name}: row {number}: {key}{colon}{rest}"


def without_quotes(text: str) -> str:
    """The words for a type without those of its forms that stand in quotes, as a cell has none."""
    return _QUOTED.sub("", text)
