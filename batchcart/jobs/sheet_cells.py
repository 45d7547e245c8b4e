"""Owns turning a cell into the JSON that a job line has for it; it does not know which column it stands in.

No number is a float on the way: what a CSV file says goes on digit by digit, and a workbook's number as the 15 digits
that a spreadsheet shows of it.
"""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from batchcart.jobs.sheet_columns import CellType
from batchcart.model.errors import quote
from batchcart.sheets.cell_text import EXACT_DIGITS, ROUNDED, ROUNDING, as_whole, read_text
from batchcart.sheets.rows import Cell

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_MARKED = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:[ ,'’\u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+"
    r"|[0-9]{1,3}(?:\.[0-9]{3}){2,}|[0-9]+,[0-9]*|,[0-9]+)"
)
_ERROR = re.compile(r"#(?:N/[A-Z]|[A-Z0-9/]+[!?])")
_HALF = re.compile("[\ud800-\udfff]")
_EMPTY_TEXT = '""'
_NAME = CellType()
_BEYOND = 10**EXACT_DIGITS


def cell_json(cell: Cell, takes: CellType | None) -> bytes:
    """The cell as JSON; where no document says what it takes, a text.

    Raises ValueError with the end of a sentence where a spreadsheet made something of the value that is no value.
    """
    text, exact = _text(cell, takes)
    if exact and takes is not None and not takes.text:
        return _number(text, takes)
    return msgspec.json.encode(text) if exact else _from_text(text, takes)


def name_text(cell: Cell) -> str:
    """The text of a cell that names something, without the .0 of pandas. Raises ValueError as ``cell_json`` does."""
    text = _readable(_text(cell, _NAME)[0])
    if "+" in text and ROUNDED.fullmatch(text):
        raise ValueError(f"{quote(text)} {ROUNDING}")
    return as_whole(text)


def _text(cell: Cell, takes: CellType | None) -> tuple[str, bool]:
    """The cell as text, and whether it is a number by itself."""
    match cell:
        case None:
            return "", False
        case str():
            return cell, False
        case bool():
            return ("TRUE" if cell else "FALSE"), False
        case int() | float():
            return _digits(cell), True
        case datetime() | date() | time() | timedelta():
            return _moment(cell, takes), False


def _digits(number: float) -> str:
    """The number as a spreadsheet shows it, which has 15 digits: 0.1 + 0.2 is 0.3."""
    if abs(number) >= _BEYOND:
        raise ValueError(f"{number:.6g} {ROUNDING}")
    return str(number) if isinstance(number, int) else f"{Decimal(f'{number:.{EXACT_DIGITS}g}'):f}"


def _moment(cell: datetime | date | time | timedelta, takes: CellType | None) -> str:
    if takes is not None and not takes.text and not takes.forms:
        raise ValueError(
            f"{quote(str(cell))} is a date or a time to the sheet; format the column as text, and retype it"
        )
    if isinstance(cell, timedelta):
        return str(cell).rjust(8, "0")
    if isinstance(cell, time):
        return f"{cell:%H:%M:%S}"
    day, full = f"{cell:%Y-%m-%d}", f"{cell:%Y-%m-%d %H:%M:%S}"
    if takes is not None and any(re.search(form, full) for form in takes.forms):
        return full
    return day if full.endswith("00:00:00") else full


def _readable(text: str) -> str:
    if _HALF.search(text):
        raise ValueError("is not UTF-8 but in another encoding (Windows-1250, ISO 8859?); save the sheet as CSV UTF-8")
    if _ERROR.fullmatch(text):
        raise ValueError(f"{quote(text)} is a spreadsheet's error; fix it there, or leave the cell empty")
    return read_text(text)


def _from_text(text: str, takes: CellType | None) -> bytes:
    if text == _EMPTY_TEXT:
        return b'""'
    text = _readable(text)
    if takes is None:
        return msgspec.json.encode(text)
    if takes.json and text.startswith(("{", "[")):
        return _json(text)
    if takes.text:
        return msgspec.json.encode(text)
    if takes.boolean and text.lower() in {"true", "false"}:
        return text.lower().encode()
    return _number(text, takes)


def _json(text: str) -> bytes:
    try:
        return msgspec.json.format(text.encode(), indent=-1)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{quote(text)} is not JSON: {str(error).removeprefix('JSON is malformed: ')}") from None


def _number(text: str, takes: CellType) -> bytes:
    """The text as a number where it is one as it stands; else as a text, which the field's table judges."""
    if takes.whole and not takes.fraction:
        text = as_whole(text)
    if takes.whole or takes.fraction:
        if _MARKED.fullmatch(text):
            raise ValueError(_comma_sentence(text))
        if ROUNDED.fullmatch(text):
            raise ValueError(f"{quote(text)} {ROUNDING}")
        found = _NUMBER.fullmatch(text)
        if found and (takes.fraction if found[1] else takes.whole):
            return text.encode()
    return msgspec.json.encode(text)


def _comma_sentence(text: str) -> str:
    then = "or as a number in an .xlsx sheet"
    if _COMMA.fullmatch(text) and not re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", text):
        return f"{quote(text)} has a decimal comma; write {text.replace(',', '.')} with a dot, {then}"
    return f"{quote(text)} has a mark between its thousands, or a comma; write digits and a dot (1234.50), {then}"
