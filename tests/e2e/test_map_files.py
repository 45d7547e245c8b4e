"""Product maps as Excel, pandas and editors leave them: read as they are meant, or refused with line and kind."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Cli
from hypothesis import given
from hypothesis import strategies as st
from neutral_carts import command, write_carts

from batchcart.migration.map_cell import read_text
from batchcart.migration.product_map import ProductMap, read_map
from batchcart.model.cart import Item
from batchcart.model.errors import BadLines, UsageError
from batchcart.sheets.cell_text import write_text

HEADER = "source_product,source_variant,source_sku,source_name,target_product,target_variant"
SECOND = '34,620000000012345,,"Wstążka, metr",1002,'
ROWS = f"{HEADER}\n12,54,,Koszulka,1001,2001\n{SECOND}\n"
FIRST, OTHER = (
    Item(quantity="1", product="12", variant="54"),
    Item(quantity="1", product="34", variant="620000000012345"),
)


def parted(delimiter: str, text: str = ROWS) -> str:
    place = io.StringIO()
    csv.writer(place, delimiter=delimiter, lineterminator="\n").writerows(csv.reader(io.StringIO(text)))
    return place.getvalue()


def read(folder: Path, content: bytes | str) -> ProductMap:
    path = folder / "map.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_map(path)


def refusal(folder: Path, content: bytes | str) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, content)
    return str(caught.value).replace(f"{folder}/", "")


SAME: dict[str, bytes | str] = {
    "as it is": ROWS,
    "semicolons": parted(";"),
    "tabs": parted("\t"),
    "bars": parted("|"),
    "Unicode text of Excel": parted("\t").replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 without a mark": ROWS.encode("utf-16-le"),
    "UTF-16, great end first": b"\xfe\xff" + ROWS.encode("utf-16-be"),
    "UTF-32": ROWS.encode("utf-32"),
    "a sep line": ("sep=;\r\n" + parted(";")).encode("utf-8-sig"),
    "a sep line in quotes": '"sep=;"\n' + parted(";"),
    "a sep line with a tab": "SEP=\t\n" + parted("\t"),
    "Windows-1250 in a name": parted(";").encode("cp1250"),
    "Windows-1250 and commas": ROWS.encode("cp1250"),
    "CR only": ROWS.replace("\n", "\r"),
    "blank lines first": f"\n;;;\n\n{ROWS}".replace(";;;", ",,,"),
    "columns without a name at the end": ROWS.replace("\n", ",,\n"),
    "blank rows at the end": ROWS + ",,,,,\n" * 5 + "\n",
    "a header in capitals": ROWS.replace(HEADER, HEADER.upper()),
    "a header with spaces": ROWS.replace(
        HEADER, ' Source Product,source-variant,source sku,source_name,TARGET_PRODUCT,"target_variant"'
    ),
    "floats of pandas": f"{HEADER}\n12.0,54.0,,x,1001.0,2001.00\n34.0,620000000012345.0,,y,1002.0,\n",
    "formulas that are texts": f'{HEADER}\n="12",="54",,x,="1001",=" 2001"\n{SECOND}\n',
    "apostrophes": f"{HEADER}\n'12,'54,,x,'1001,'2001\n{SECOND}\n",
    "invisible characters": f"{HEADER}\n12\u00a0,54\u200b,,x,\ufeff1001,20\u200b01\n{SECOND}\n",
    "a line break in a name": ROWS.replace("Koszulka", '"Kosz\nulka"'),
    "NUL in a name": ROWS.replace("Koszulka", "Kosz\0ulka"),
    "a quote in a name": ROWS.replace("Koszulka", 'Rura 3/4" stal'),
    "a formula in a name": ROWS.replace("Koszulka", "=A1&B1"),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME.keys())
def test_the_same_map_in_another_dress_is_read_the_same(tmp_path: Path, content: bytes | str) -> None:
    products = read(tmp_path, content)

    first, other = products.find(FIRST), products.find(OTHER)
    assert first is not None
    assert other is not None
    assert (first.product, first.variant, other.product, other.variant) == ("1001", "2001", "1002", "")
    assert len(products.rows) == 2


def row(**cells: str) -> str:
    """A map whose first row has these cells in place of its own."""
    own = {"source_product": "12", "source_variant": "54", "source_name": "x", "target_product": "1001", **cells}
    place = io.StringIO()
    rows = csv.DictWriter(place, HEADER.split(","), lineterminator="\n")
    rows.writeheader()
    rows.writerow(own)
    return place.getvalue()


CHANGED: dict[str, tuple[str, str]] = {
    "rounded": (row(target_product="1.23457E+11"), "2: target_product: '1.23457E+11' is a rounded number"),
    "rounded, with a comma": (row(source_variant="6,2E+14"), "2: source_variant: '6,2E+14' is a rounded number"),
    "rounded to 15 digits": (row(target_product="12345678901234500"), "2: target_product: '12345678901234500' is a r"),
    "a float beyond exactness": (row(target_product="12345678901234567.0"), "is a number with decimals"),
    "a rounded SKU": (row(source_product="", source_variant="", source_sku="1.2E+11"), "2: source_sku: '1.2E+11' is a"),
    "thousands": (row(target_product="1,001"), "is written with a mark between its thousands"),
    "thousands with a dot": (row(target_product="1.001"), "is written with a mark between its thousands"),
    "thousands with a space": (row(target_variant="2\u00a0001"), "is written with a mark between its thousands"),
    "decimals": (row(target_product="1001,5"), "is a number with decimals"),
    "a look-up that failed": (row(target_product="#N/A"), "'#N/A' is a spreadsheet's error"),
    "another one": (row(source_variant="#REF!"), "2: source_variant: '#REF!' is a spreadsheet's error"),
    "NULL": (row(target_variant="NULL"), "2: target_variant: 'NULL' stands for nothing"),
    "nan": (row(target_product="nan"), "2: target_product: 'nan' stands for nothing"),
    "no product": (row(target_product="0"), "2: target_product: '0' is the id of no product"),
    "no variant": (row(target_variant="0.0"), "2: target_variant: '0' is the id of no product"),
    "a zero first": (row(target_product="01001"), "2: target_product: '01001' begins with a zero"),
    "a formula": (row(target_product='=VLOOKUP("a",B:C,2)'), "is a formula; put its value there"),
    "a line break in an id": (row(source_product="12\n13"), "holds a line break"),
    "NUL in an id": (row(target_product="10\0001"), "holds a line break or another character"),
    "the header again": (ROWS + ROWS, "4: the header once more"),
    "a quote inside quotes": (ROWS.replace("Koszulka", '"3/4" stal"'), "2: not CSV: a quote stands inside a cell"),
    "a backslash quote": (ROWS.replace("Koszulka", '"3/4\\" stal"'), "2: not CSV: a quote stands inside a cell"),
    "a quote without end": (ROWS.replace("Koszulka", '"Koszulka'), "2: not CSV: a quote stands inside a cell"),
    "the last quote": (ROWS + '5,6,,"name,7,8\n', "4: not CSV: a cell that begins with a quote has no end"),
    "a cell without end": (ROWS.replace("Koszulka", "x" * 140_000), "2: not CSV: a cell is longer than 131,072"),
    "an index of pandas": (
        ROWS.replace("\n", "\n0,").replace("source_product", ",source_product", 1)[:-2],
        "1: column 1 has no name",
    ),
    "no header": ("12,54,,Koszulka,1001,2001\n", "1: it is not a header"),
    "more cells": (ROWS.replace(",2001", ",2001,x"), "2: 7 cells, but the header has 6"),
    "a time of day": ("source_product,target_product,target_options\n1,2,01:02\n", "'01:02' is a time of day"),
}


@pytest.mark.parametrize(("content", "said"), CHANGED.values(), ids=CHANGED.keys())
def test_what_a_spreadsheet_changed_is_refused_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    found = refusal(tmp_path, content)

    assert said in found
    assert found.startswith("map.csv:")
    assert "\n" not in found


OTHER_KINDS: dict[str, tuple[bytes, str]] = {
    "a workbook": (b"PK\x03\x04" + bytes(range(256)), "is a ZIP archive, or a workbook"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is a document of an old Excel"),
    "a web page": (b"<table><tr><td>12</td></tr></table>", "is a web page or XML"),
    "JSON": (b'[{"source_product": 1}]', "is JSON"),
    "zeros": (bytes(4096), "nothing but NUL bytes"),
    "damaged UTF-16": (ROWS.encode("utf-16")[:-1], "is in UTF-16, and damaged"),
}


@pytest.mark.parametrize(("content", "said"), OTHER_KINDS.values(), ids=OTHER_KINDS.keys())
def test_a_file_that_is_no_table_is_refused_with_its_kind(tmp_path: Path, content: bytes, said: str) -> None:
    found = refusal(tmp_path, content)

    assert found.startswith("product map map.csv ")
    assert said in found


def test_another_encoding_is_refused_where_it_would_be_read(tmp_path: Path) -> None:
    found = refusal(tmp_path, "source_sku,target_product\nkoszulka-żółta,1001\n".encode("cp1250"))

    assert found.startswith("map.csv:2: source_sku is not UTF-8 but in another encoding")


def test_every_changed_row_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadLines) as caught:
        read(tmp_path, f"{HEADER}\n1,,,,0,\n2,,,,#N/A,\n3,,,,7,\n4,,,,1E+12,\n")

    assert [problem.split(":")[1] for problem in caught.value.problems] == ["2", "3", "5"]


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "map.csv").open("wb") as file:
        file.truncate((64 << 20) + 1)

    with pytest.raises(UsageError, match="is larger than 64 MiB"):
        read_map(tmp_path / "map.csv")


CELLS = st.text(st.characters(codec="utf-8"), max_size=12)
DRESS: st.SearchStrategy[Callable[[str], bytes]] = st.sampled_from(
    [str.encode, lambda text: text.encode("utf-8-sig"), lambda text: text.encode("utf-16")]
)


@given(
    names=st.lists(CELLS, max_size=5), delimiter=st.sampled_from(",;\t|"), dress=DRESS, number=st.integers(1, 10**14)
)
def test_names_of_any_text_hide_no_row(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    delimiter: str,
    dress: Callable[[str], bytes],
    number: int,
) -> None:
    place = io.StringIO()
    rows = csv.writer(place, delimiter=delimiter)
    rows.writerow(HEADER.split(","))
    rows.writerows((number + place, "", "", name, place + 1, "") for place, name in enumerate(names))
    path = tmp_path_factory.getbasetemp() / "names.csv"
    path.write_bytes(dress(place.getvalue()))

    products = read_map(path)

    found = [products.find(Item(quantity="1", product=str(number + place))) for place in range(len(names))]
    assert [row and row.product for row in found] == [str(place + 1) for place in range(len(names))]


def test_an_unused_row_names_the_id_that_a_spreadsheet_changed(shop: Cli) -> None:
    item = {"line": "1", "product": "12", "variant": "54", "sku": "00123", "quantity": "1"}
    cart = {"version": 1, "account": "acme", "platform": "3dcart", "id": "c", "items": [item]}
    write_carts(shop.folder / "carts.jsonl", [cart])
    (shop.folder / "map.csv").write_text(
        "source_product,source_variant,source_sku,target_product\n0012,054,,1\n,,123,2\n"
    )

    done = command("convert", "carts.jsonl", "--to", "loja", "--map", "map.csv", "-o", "job.jsonl", folder=shop.folder)

    assert done.code == 2
    assert "map.csv:2: source_product: '0012' variant '054' is in no cart of carts.jsonl" in done.err
    assert "A cart has source_product: '12' variant '54': did a spreadsheet change it?" in done.err
    assert "A cart has source_sku: '00123'" in done.err


@pytest.mark.parametrize(
    "text",
    ["=HYPERLINK(1)", "+5", "-5", "@x", " =1", "\t=1", "\r=1", "\tx", "'=1", "''=1", "'5", "'-x", "5", "x=1", "x", ""],
)
def test_a_cell_of_the_template_is_no_formula_and_is_read_back_as_it_was(text: str) -> None:
    cell = write_text(text)
    assert cell.lstrip(" ")[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert read_text({"source_sku": cell}, "source_sku").strip() == text.strip()
