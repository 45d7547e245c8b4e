"""Owns what spreadsheets do to a product's id in a cell: what of it can be undone, and what lost a value.

It does not know which ids a shop has.
"""

import re
from collections.abc import Mapping

from batchcart.model.errors import quote

_WHOLE = re.compile(r"([0-9]{1,18})\.0{1,2}")
_ROUNDED = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_GROUPED = re.compile(r"[0-9]{1,3}(?:[ .,'’\u00a0\u202f][0-9]{3})+")
_FRACTION = re.compile(r"[0-9]+[.,][0-9]+")
_ERROR = re.compile(r"#[A-Z0-9/]+[!?]?", re.IGNORECASE)
_NOTHING = {"null", "nan", "none", "n/a", "na", "nil", "undefined", "<na>", "nat", "-", "--", "–", "?"}
_AS_TEXT = re.compile(r"=\s*\"([^\"]*)\"|'(?='*(?:\s*[0-9=+\-@]|[\t\r]))(.*)", re.DOTALL)
_FORMULA = re.compile(r"'*(?:\s*[=+\-@]|[\t\r])")  # what a spreadsheet would work out, or read as such
_EXACT = 1 << 53  # from here on a float has no place for every whole number
_DIGITS = 15  # that a spreadsheet keeps of a number; it makes the others 0
_ROUNDING = "is a rounded number, as spreadsheets make of a long one; format the column as text, and put the id there"
_HIDDEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")


def read_id(cells: Mapping[str, str], column: str) -> str:
    """The id in the row's column, "" where there is none: 1001.0, as pandas writes it, is 1001.

    Raises ValueError where it is none, or a spreadsheet has changed it beyond repair.
    """
    text = _HIDDEN.sub("", read_text(cells, column))
    if (found := _WHOLE.fullmatch(text)) and int(found[1]) < _EXACT:
        text = found[1]
    if why := _why_no_id(text) or (_why_no_target(text) if column.startswith("target") else ""):
        raise ValueError(f"{column}: {quote(text)} {why}")
    return text


def read_sku(cells: Mapping[str, str]) -> str:
    """The row's SKU, "" where there is none; raises ValueError where a spreadsheet made something else of it."""
    text = read_text(cells, "source_sku")
    if why := _ROUNDING if "+" in text and _ROUNDED.fullmatch(text) else _why_nothing(text):
        raise ValueError(f"source_sku: {quote(text)} {why}")
    return text


def read_text(cells: Mapping[str, str], column: str) -> str:
    """The text in the row's column without the marks that make a spreadsheet take it for one: ="12" and '12.

    Raises ValueError where it is a formula.
    """
    text = cells.get(column, "")
    if found := _AS_TEXT.fullmatch(text):
        return (found[1] if found[1] is not None else found[2]).strip()
    if text.startswith("="):
        raise ValueError(f"{column}: {quote(text)} is a formula; put its value there")
    return text


def write_text(text: str) -> str:
    """The text as a spreadsheet shows it and does not work it out; ``read_text`` takes the mark away again."""
    return f"'{text}" if _FORMULA.match(text) or _AS_TEXT.fullmatch(text) else text


def _why_no_id(text: str) -> str:
    if _GROUPED.fullmatch(text):
        return "is written with a mark between its thousands; format the column as text"
    if _ROUNDED.fullmatch(text) or (len(text) > _DIGITS + 1 and text.isdigit() and not text[_DIGITS:].strip("0")):
        return _ROUNDING
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
    if _ERROR.fullmatch(text):
        return "is a spreadsheet's error; mend it there, or leave the cell empty"
    if not text.isprintable():
        return "holds a line break or another character that no id has; is a quote not closed?"
    return ""
