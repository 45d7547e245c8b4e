"""Owns what spreadsheets do to a product's id in a cell: what of it can be undone, and what lost a value.

It does not know which ids a shop has.
"""

import re
from collections.abc import Mapping

from batchcart.model.errors import quote
from batchcart.sheets.cell_text import EXACT_DIGITS, GROUPED, ROUNDED, ROUNDING, as_whole, is_error
from batchcart.sheets.cell_text import read_text as read_cell

_FRACTION = re.compile(r"[0-9]+[.,][0-9]+")
_NOTHING = {"null", "nan", "none", "n/a", "na", "nil", "undefined", "<na>", "nat", "-", "--", "–", "?"}
_HIDDEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")


def read_id(cells: Mapping[str, str], column: str) -> str:
    """The id in the row's column, "" where there is none: 1001.0, as pandas writes it, is 1001.

    Raises ValueError where it is none, or a spreadsheet has changed it beyond repair.
    """
    text = as_whole(_HIDDEN.sub("", read_text(cells, column)))
    if why := _why_no_id(text) or (_why_no_target(text) if column.startswith("target") else ""):
        raise ValueError(f"{column}: {quote(text)} {why}")
    return text


def read_sku(cells: Mapping[str, str]) -> str:
    """The row's SKU, "" where there is none; raises ValueError where a spreadsheet made something else of it."""
    text = read_text(cells, "source_sku")
    if why := ROUNDING if "+" in text and ROUNDED.fullmatch(text) else _why_nothing(text):
        raise ValueError(f"source_sku: {quote(text)} {why}")
    return text


def read_text(cells: Mapping[str, str], column: str) -> str:
    """The text in the row's column without the marks that make a spreadsheet take it for one: ="12" and '12.

    Raises ValueError where it is a formula.
    """
    try:
        return read_cell(cells.get(column, ""))
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def _why_no_id(text: str) -> str:
    if GROUPED.fullmatch(text):
        return "is written with a mark between its thousands; format the column as text"
    if ROUNDED.fullmatch(text) or (
        len(text) > EXACT_DIGITS + 1 and text.isdigit() and not text[EXACT_DIGITS:].strip("0")
    ):
        return ROUNDING
    return _why_nothing(text)


def _why_no_target(text: str) -> str:
    if text.lower() in _NOTHING:
        return "stands for nothing; leave the cell empty where there is no product yet"
    if text and not text.strip("0"):
        return "is the id of no product; leave the cell empty where there is none"
    if text.isascii() and text.isdigit() and text.startswith("0"):
        return "begins with a zero, as no id does"
    if _FRACTION.fullmatch(text):
        return "is a number with decimals; format the column as text"
    return ""


def _why_nothing(text: str) -> str:
    if is_error(text):
        return "is a spreadsheet's error; fix it there, or leave the cell empty"
    if not text.isprintable():
        return "holds a line break or another character that no id has; is a quote not closed?"
    return ""
