"""A sheet is a job to every command that reads one again: run, resume, append, rest, settle, undo, report."""

import csv
import json
import signal
from pathlib import Path

import pytest
from cli_harness import Cli, batchcart, until
from openpyxl import Workbook, load_workbook

HEADER = ("op", "account", "cart", "item", "data.CatalogID", "data.ItemQuantity", "data.product_id", "data.quantity")
ROWS: tuple[tuple[object, ...], ...] = (
    ("cart.create", "acme", "c1"),
    ("item.add", "acme", "c1", "i1", "0005", 2.5),
    ("cart.create", "loja", "c2", "i2", None, None, 7, 2),
    (),
    ("item.add", "loja", "c2", None, None, None, 8, 1),
)
RESULTS = "job.results.jsonl"


def write(folder: Path, *rows: tuple[object, ...], name: str = "job.xlsx") -> None:
    if name.endswith(".csv"):
        text = (",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in (HEADER, *rows))
        (folder / name).write_text("".join(text))
        return
    book = Workbook()
    assert book.active is not None
    for row in (HEADER, *rows):
        book.active.append(list(row))
    book.save(folder / name)


def test_a_workbook_is_run_with_its_rows_as_lines_and_is_finished_when_it_comes_again(shop: Cli) -> None:
    write(shop.folder, *ROWS)
    ended = shop.run(job="job.xlsx", code=0).out

    assert ended.endswith("keys by row:\n  batchcart results job.results.jsonl --to job.keys.xlsx\n")
    assert shop.statuses() == {2: "ok", 3: "ok", 4: "ok", 6: "ok"}
    assert [result["cart"] for result in shop.results()].count("c1") == 2
    assert "this run is finished; nothing was sent" in shop.run(job="job.xlsx", code=0).out
    assert shop.endpoint("acme").saw.effects["add"] == 1


def test_a_sheet_that_changed_is_told_with_its_row_and_rows_that_were_appended_are_run(shop: Cli) -> None:
    write(shop.folder, *ROWS, name="job.csv")
    shop.run(job="job.csv", code=0)
    write(shop.folder, *ROWS[:2], ("cart.create", "loja", "c2", "i2", None, None, 9, 2), *ROWS[3:], name="job.csv")
    assert (
        "job.csv: the job changed since this run began; the first difference is row 4"
        in shop.run(job="job.csv", code=2).err
    )

    write(shop.folder, *ROWS, ("item.add", "acme", "c1", "i3", 6, 1), name="job.csv")
    assert "job.csv: rows 1-6 are as before, row 7 is new" in shop.run(job="job.csv", code=2).err
    shop.run("--append", job="job.csv", code=0)
    assert list(shop.statuses()) == [2, 3, 4, 6, 7]


def test_a_run_of_a_sheet_that_was_killed_goes_on(shop: Cli) -> None:
    data = ("", "", "", 7, 1)
    write(shop.folder, *(("cart.create", "loja", f"c{number}", *data) for number in range(400)), name="job.csv")
    shop.configure(loja={"limits": ["20/s"]})
    with shop.started("run", "job.csv", "--progress", "none") as process:
        until(lambda: shop.endpoint("loja").saw.effects["create"] > 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    shop.configure()
    shop.run(job="job.csv", code=0)

    assert shop.statuses() == dict.fromkeys(range(2, 402), "ok")
    assert shop.endpoint("loja").saw.effects["create"] == 400


def test_a_part_of_a_sheet_is_chosen_and_run_in_several_processes(shop: Cli) -> None:
    write(shop.folder, *ROWS)
    shop.run("--only", "loja", job="job.xlsx", code=3)
    assert list(shop.statuses()) == [4, 6]
    shop.run("--processes", "2", job="job.xlsx", code=0)
    assert list(shop.statuses()) == [2, 3, 4, 6]


def test_what_failed_in_a_sheet_goes_into_a_job_and_what_was_made_is_taken_back(shop: Cli) -> None:
    (shop.folder / "job.csv").write_text(
        "op;account;cart;cart_id;item_id;data.ItemQuantity\n"
        "cart.create;acme;c1;;;\n"
        ";;;;;\n"
        "item.update;acme;;no-such-cart;0012;2.50\n"
    )
    shop.run(job="job.csv", code=1)
    assert shop.statuses() == {2: "ok", 4: "failed"}
    batchcart("rest", RESULTS, "-o", "rest.jsonl", folder=shop.folder, code=0)
    left = json.loads((shop.folder / "rest.jsonl").read_text())
    assert (left["why"]["line"], left["item_id"]) == (4, "0012")
    assert '"data":{"ItemQuantity":2.50}' in (shop.folder / "rest.jsonl").read_text()

    batchcart("undo", RESULTS, "-o", "back.jsonl", folder=shop.folder)
    back = [json.loads(line) for line in (shop.folder / "back.jsonl").read_text().splitlines()]
    assert [line["op"] for line in back] == ["cart.delete"]
    assert "cart.create" in batchcart("report", RESULTS, folder=shop.folder, code=1).out


Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    """The rows of a sheet by column, each cell as the text that stands in it."""
    if path.suffix == ".xlsx":
        found = load_workbook(path).worksheets[0].iter_rows(values_only=True)
        table = [["" if cell is None else str(cell) for cell in row] for row in found]
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def save(path: Path, rows: Rows) -> None:
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    if path.suffix == ".xlsx":
        book = Workbook()
        assert book.active is not None
        for row in table:
            book.active.append(row)
        book.save(path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ";").writerows(table)


@pytest.mark.parametrize("name", ["fix.csv", "fix.tsv", "fix.xlsx"])
def test_what_failed_in_a_sheet_is_a_sheet_that_is_corrected_and_run(shop: Cli, name: str) -> None:
    (shop.folder / "job.csv").write_text(
        "op,account,cart,cart_id,item,item_id,id,data.CatalogID,data.ItemQuantity,data.product_id,data.quantity\n"
        "cart.create,acme,007,,,,,,,,\n"
        "item.add,acme,,nix,i,,,5,2.50,,\n"
        "item.update,acme,,nix,i,,0042,,3.50,,\n"
        "item.delete,acme,,no-such-cart,,0012,'=1+1,,,,\n"
        "cart.create,loja,c2,,i2,,,,,7,1\n"
    )
    ended = shop.run(job="job.csv", code=1).out
    assert f"  batchcart rest {RESULTS} -o job.rest.csv\n" in ended
    out = batchcart("rest", RESULTS, "-o", name, folder=shop.folder, code=0).out
    assert f"Wrote {name}: 3 lines (2 failed, 1 skipped)" in out
    assert f"  batchcart run {name}\n  batchcart report {RESULTS} fix.results.jsonl\n" in out
    path = shop.folder / name
    kept = path.read_bytes()
    assert "already exists" in batchcart("rest", RESULTS, "-o", name, folder=shop.folder, code=2).err
    assert path.read_bytes() == kept

    add, update, delete = rows = read(path)
    assert [row["why.line"] for row in rows] == ["3", "4", "5"]
    assert {row["why.results"] for row in rows} == {RESULTS}
    assert [row["op"] for row in rows] == ["item.add", "item.update", "item.delete"]
    assert (update["id"], delete["item_id"], delete["id"]) == ("0042", "0012", "'=1+1")
    assert "no such cart" in delete["why.message"]
    key = shop.results()[0]["cart_id"]

    corrected = [row | {"cart_id": key} for row in (add, update, delete)]
    save(path, [*corrected[:2], corrected[2] | {"op": "cart.get", "item_id": ""}])
    batchcart("check", name, folder=shop.folder, code=0)
    shop.run(job=name, code=0)
    both = batchcart("report", RESULTS, "fix.results.jsonl", "--json", folder=shop.folder, code=0).figures
    assert (both["lines"], both["ok"], [run["taken_up"] for run in both["runs"]]) == (5, 5, [3, 0])


@pytest.mark.parametrize("name", ["fix.csv", "fix.xlsx"])
def test_a_line_that_a_row_cannot_say_exactly_makes_no_sheet(shop: Cli, name: str) -> None:
    update = {"op": "cart.update", "account": "loja", "cart_id": "nix", "data": {"email": "anna@example.com "}}
    shop.job([update])
    shop.run(code=1)
    err = batchcart("rest", RESULTS, "-o", name, folder=shop.folder, code=2).err

    assert f"{name} was not written, as line 1 of the run cannot be a row that means the same" in err
    assert "(data.email); give the job a name that ends in .jsonl" in err
    assert not (shop.folder / name).exists()


def test_results_of_a_sheet_are_a_sheet_with_the_new_keys_by_row(shop: Cli) -> None:
    write(shop.folder, *ROWS)
    shop.run("--limit", "2", job="job.xlsx", code=3)
    told = batchcart("results", RESULTS, "--to", "half.csv", folder=shop.folder, code=0).out
    assert told == "Wrote half.csv with 2 results; 2 lines have not ended and are not in it\n"

    shop.run(job="job.xlsx", code=0)
    batchcart("results", RESULTS, "--to", "keys.xlsx", "--no-body", folder=shop.folder, code=0)
    header, *rows = load_workbook(shop.folder / "keys.xlsx")["batchcart"].iter_rows(values_only=True)
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["line"] for row in found] == [2, 3, 4, 6]
    assert all(row["cart_id"] for row in found)
    again = batchcart("results", RESULTS, "--to", "keys.xlsx", folder=shop.folder, code=2).err
    assert "keys.xlsx already exists and was not overwritten" in again
