"""A job that is written as a sheet reads as the same lines, or is not written."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchcart.jobs.opening import open_job
from batchcart.jobs.sheet_writing import write_sheet
from batchcart.model.errors import UsageError

WHY = {"run": "abc", "results": "r.jsonl", "line": 7, "status": "failed", "message": "=no, said the shop"}
JOB: list[dict[str, Any]] = [
    {"op": "cart.create", "account": "acme", "cart": "=1+1", "data": {"BillingFirstName": "+Anna;\n'x'\ty,"}},
    {"op": "item.add", "account": "acme", "cart_id": "0012", "item": "@i", "id": "-5", "why": WHY,
     "data": {"CatalogID": "0005", "ItemQuantity": 2.5, "ItemOptions": [{"OptionID": 1}, {"OptionID": 2}]}},
    {"op": "cart.create", "account": "loja", "data": {"product_id": 7, "quantity": 1, "price": -19.9,
     "Shipping": {"zip_code": "01310", "price": 0}}},
    {"op": "cart.update", "account": "loja", "cart_id": "'k", "data": {"additional_info_kit": ""}},
]  # fmt: skip


def lines(*job: dict[str, Any]) -> list[bytes]:
    return [json.dumps(line).encode() + b"\n" for line in job]


@pytest.mark.parametrize("name", ["job.csv", "job.tsv", "job.xlsx"])
def test_a_sheet_reads_as_the_lines_it_was_made_of(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_sheet(path, lines(*JOB))
    with open_job(str(path)) as sheet:
        assert [json.loads(row.text) for row in sheet.lines()] == JOB


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"properties": {"a.b": "1"}}, "data.properties"),
        ({"properties": {"1": "x"}}, "data.properties"),
        ({"properties": {"a": " blank "}}, "data.properties.a"),
        ({"properties": {"a": 5}}, "data.properties.a"),
        ({"properties": {"a": None}}, "data.properties.a"),
        ({"properties": {"a": "\x01"}}, "data.properties.a"),
        ({"properties": {"a": "x" * 40_000}}, "data.properties.a"),
    ],
)
def test_what_no_cell_can_say_exactly_makes_no_sheet(tmp_path: Path, data: dict[str, Any], where: str) -> None:
    path = tmp_path / "job.xlsx"
    job = lines({"op": "discount.set", "account": "sklep", "cart_id": "1", "data": data, "why": WHY})
    with pytest.raises(UsageError, match=f"{where}.*give the job a name that ends in .jsonl") as wrong:
        write_sheet(path, job)
    assert "line 7 of the run" in str(wrong.value)
    assert not path.exists()


@pytest.mark.parametrize("name", ["job.csv", "job.xlsx"])
def test_a_number_in_quotes_may_lose_them_where_the_field_takes_both(tmp_path: Path, name: str) -> None:
    line = {"op": "cart.create", "account": "loja", "id": 5, "data": {"product_id": "7", "price": "19.90"}}
    write_sheet(tmp_path / name, lines(line))
    with open_job(str(tmp_path / name)) as sheet:
        (row,) = [json.loads(row.text) for row in sheet.lines()]
    assert row == line | {"id": "5", "data": {"product_id": 7, "price": 19.9}}


def test_no_line_makes_no_file(tmp_path: Path) -> None:
    write_sheet(tmp_path / "job.csv", [])
    assert not list(tmp_path.iterdir())
