"""Results as tables: the same columns and types in each form, texts that stay texts, and no file overwritten."""

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pyarrow import parquet

from batchcart.migration.key_table import is_parity, write_keys
from batchcart.model.errors import UsageError
from batchcart.runs.results_table import COLUMNS, write_results
from batchcart.sheets.cell_text import read_text
from batchcart.sheets.table import Column, write_table

LINES: tuple[dict[str, Any], ...] = (
    {
        "line": 2,
        "id": "=1+1",
        "account": "loja",
        "platform": "tray",
        "op": "cart.create",
        "cart": "0012",
        "status": "ok",
        "cart_id": "12345678901234567890",
        "item_id": "7",
        "session_id": "12345678901234567890",
        "cart_url": "https://loja.example/7",
        "http_status": 201,
        "attempts": 1,
        "sent_at": "2026-11-27T18:00:00.123Z",
        "elapsed_ms": 131.2,
    },
    {
        "line": 3,
        "id": 17,
        "account": "loja",
        "platform": "tray",
        "op": "cart.get",
        "status": "ok",
        "attempts": 1,
        "body": {"price": 19.9, "name": "ż"},
    },
    {
        "line": 5,
        "account": "loja",
        "platform": "tray",
        "op": "item.add",
        "status": "skipped",
        "attempts": 0,
        "error": {
            "kind": "dependency",
            "message": "#REF! as line 4 failed",
            "line": 4,
            "http_status": 404,
            "body": "no",
        },
    },
)
FORMS = (".csv", ".xlsx", ".parquet")


def results(folder: Path, *lines: Any) -> Path:
    path = folder / "job.results.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines or LINES))
    return path


def in_form(folder: Path, form: str, *, body: bool = True) -> list[dict[str, Any]]:
    """The table of the lines, read back by what reads that form."""
    table = folder / f"out{form}"
    assert write_results(results(folder), table, body=body).rows == len(LINES)
    match form:
        case ".csv":
            return list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
        case ".xlsx":
            header, *rows = load_workbook(table)["batchcart"].iter_rows(values_only=True)
            return [dict(zip(map(str, header), row, strict=True)) for row in rows]
        case _:
            found: list[dict[str, Any]] = parquet.read_table(table).to_pylist()
            return found


@pytest.mark.parametrize("form", FORMS)
def test_a_table_has_the_same_columns_whatever_the_results_are(tmp_path: Path, form: str) -> None:
    rows = in_form(tmp_path, form)

    assert list(rows[0]) == [column.name for column in COLUMNS]
    assert [str(row["line"]) for row in rows] == ["2", "3", "5"]
    assert [row["cart_id"] or None for row in rows] == ["12345678901234567890", None, None]
    assert (rows[0]["cart"], rows[0]["item_id"]) == ("0012", "7")
    assert json.loads(rows[0]["own_names"]) == {"cart_url": "https://loja.example/7"}
    assert json.loads(rows[1]["body"]) == LINES[1]["body"]
    assert (rows[2]["error_kind"], str(rows[2]["error_line"]), rows[2]["error_body"]) == ("dependency", "4", "no")


def test_what_comes_of_reads_can_be_left_out(tmp_path: Path) -> None:
    assert "body" not in in_form(tmp_path, ".csv", body=False)[0]


def test_times_have_their_zone_and_amounts_are_no_floats(tmp_path: Path) -> None:
    at = datetime(2026, 11, 27, 18, 0, 0, 123_000, UTC)
    row = in_form(tmp_path, ".parquet")[0]
    assert (row["sent_at"], row["elapsed_ms"]) == (at, Decimal("131.2"))
    row = in_form(tmp_path, ".csv")[0]
    assert (row["sent_at"], row["elapsed_ms"]) == ("2026-11-27T18:00:00.123Z", "131.2")
    row = in_form(tmp_path, ".xlsx")[0]
    assert (row["sent_at"], row["elapsed_ms"]) == (at.replace(tzinfo=None), 131.2)


def test_no_spreadsheet_works_out_a_text(tmp_path: Path) -> None:
    assert in_form(tmp_path, ".csv")[0]["id"] == "'=1+1"
    in_form(tmp_path, ".xlsx")
    sheet = load_workbook(tmp_path / "out.xlsx")["batchcart"]
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("=1+1", "s")
    assert (sheet["P4"].value, sheet["P4"].data_type) == ("#REF! as line 4 failed", "s")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5))
def test_every_text_of_a_csv_file_is_read_back_as_it_was_and_is_no_formula(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    table = tmp_path_factory.mktemp("any") / "out.csv"
    write_table(table, [Column("text")], ([text] for text in texts))
    rows = [cells[0] for cells in csv.reader(table.read_text("utf-8-sig").splitlines()[1:])] if table.exists() else []
    for cell, text in zip(rows, texts, strict=False):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert read_text(cell).strip() == text.strip()


def test_a_file_that_is_there_is_not_overwritten_and_a_failure_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"out\.csv already exists and was not overwritten"):
        write_results(results(tmp_path), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"

    broken = results(tmp_path, *LINES, {"version": 1})
    with pytest.raises(UsageError, match=r"job\.results\.jsonl:4: not a result line: it has no line, status and op"):
        write_results(broken, tmp_path / "new.xlsx")
    assert not (tmp_path / "new.xlsx").exists()
    with pytest.raises(UsageError, match=r"\.csv, \.tsv, \.xlsx, \.parquet"):
        write_results(broken, tmp_path / "new.ods")
    with pytest.raises(UsageError, match="does not exist; give the result file of a run"):
        write_results(tmp_path / "none.jsonl", tmp_path / "new.csv")


def test_a_parity_report_is_a_table_of_old_and_new_keys(tmp_path: Path) -> None:
    parity = tmp_path / "parity.jsonl"
    records = [
        {"cart": "6F02", "account": "loja", "status": "equal", "cart_id": "0077"},
        {"cart": "6F03", "account": "loja", "status": "missing", "why": "it was not sent"},
    ]
    parity.write_text("".join(json.dumps(one) + "\n" for one in records))

    assert is_parity(parity)
    assert not is_parity(results(tmp_path))
    assert write_keys(parity, tmp_path / "keys.csv") == 2
    rows = list(csv.DictReader((tmp_path / "keys.csv").read_text("utf-8-sig").splitlines()))
    assert [(row["old_key"], row["new_key"], row["status"]) for row in rows] == [
        ("6F02", "0077", "equal"),
        ("6F03", "", "missing"),
    ]
