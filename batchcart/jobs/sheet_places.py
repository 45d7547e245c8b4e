"""Owns telling that a job is a sheet, and where in it a mistake stands: file and line, or row and column."""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import msgspec

from batchcart.model.errors import UsageError

ENDINGS = (".csv", ".tsv", ".xlsx", ".xlsm")
"""How the names of files end that are read as sheets."""

_PACKINGS = (".gz", ".zst")
_INDEX = re.compile(r"\[([0-9]+)\]")
_QUOTED = re.compile(r" or an? [^,;]* in quotes")  # what a cell holds stands in no quotes
_LINE = re.compile(r"'[^']*'|\"[^\"]*\"|\bline\b")  # the word, but not in what somebody wrote


class SheetPlaces(msgspec.Struct, frozen=True):
    """Where a sheet's keys stand, by their columns' letters, and what is wrong with cells of its rows."""

    columns: Mapping[str, str]
    flaws: Mapping[int, Sequence[str]]


def locate(name: str, sheet: SheetPlaces | None, number: int, problem: str) -> str:
    """The sentence with its place in front. ``sheet`` is None for a file of lines."""
    if sheet is None:
        return f"{name}:{number}: {problem}"
    key, colon, rest = _LINE.sub(_say_row, without_quotes(problem)).partition(":")
    column = _INDEX.sub(lambda found: f".{int(found[1]) + 1}", key)
    if letter := sheet.columns.get(column):
        return f"{name}: row {number}, column {letter} {column}{colon}{rest}"
    return f"{name}: row {number}: {key}{colon}{rest}"


def without_quotes(text: str) -> str:
    """The words for a type without those of its forms that stand in quotes, as a cell has none."""
    return _QUOTED.sub("", text)


def is_sheet(path: str) -> bool:
    """Whether the file is read as a sheet, by its name."""
    return sheet_ending(path) != ""


def sheet_ending(path: str) -> str:
    """The ending that makes the file a sheet, "" for none; what it is packed with comes after it."""
    endings = [ending.lower() for ending in Path(path).suffixes]
    if endings and endings[-1] in _PACKINGS:
        endings.pop()
    return endings[-1] if endings and endings[-1] in ENDINGS else ""


def check_job_name(output: Path, sheets: Container[str] = ()) -> None:
    """Raises UsageError where a job that is to be written there would be read as a sheet, or as compressed.

    ``sheets`` are the endings of those that can be written.
    """
    ending = output.suffix.lower()
    if ending in (*ENDINGS, *_PACKINGS) and ending not in sheets:
        raise UsageError(
            f"{output}: a job is written as JSON Lines, and by its name this would be read as {ending}; give it a name "
            "that ends in .jsonl"
        )


def _say_row(found: re.Match[str]) -> str:
    return "row" if found[0] == "line" else found[0]
