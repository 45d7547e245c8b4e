"""The sheet to begin with has the columns of its operations, says what they take, and is accepted as it is."""

import csv
from pathlib import Path

import pytest
from openpyxl import load_workbook

from batchcart.accounts.config import load_config
from batchcart.jobs.opening import open_job
from batchcart.jobs.planner import Planner, PlanStats
from batchcart.jobs.sheet_template import write_template
from batchcart.model.errors import UsageError
from batchcart.platforms import load_adapters
from batchcart.sheets.rows import column_letter

ADAPTERS = load_adapters()
ALONE = [(name, (kind.value,)) for name, adapter in ADAPTERS.items() for kind in adapter.operations]
TOGETHER = [
    (name, operations)
    for name, adapter in ADAPTERS.items()
    for operations in (tuple(kind.value for kind in adapter.operations), ("cart.create", "item.add"))
]


def plan(path: Path) -> PlanStats:
    with open_job(str(path)) as source:
        return Planner(source, load_config(None, ADAPTERS), None, allow_unknown=False).build_plan()


@pytest.mark.parametrize(("ending", "choices"), [("csv", ALONE + TOGETHER), ("xlsx", TOGETHER)], ids=["csv", "xlsx"])
def test_the_check_accepts_every_template_as_it_is(
    tmp_path: Path, ending: str, choices: list[tuple[str, tuple[str, ...]]]
) -> None:
    for number, (name, operations) in enumerate(choices):
        path = tmp_path / f"{number}.{ending}"
        write_template(path, ADAPTERS[name], operations)
        assert {kind for _, kind in plan(path).kinds} == set(operations), (name, operations)


def test_a_template_says_what_each_column_takes_and_keeps_ids_as_they_are_typed(tmp_path: Path) -> None:
    write_template(tmp_path / "job.csv", ADAPTERS["tray"], ["item.add", "cart.create"])
    header, about, first, second = csv.reader((tmp_path / "job.csv").read_text("utf-8-sig").splitlines())
    takes = dict(zip(header, about, strict=True))
    assert takes["data.quantity"] == "a whole number of at least 1, needed"
    assert takes["data.price"] == "a number of at least 0"
    assert takes["id"] == "your own number of the row, which its result repeats"
    assert (first[0], second[0]) == ("cart.create", "item.add")

    write_template(tmp_path / "job.xlsx", ADAPTERS["tray"], ["item.add"])
    sheet = load_workbook(tmp_path / "job.xlsx")["batchcart"]
    letters = {str(cell.value): column_letter(place) for place, cell in enumerate(sheet[1])}
    formats = {name: sheet.column_dimensions[letter].number_format for name, letter in letters.items()}
    assert (formats["data.product_id"], formats["id"], formats["data.price"]) == ("@", "@", "General")


def test_an_operation_that_the_platform_lacks_and_a_file_that_is_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--op: tray has no 'cart\.list'; did you mean"):
        write_template(tmp_path / "job.csv", ADAPTERS["tray"], ["cart.list"])
    (tmp_path / "job.csv").write_text("mine")
    with pytest.raises(UsageError, match="already exists and was not overwritten"):
        write_template(tmp_path / "job.csv", ADAPTERS["tray"], ["cart.get"])
