"""Spreadsheets as jobs: each row is the line of its number, exact in every cell, or refused where a person finds it."""

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from batchcart.accounts.config import load_config
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.model.errors import BadLines, UsageError
from batchcart.platforms import load_adapters

HEADER = ["op", "account", "cart", "data.product_id", "data.quantity", "data.price"]
FIRST = ["cart.create", "sandbox-tray", "c1", "12", "2", "19.90"]
Line = dict[str, Any]


def plan(path: Path, *, allow_unknown: bool = False) -> PlanStats:
    with open_job(str(path)) as source:
        return Planner(source, load_config(None, load_adapters()), None, allow_unknown).build_plan()


def lines(path: Path) -> dict[int, str]:
    """The lines that the sheet's rows became, by number, as text."""
    with open_job(str(path)) as source:
        return {raw.number: raw.text.decode() for raw in source.lines()}


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        plan(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def as_csv(folder: Path, *rows: Sequence[object], name: str = "job.csv", delimiter: str = ",") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path = folder / name
    path.write_bytes(text.getvalue().encode())
    return path


def as_xlsx(folder: Path, *rows: Sequence[object], change: Callable[[Workbook], None] = lambda _book: None) -> Path:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    change(book)
    path = folder / "job.xlsx"
    book.save(path)
    return path


def value(folder: Path, column: str, cell: object, op: str = "cart.create") -> str:
    """What a cell of a workbook, or of a CSV file where it is a text, becomes in the line."""
    rows = (["op", column], [op, cell])
    path = as_csv(folder, *rows) if isinstance(cell, str) else as_xlsx(folder, *rows)
    text = lines(path)[2].removesuffix("}" * (1 + column.count(".")))
    return text.partition(f'"{column.rpartition(".")[2]}":')[2]


def test_a_row_is_the_line_of_its_number_with_the_fields_digit_by_digit(tmp_path: Path) -> None:
    path = as_csv(tmp_path, HEADER, FIRST, ["item.add", "sandbox-tray", "c1", "007", "1", "19.9"])

    names = '"account":"sandbox-tray","cart":"c1",'
    assert lines(path) == {
        2: '{"op":"cart.create",' + names + '"data":{"product_id":12,"quantity":2,"price":19.90}}',
        3: '{"op":"item.add",' + names + '"data":{"product_id":"007","quantity":1,"price":19.9}}',
    }
    assert plan(path).kinds == {("sandbox-tray", "cart.create"): 1, ("sandbox-tray", "item.add"): 1}


TABLE = "op;account;cart;data.product_id;data.quantity\r\ncart.create;sandbox-tray;ż1;12;2\r\n"
DRESSES = {
    "semicolons": ("job.csv", TABLE.encode()),
    "commas": ("job.csv", TABLE.replace(";", ",").encode()),
    "tabs": ("job.tsv", TABLE.replace(";", "\t").encode()),
    "a mark": ("job.csv", TABLE.encode("utf-8-sig")),
    "UTF-16 of Excel": ("job.csv", TABLE.replace(";", "\t").encode("utf-16")),
    "UTF-16 without a mark": ("job.csv", TABLE.encode("utf-16-le")),
    "Excel's sep=": ("job.csv", b"sep=;\r\n" + TABLE.encode()),
    "CR alone": ("job.CSV", TABLE.replace("\r\n", "\r").encode()),
    "empty columns and rows at the end": ("job.csv", TABLE.replace("\r\n", ";;;\r\n").encode() + b";;;;;;;\r\n\r\n"),
    "quotes": ("job.csv", TABLE.replace("ż1", '"ż1"').encode()),
    "capitals and spaces": ("job.csv", TABLE.replace("op", "OP").replace("data.", " Data. ").encode()),
}


@pytest.mark.parametrize(("name", "content"), DRESSES.values(), ids=DRESSES.keys())
def test_the_same_table_in_another_dress_is_the_same_job(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    assert lines(tmp_path / name) == {
        2: '{"op":"cart.create","account":"sandbox-tray","cart":"ż1","data":{"product_id":12,"quantity":2}}'
    }
    assert plan(tmp_path / name).lines == 1


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    """Blank rows and comments count and are no lines; a line break inside of quotes makes no row; sep= is none."""
    header = "op;account;cart;data.product_id;data.quantity;why\n"
    first, second = 'cart.create;sandbox-tray;a;1;1;"one\ntwo"\n', "cart.create;sandbox-tray;b;1;x;\n"
    (tmp_path / "job.csv").write_text(f"sep=;\n\n{header};;;;\n# a note;;\n;\n{first}{second}")

    assert list(lines(tmp_path / "job.csv")) == [6, 7]
    assert refusal(tmp_path / "job.csv") == (
        'job.csv: row 7, column E data.quantity: expected a whole number of at least 1, found "x"'
    )


CELLS: dict[str, tuple[str, object, str]] = {
    "an id keeps its zeros": ("data.product_id", "0012", '"0012"'),
    "a long id": ("data.product_id", "12345678901234567890", "12345678901234567890"),
    "an amount stays as written": ("data.price", "19.90", "19.90"),
    "pandas' whole number": ("data.product_id", "1001.0", "1001"),
    "pandas' name": ("cart", "1001.0", '"1001"'),
    "an amount that looks like pandas'": ("data.price", "5.0", "5.0"),
    "Excel's text": ("data.product_id", '="0012"', '"0012"'),
    "an apostrophe": ("data.product_id", "'0012", '"0012"'),
    "a postcode is a text": ("data.BillingZipCode", "1234", '"1234"'),
    "a text or a number is a text": ("data.Shipping.zip_code", "1310100", '"1310100"'),
    "a field of a field": ("data.Shipping.price", "5.50", "5.50"),
    "an empty text": ("data.BillingAddress2", '""', '""'),
    "a number of a workbook": ("data.price", 19.9, "19.9"),
    "what a float makes of 0.1 + 0.2": ("data.price", 0.1 + 0.2, "0.3"),
    "a small number": ("data.price", 0.00001, "0.00001"),
    "a whole number in a workbook": ("data.product_id", 1001, "1001"),
    "a text in a workbook's number": ("data.BillingZipCode", 1234, '"1234"'),
    "a name in a workbook's number": ("cart_id", 1001.0, '"1001"'),
    "15 digits of a workbook": ("data.product_id", 123456789012345, "123456789012345"),
}


@pytest.mark.parametrize(("column", "cell", "becomes"), CELLS.values(), ids=CELLS.keys())
def test_a_cell_becomes_what_its_field_takes(tmp_path: Path, column: str, cell: object, becomes: str) -> None:
    assert value(tmp_path, column, cell) == becomes


def test_dates_become_what_their_field_takes(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 27, 8, 5)  # noqa: DTZ001  # a workbook has none with a zone
    assert value(tmp_path, "data.date", date(2026, 11, 27), "cart.update") == '"2026-11-27"'
    assert value(tmp_path, "data.hour", time(8, 5), "cart.update") == '"08:05:00"'
    assert value(tmp_path, "query.created_at_min", moment, "cart.list") == '"2026-11-27 08:05:00"'
    assert value(tmp_path, "query.created_at_min", date(2026, 11, 27), "cart.list") == '"2026-11-27 00:00:00"'


def test_entries_of_a_list_have_columns_of_their_own_or_stand_as_json_in_one_cell(tmp_path: Path) -> None:
    columns = ["op", "data.ItemOptions.1.OptionSetID", "data.ItemOptions.1.OptionID", "data.ItemOptions.2.OptionSetID"]
    wide = as_csv(tmp_path, columns, ["item.add", "1", "2", "3"])
    assert json.loads(lines(wide)[2])["data"] == {
        "ItemOptions": [{"OptionSetID": 1, "OptionID": 2}, {"OptionSetID": 3}]
    }

    narrow = as_csv(tmp_path, ["op", "data.ItemOptions"], ["item.add", '[{"OptionSetID": 1.50}]'])
    assert lines(narrow)[2] == '{"op":"item.add","data":{"ItemOptions":[{"OptionSetID":1.50}]}}'

    said = refusal(as_csv(tmp_path, [*columns, "account"], ["item.add", "x", "2", "3", "sandbox-3dcart"]))
    assert "row 2, column B data.ItemOptions.1.OptionSetID: expected a whole number" in said


REFUSED: dict[str, tuple[str, object, str]] = {
    "a decimal comma": ("data.price", "19,90", "'19,90' has a decimal comma; write 19.90 with a dot"),
    "thousands": ("data.price", "1.234,50", "'1.234,50' has a mark between its thousands"),
    "thousands or decimals": ("data.price", "1,234", "'1,234' has a mark between its thousands, or a comma"),
    "a rounded id": ("data.product_id", "1.23E+15", "is a rounded number"),
    "a rounded key of a cart": ("cart_id", "1.23E+15", "is a rounded number"),
    "a rounded id of a workbook": ("data.product_id", 1234567890123456789, "is a rounded number"),
    "an error": ("data.quantity", "#REF!", "is a spreadsheet's error"),
    "a formula": ("data.quantity", "=A1+1", "is a formula; put its value there"),
    "a date that was an id": ("cart_id", date(2026, 2, 1), "is a date or a time to the sheet"),
}


@pytest.mark.parametrize(("column", "cell", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_spreadsheet_made_of_a_value_is_told_with_its_place(
    tmp_path: Path, column: str, cell: object, says: str
) -> None:
    header = ["account", "op", "cart", column]
    row = ["sandbox-tray", "cart.create", "c1", cell]
    csv_file, name = isinstance(cell, str), f"job.{'csv' if isinstance(cell, str) else 'xlsx'}"
    path = as_csv(tmp_path, header, row) if csv_file else as_xlsx(tmp_path, header, row)
    said = refusal(path)

    assert f"{name}: row 2, column D {column}: " in said
    assert says in said


def test_all_mistakes_of_all_rows_are_told_at_once(tmp_path: Path) -> None:
    bad = ["cart.create", "sandbox-tray", "c2", "x", "2,5", "1"]
    path = as_csv(tmp_path, HEADER, FIRST, bad, ["item.add", "sandbox-tray", "c2", "1", "1", ""], ["item.ad"])
    said = refusal(path).splitlines()

    assert [line.split(":")[1].strip() for line in said] == ["row 3, column E data.quantity", "row 5, column A op"]
    with pytest.raises(BadLines) as caught:
        plan(path)
    assert [list(one.lines) for one in caught.value.every] == [[3], [5]]


def test_what_one_row_has_to_do_with_another_is_told_by_rows(tmp_path: Path) -> None:
    said = refusal(as_csv(tmp_path, HEADER, FIRST, FIRST, ["item.add", "sandbox-tray", "line", "1", "1"]))

    assert "row 3, column C cart: 'c1' is created twice; it begins on row 2" in said
    assert "row 4, column C cart: no earlier row creates 'line'" in said


def test_bytes_in_another_encoding_are_told_with_their_cell(tmp_path: Path) -> None:
    (tmp_path / "job.csv").write_bytes(
        "op,account,data.BillingCity\ncart.create,sandbox-3dcart,Łódź\n".encode("cp1250")
    )

    assert "row 2, column C data.BillingCity: is not UTF-8 but in another encoding" in refusal(tmp_path / "job.csv")


HEADERS: dict[str, tuple[str, str]] = {
    "an unknown column": (
        "op,acount",
        "row 1, column B: 'acount' is not a column of a job; did you mean 'account'? Notes",
    ),
    "a field without data": (
        "op,quantity",
        "column B: 'quantity' is not a column of a job; did you mean 'data.quantity'?",
    ),
    "nothing near": ("op,xyzzy", "it is one of op, account"),
    "a column twice": ("op,cart,account,cart", "column D: the column cart is there twice, first as column B"),
    "no op": ("account,cart", "row 1: the column op is missing"),
    "no header": ("cart.create,sandbox-tray,c1", "it names no columns of a job"),
    "data as a whole": ("op,data", "column B: give each field of data a column of its own"),
    "a field and its parts": ("op,data.Shipping,data.Shipping.price", "stands beside data.Shipping"),
    "nothing": ("", "job.csv: it is empty; write a sheet to begin with"),
    "a title above it": ("Carts of May,,\n\nop,account,cart", "cart_id; row 3 does: delete the rows above it"),
}


@pytest.mark.parametrize(("header", "says"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_is_wrong_is_told_once(tmp_path: Path, header: str, says: str) -> None:
    (tmp_path / "job.csv").write_text(f"{header}\n" + "a,b,c\n" * 30)
    said = refusal(tmp_path / "job.csv") if header else refusal(as_csv(tmp_path))

    assert says in said
    assert "\n" not in said


def test_a_cell_under_no_name_and_pandas_index_are_told(tmp_path: Path) -> None:
    assert "row 2, column B: the column has no name" in refusal(as_csv(tmp_path, ["op"], ["cart.create", "x"]))
    assert "index=False" in refusal(as_csv(tmp_path, ["", "op"], ["0", "cart.create"]))


def test_an_unknown_field_is_told_with_its_column_and_can_be_let_through_as_a_text(tmp_path: Path) -> None:
    path = as_csv(tmp_path, [*HEADER, "data.quantty"], [*FIRST, "5"])

    assert "row 2, column G data.quantty: there is no such field; did you mean 'quantity'?" in refusal(path)
    plan(path, allow_unknown=True)
    assert '"quantty":"5"' in lines(path)[2]


def test_the_first_sheet_that_is_not_hidden_is_the_job(tmp_path: Path) -> None:
    def add_others(book: Workbook) -> None:
        book.create_sheet("before", 0).sheet_state = "hidden"
        book.create_sheet("after").append(["nothing", "of", "ours"])

    assert plan(as_xlsx(tmp_path, HEADER, FIRST, change=add_others)).lines == 1


def test_a_formula_counts_as_its_value_and_is_refused_without_one(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path, HEADER, [*FIRST[:4], "=1+1", "1"])
    assert "row 2, column E: the formula's value is not in the file" in refusal(path)

    repack(
        path,
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"),
    )
    assert '"quantity":2' in lines(path)[2]


def repack(path: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def in_sheet(text: bytes) -> Callable[[bytes], bytes]:
    return lambda xml: xml.replace(b"</sheetData>", text + b"</sheetData>")


def in_cell(size: int) -> Callable[[bytes], bytes]:
    row, end = b'<row r="9"><c r="A9" t="inlineStr"><is><t>', b"</t></is></c></row>"
    return lambda xml: xml.replace(b"</sheetData>", row + b"x" * size + end + b"</sheetData>")


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a bomb": (in_cell(80 << 20), "too large"),
    "a cell without end": (in_cell(2 << 20), "too large"),
    "a row of too many cells": (in_sheet(b'<row r="9">' + b"<c/>" * 20_000 + b"</row>"), "not as a spreadsheet"),
    "a row beyond the last": (in_sheet(b'<row r="4000000000"/>'), "not as a spreadsheet"),
    "rows out of order": (in_sheet(b'<row r="1"/>'), "not as a spreadsheet"),
    "cells out of order": (in_sheet(b'<row r="9"><c r="B9"/><c r="A9"/></row>'), "not as a spreadsheet"),
    "a cell in another row": (in_sheet(b'<row r="9"><c r="A8"/></row>'), "not as a spreadsheet"),
    "deep nesting": (in_sheet(b"<a>" * 100 + b"</a>" * 100), "too large"),
    "entities": (lambda xml: b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml, "not as a spreadsheet"),
    "no XML": (lambda xml: xml[:-20], "not as a spreadsheet"),
}


@pytest.mark.parametrize(("change", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_workbook_ends_in_a_sentence_within_bounded_memory(
    tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = as_xlsx(tmp_path, HEADER, FIRST)
    repack(path, "xl/worksheets/sheet1.xml", change)
    tracemalloc.start()
    try:
        said = refusal(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert says in said
    assert "\n" not in said
    assert peak < 32 << 20


def test_a_sheet_that_claims_to_be_endless_is_read_as_what_it_holds(tmp_path: Path) -> None:
    path = as_xlsx(tmp_path, HEADER, FIRST)
    repack(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'ref="A1:F2"', b'ref="A1:XFD1048576"'))

    assert list(lines(path)) == [2]


def test_what_is_no_workbook_or_has_a_password_is_told(tmp_path: Path) -> None:
    (tmp_path / "job.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99))
    assert "has a password, or is an old .xls" in refusal(tmp_path / "job.xlsx")
    (tmp_path / "job.xlsx").write_text("op,account\n")
    assert "no .xlsx workbook" in refusal(tmp_path / "job.xlsx")
    with zipfile.ZipFile(tmp_path / "job.xlsx", "w") as archive:
        archive.writestr("job.jsonl", "{}")
    assert "cannot be read as a workbook" in refusal(tmp_path / "job.xlsx")


def test_a_workbook_that_is_called_csv_is_told_its_ending(tmp_path: Path) -> None:
    as_xlsx(tmp_path, HEADER, FIRST).rename(tmp_path / "job.csv")

    assert "job.csv is a workbook and no CSV; give it a name that ends in .xlsx" in refusal(tmp_path / "job.csv")


def test_which_sheet_of_a_workbook_is_read_is_told_where_it_holds_no_job(tmp_path: Path) -> None:
    assert "nothing stands on its first sheet that is not hidden" in refusal(as_xlsx(tmp_path))
    assert "only the first sheet that is not hidden is read" in refusal(as_xlsx(tmp_path, ["Read me"]))


def test_a_header_that_comes_again_is_told_as_that(tmp_path: Path) -> None:
    said = refusal(as_csv(tmp_path, HEADER, FIRST, HEADER))

    assert said == "job.csv: row 3, column A op: the row names the columns a second time; delete it"


def test_a_sheet_given_as_lines_is_told_to_bear_its_ending(tmp_path: Path) -> None:
    path = as_csv(tmp_path, HEADER, FIRST, name="job.txt")
    assert "a table (CSV); give it as a file whose name ends in .csv" in refusal(path)
    book = as_xlsx(tmp_path, HEADER, FIRST)
    assert "or save a workbook as .xlsx" in refusal(book.rename(tmp_path / "job.xls"))


@given(st.binary(max_size=300) | st.text(alphabet='opacunt.dr,;\t\n"=sep#1', max_size=200).map(str.encode))
def test_no_file_that_ends_in_csv_is_more_than_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "job.csv"
    path.write_bytes(b"op,account,data.quantity\n" + content)

    assert refusal(path)
