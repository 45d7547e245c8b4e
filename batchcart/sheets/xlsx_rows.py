"""Owns reading the rows of a workbook's first sheet; it does not know its columns.

The reader is openpyxl: it reads row by row, so that a sheet that claims a million columns costs nothing, and writes
workbooks too.
"""

import importlib
import string
import warnings
from types import ModuleType
from typing import IO, Any

from batchcart.model.errors import UsageError
from batchcart.sheets.rows import SheetRows, strip_blank
from batchcart.sheets.workbook_guard import check_workbook


def load_openpyxl(use: str) -> ModuleType:
    """The library for workbooks; raises UsageError with what to install. ``use`` begins the sentence."""
    try:
        return importlib.import_module("openpyxl")
    except ImportError:
        raise UsageError(
            f"{use} needs the extra for workbooks: pip install 'batchcart[sheets]'; or save the sheet as CSV UTF-8"
        ) from None


def xlsx_rows(file: IO[bytes], name: str) -> SheetRows:
    """The rows of the first sheet that is not hidden, formulas as the values that were kept of them.

    Raises UsageError where the file is no workbook, or a formula's value is not in it.
    """
    openpyxl = load_openpyxl(f"job file {name}: reading .xlsx")
    unvalued = check_workbook(file, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it leaves out: validations, styles, dates that are none
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheet = _first_sheet(book, name)
            _check_values(unvalued.get(sheet._worksheet_path), name)  # noqa: SLF001  # it does not say it otherwise
            sheet.reset_dimensions()  # what the sheet says of its size may be anything
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
                found = [strip_blank(cell) or None if isinstance(cell, str) else cell for cell in cells]
                if any(cell is not None for cell in found):
                    yield number, found
        except (UsageError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  # whatever a library meets in a file that anybody may have made
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise UsageError(
                f"job file {name} cannot be read as a workbook ({said}); open it in a spreadsheet program and save it "
                "again, or save it as CSV UTF-8"
            ) from None


def _first_sheet(book: Any, name: str) -> Any:
    sheets = book.worksheets
    if not sheets:
        raise UsageError(f"job file {name} has no sheet with cells; put the job onto its first sheet")
    return next((sheet for sheet in sheets if sheet.sheet_state == "visible"), sheets[0])


def _check_values(cell: str | None, name: str) -> None:
    """Raises UsageError where the sheet has a cell, such as D7, with a formula and no value."""
    if cell is not None:
        row, column = cell.lstrip(string.ascii_uppercase), cell.rstrip(string.digits)
        raise UsageError(
            f"{name}: row {row}, column {column}: the formula's value is not in the file; open it in a spreadsheet "
            "program and save it, or put the value there"
        )
