"""Owns what a text in a cell is to a spreadsheet: which are worked out, and the marks that keep them texts.

What ``write_text`` marks, ``read_text`` takes back as it was.
"""

import re

from batchcart.model.errors import quote

ROUNDED = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE][+-]?[0-9]+")
"""A number as a spreadsheet shows a long one."""

GROUPED = re.compile(r"[0-9]{1,3}(?:[ .,'’\u00a0\u202f][0-9]{3})+")
"""A whole number with marks between its thousands."""

EXACT_DIGITS = 15
"""Digits that a spreadsheet keeps of a number; it makes the others 0."""

ROUNDING = "is a rounded number, as spreadsheets make of a long one; format the column as text, and type it again"

_WHOLE = re.compile(r"([0-9]{1,18})\.0{1,2}")
_EXACT = 1 << 53  # from here on a float has no place for every whole number
_ERROR = re.compile(r"#[A-Z0-9/]+[!?]?", re.IGNORECASE)
_AS_TEXT = re.compile(r"=\s*\"([^\"]*)\"|'(?='*(?:\s*[0-9=+\-@]|[\t\r]))(.*)", re.DOTALL)
_FORMULA = re.compile(r"'*(?:\s*[=+\-@]|[\t\r])")  # what a spreadsheet would work out, or read as such


def read_text(text: str) -> str:
    """The cell without the marks that make a spreadsheet take it for a text: ="12" and '12.

    Raises ValueError with the end of a sentence where it is a formula.
    """
    if found := _AS_TEXT.fullmatch(text):
        return (found[1] if found[1] is not None else found[2]).strip()
    if text.startswith("="):
        raise ValueError(f"{quote(text)} is a formula; put its value there")
    return text


def write_text(text: str) -> str:
    """The text as a spreadsheet shows it and does not work it out."""
    return f"'{text}" if _FORMULA.match(text) or _AS_TEXT.fullmatch(text) else text


def as_whole(text: str) -> str:
    """The text, without the .0 that pandas puts behind whole numbers: 1001.0 is 1001."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found and int(found[1]) < _EXACT else text


def is_error(text: str) -> bool:
    """Whether the text is what a spreadsheet shows for a formula that failed, such as #REF!."""
    return _ERROR.fullmatch(text) is not None
