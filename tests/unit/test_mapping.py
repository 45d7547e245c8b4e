"""The product map: how it is read, what it finds, what of it is refused, and its template."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platform_parts import MOVABLE

from batchcart.migration.product_map import check_targets, map_item, read_map
from batchcart.migration.product_map_template import ProductCollector, write_template
from batchcart.model.cart import Item, Option
from batchcart.model.errors import BadLines, UsageError
from batchcart.platforms import load_adapters

HEADER = "source_product,source_variant,source_options,source_sku,target_product,target_variant,target_options"


def wrote(folder: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path = folder / "products.csv"
    path.write_bytes(text.encode(encoding))
    return path


def item(product: str = "", variant: str = "", sku: str = "", *options: Option) -> Item:
    return Item(quantity="1", product=product, variant=variant, sku=sku, options=options)


def test_a_product_is_found_by_its_ids_its_variant_or_its_sku(tmp_path: Path) -> None:
    rows = ["12,54,,,100,200,", ",55,,,101,201,", ",,,t-1,102,202,", "12,,,,103,,"]
    products = read_map(wrote(tmp_path, "\n".join([HEADER, *rows])))

    def found(wanted: Item) -> str | None:
        row = products.find(wanted)
        return None if row is None else row.product

    assert found(item("12", "54", "t-1")) == "100"
    assert found(item("99", "55", "t-1")) == "101"
    assert found(item("99", "99", "t-1")) == "102"
    assert found(item("12", "")) == "103"
    assert found(item("12", "99")) is None
    assert found(item("", "", "")) is None


def test_excels_mark_and_semicolons_are_taken(tmp_path: Path) -> None:
    text = HEADER.replace(",", ";") + '\r\n12;54;;"a;b";100;200;\r\n;;;;;;\r\n'

    products = read_map(wrote(tmp_path, text, encoding="utf-8-sig"))

    row = products.find(item("12", "54"))
    assert row is not None
    assert (row.line, row.product, row.variant) == (2, "100", "200")
    assert len(products.rows) == 1


def test_columns_may_be_left_out_and_stand_in_any_order(tmp_path: Path) -> None:
    products = read_map(wrote(tmp_path, "target_product,source_sku\n7,a-1\n"))

    row = products.find(item("1", "2", "a-1"))
    assert row is not None
    assert row.product == "7"


RED, BIG = Option(set="15", id="47", value="czerwony"), Option(set="99", id="91")


def test_options_are_found_whatever_their_order_and_their_text_goes_along(tmp_path: Path) -> None:
    rows = ["5,,15:47 | 99:91,,100,,1:2|3:4=grande", "5,,,,101,,"]
    products = read_map(wrote(tmp_path, "\n".join([HEADER, *rows])))

    both, alone = item("5", "", "", BIG, RED), item("5", "", "", RED)
    row, other = products.find(both), products.find(alone)
    assert row is not None
    assert other is not None
    made, losses = map_item(both, row, 0)
    assert (made.product, made.options, losses) == (
        "100",
        (Option(set="1", id="2", value="czerwony"), Option(set="3", id="4", value="grande")),
        [],
    )
    made, losses = map_item(alone, other, 3)
    assert (made.product, made.options) == ("101", ())
    assert [(loss.field, loss.value) for loss in losses] == [("items[3].options", "15:47=czerwony")]


def test_a_text_that_no_option_takes_is_a_loss(tmp_path: Path) -> None:
    products = read_map(wrote(tmp_path, f"{HEADER}\n5,,15:47,,100,200,\n"))
    wanted = item("5", "", "", RED)
    row = products.find(wanted)
    assert row is not None

    made, losses = map_item(wanted, row, 0)

    assert (made.variant, made.options) == ("200", ())
    assert losses[0].why == "the product map has no option to take its text"


BAD = [
    ("product,target_product\n1,2\n", 1, "'product' is not a column of a product map"),
    ("source_sku,target_prodct\n1,2\n", 1, "did you mean 'target_product'?"),
    ("source_sku,source_sku,target_product\n", 1, "the column source_sku is there twice"),
    ("source_sku,source_name\n", 1, "the header has none of target_product, target_variant"),
    ("target_product\n", 1, "the header has none of source_product, source_variant, source_sku"),
    ("", 1, "the header has none of"),
    (f"{HEADER}\n12,54,,,1,2,\n12,54,,x,3,4,\n", 3, "source_product: '12' is mapped on line 2 already"),
    (f"{HEADER}\n,,,x,1,2,\n,,,x,3,4,\n", 3, "source_sku: 'x' is mapped on line 2 already"),
    (f"{HEADER}\n5,,1:2|3:4,,1,2,\n5,,3:4|1:2,,1,2,\n", 3, "source_product: '5' is mapped on line 2 already"),
    (f"{HEADER}\n,,,,1,2,\n", 2, "source_product: missing"),
    (f"{HEADER}\n1,,red,,1,2,\n", 2, "source_options: expected SET:ID or SET:ID=TEXT"),
    (f"{HEADER}\n1,,,,1,2,1-2\n", 2, "target_options: expected SET:ID or SET:ID=TEXT"),
    (f'{HEADER}\n"1\n",,,,1,2,\n1,,,,1,2,\n', 4, "source_product: '1' is mapped on line 2 already"),
    (f"{HEADER}\n1,2,3,4,5,6,7,8\n", 2, "8 cells, but the header has 7"),
]


@pytest.mark.parametrize(("text", "line", "sentence"), BAD, ids=[sentence[:40] for *_, sentence in BAD])
def test_a_bad_map_is_told_with_line_and_field(text: str, line: int, sentence: str, tmp_path: Path) -> None:
    path = wrote(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        read_map(path)

    assert f"{path}:{line}: " in str(caught.value)
    assert sentence in str(caught.value)


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    path = wrote(tmp_path, HEADER + "\n1,,,,1,,\n1,,,,1,,\n,,,,1,,\n1,,,,2,,\n")

    with pytest.raises(BadLines) as caught:
        read_map(path)

    assert caught.value.total == 3


def test_a_file_that_is_no_map_is_told_in_words(tmp_path: Path) -> None:
    for path, sentence in (
        (tmp_path / "none.csv", "does not exist; --map-template"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(UsageError, match=sentence):
            read_map(path)
    with pytest.raises(UsageError, match=r"products.csv:2: not CSV: a cell that begins with a quote has no end"):
        read_map(wrote(tmp_path, f'{HEADER}\n"1,2\n'))


_CELLS = st.lists(
    st.sampled_from([*HEADER.split(","), "", "1", "a:b", "1:2=x|", '"', "\n", ";", "\0", "ł"]), max_size=12
)


@given(rows=st.lists(_CELLS.map(",".join), max_size=4), garbage=st.binary(max_size=8))
def test_no_bytes_make_reading_a_map_stumble(
    rows: list[str], garbage: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes("\n".join(rows).encode() + garbage)

    with contextlib.suppress(UsageError):
        products = read_map(path)
        for platform in MOVABLE:
            check_targets(products, load_adapters()[platform], "EUR")


@pytest.mark.parametrize(
    ("platform", "row", "sentence"),
    [
        (
            "tray",
            "1,,,,12a,,",
            'target_product: expected a whole number of at least 0 or a whole number in quotes, found "12a"',
        ),
        ("tray", "1,,,,12,red,", "target_variant: expected a whole number"),
        ("tray", "1,,,,12,,1:2", "target_options: Tray takes a variant"),
        (
            "shoplo",
            "1,,,,12,,",
            'target_variant: expected a whole number of at least 0 or a whole number in quotes, found ""',
        ),
        ("3dcart", "1,,,,,7,", "target_product: "),
        ("3dcart", "1,,,,5,7,", "target_variant: 3dcart knows options instead of variants"),
        ("3dcart", "1,,,,5,,red:1", "target_options: 3dcart takes the numbers of an option set and an option"),
    ],
)
def test_a_target_that_the_platform_cannot_take_is_refused(
    platform: str, row: str, sentence: str, tmp_path: Path
) -> None:
    path = wrote(tmp_path, f"{HEADER}\n{row}\n")

    with pytest.raises(BadLines) as caught:
        check_targets(read_map(path), load_adapters()[platform], "EUR")

    assert f"{path}:2: {sentence}" in str(caught.value)


def test_rows_that_nobody_filled_in_are_no_error(tmp_path: Path) -> None:
    products = read_map(wrote(tmp_path, f"{HEADER}\n1,,,,,,\n"))

    check_targets(products, load_adapters()["tray"], "BRL")

    row = products.find(item("1"))
    assert row is not None
    assert row.empty


def test_the_template_lists_each_product_once_and_keeps_what_is_filled_in(tmp_path: Path) -> None:
    rows = "5,,15:47,,100,,1:2=x\n6,,99:91 | 15:47,,101,,3:4 | 1:2\n"
    products = read_map(wrote(tmp_path, f"{HEADER}\n{rows}"))
    seen = ProductCollector(products)
    for each in (
        Item(quantity="1", product="5", sku="a", name="Blusa, ação", options=(RED,)),
        Item(quantity="2", product="5", sku="b", name="another word", options=(RED,)),
        Item(quantity="2", sku="only-sku", name="=1+1"),
        Item(quantity="1", product="6", options=(RED, BIG)),
    ):
        seen.see(each)
    path = tmp_path / "template.csv"

    write_template(path, seen)

    header, first, second, third = path.read_text(encoding="utf-8-sig").splitlines()
    assert header.split(",")[0] == "source_product"
    assert first == '5,,15:47,a,"Blusa, ação",100,,1:2=x'
    assert second == ",,,only-sku,'=1+1,,,"
    assert third == "6,,99:91 | 15:47,,,101,,3:4 | 1:2", "each target option beside the one it stands for"
    assert len(read_map(path).rows) == 3
    write_template(path, seen)
    path.write_text("filled in by hand\n")
    with pytest.raises(UsageError, match="already exists and was not overwritten"):
        write_template(path, seen)
    assert path.read_text() == "filled in by hand\n"
