"""Owns the product map: which of the target's products stands for which of the source's; it knows no carts files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from batchcart.jobs.csv_table import Table, read_table
from batchcart.migration.map_cell import read_id, read_sku, read_text
from batchcart.migration.parts import require_migration
from batchcart.model.adapter import Adapter
from batchcart.model.cart import Cart, Item, Loss, Option
from batchcart.model.errors import BadLines, UsageError, quote
from batchcart.model.validation import validation_errors

COLUMNS = (
    "source_product",
    "source_variant",
    "source_options",
    "source_sku",
    "source_name",
    "target_product",
    "target_variant",
    "target_options",
)
"""The columns in the template's order; source_name is only for the reader."""

_SHOWN = 20
_OPTION = re.compile(r"\s*([^:=|\s]+):([^:=|\s]+?)\s*(?:=(.*))?")

_CLOCK = re.compile(r"\d?\d:0\d(?::00)?|0\d:\d\d(?::00)?")

ProductKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapRow:
    """A row of the map: its line in the file, and what stands for the source's product.

    ``for_options`` are the item's options that it looks for; ``options`` stand for them in the same order.
    """

    line: int
    product: str = ""
    variant: str = ""
    options: tuple[Option, ...] = ()
    for_options: tuple[Option, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the row is one that nobody has filled in yet."""
        return not (self.product or self.variant or self.options)


@dataclass(frozen=True, slots=True)
class ProductMap:
    """The rows by what they look for: product, variant and options together, a variant alone, or an SKU alone."""

    path: Path
    rows: Mapping[ProductKey, MapRow]

    def find(self, item: Item) -> MapRow | None:
        """The row for an item: by its ids with its options, by its ids, by its variant alone, then by its SKU."""
        options = options_key(item.options)
        for key in (
            ("ids", item.product, item.variant, options),
            ("ids", item.product, item.variant, ""),
            ("ids", "", item.variant, "") if item.variant else (),
            ("sku", item.sku) if item.sku else (),
        ):
            if key in self.rows:
                return self.rows[key]
        return None


def map_item(item: Item, row: MapRow, index: int) -> tuple[Item, list[Loss]]:
    """The item as the target's product, and what of its options the row has nothing for.

    Options are keys of the source shop, so only the map brings new ones; a text that goes with one goes along.
    """
    path, options, losses = f"items[{index}].options", list(row.options), []
    order = [(option.set, option.id) for option in row.for_options]
    for option in item.options:
        place = order.index((option.set, option.id)) if row.for_options else 0
        if not row.for_options:
            losses.append(Loss(path, option_text(option), "the product map names no option for it"))
        elif option.value and place < len(options):
            options[place] = structs.replace(options[place], value=options[place].value or option.value)
        elif option.value:
            losses.append(Loss(path, option_text(option), "the product map has no option to take its text"))
        if row.for_options:
            order[place] = "", ""  # one option may be chosen twice
    return structs.replace(item, product=row.product, variant=row.variant, options=tuple(options)), losses


def option_text(option: Option) -> str:
    """An option as the map's columns write it."""
    return f"{option.set}:{option.id}" + (f"={option.value}" if option.value else "")


def read_map(path: Path) -> ProductMap:
    """The map at ``path``; raises UsageError, or BadLines with every row that is wrong."""
    rows: dict[ProductKey, MapRow] = {}
    found: list[str] = []
    table = read_table(path, "product map", COLUMNS, free=("source_name",))
    _check_columns(path, table)
    for line, cells in table.rows:
        try:
            key, row = _key(cells), _row(line, cells)
        except ValueError as error:
            found.append(f"{path}:{line}: {error}")
            continue
        if key in rows:
            named = next(name for name in COLUMNS if cells.get(name))
            found.append(f"{path}:{line}: {named}: {quote(cells[named])} is mapped on line {rows[key].line} already")
        else:
            rows[key] = row
    if found:
        raise BadLines(found[:_SHOWN], len(found))
    return ProductMap(path, rows)


def options_key(options: Sequence[Option]) -> str:
    """What tells a choice of options from another: the ids, whatever their order."""
    return " | ".join(sorted(f"{option.set}:{option.id}" for option in options))


def check_targets(products: ProductMap, adapter: Adapter, currency: str | None) -> None:
    """Raises BadLines where a row names what the target's field tables do not take, such as letters for a number."""
    found = []
    for row in products.rows.values():
        if row.empty or not (wrong := _wrong_target(row, adapter, currency)):
            continue
        column, why = wrong
        found.append(f"{products.path}:{row.line}: {column}: {why}")
    if found:
        raise BadLines(found[:_SHOWN], len(found))


def _wrong_target(row: MapRow, adapter: Adapter, currency: str | None) -> tuple[str, str] | None:
    if not (why := _why_refused(row, adapter, currency)):
        return None
    for column, mended in (
        ("target_product", MapRow(row.line, "1", row.variant, row.options)),
        ("target_variant", MapRow(row.line, row.product, "1", row.options)),
        ("target_variant", MapRow(row.line, row.product, "", row.options)),
        ("target_options", MapRow(row.line, row.product, row.variant)),
    ):
        if not _why_refused(mended, adapter, currency):
            return column, why.partition(": ")[2]
    return "target_product", why


def _why_refused(row: MapRow, adapter: Adapter, currency: str | None) -> str:
    item = Item(quantity="1", product=row.product, variant=row.variant, options=row.options)
    cart = Cart(version=1, account="a", platform="a", id="a", items=(item,))
    making = require_migration(adapter).from_neutral(cart, currency)
    for loss in making.losses:
        return f"{loss.field}: {loss.why}, found {quote(loss.value)}"
    for template in making.operations:
        table = adapter.operations[template.kind].data_schema
        for problem in validation_errors(template.data, table, "data") if table else []:
            return problem
    return ""


def _check_columns(path: Path, table: Table) -> None:
    for prefix in ("source", "target"):
        keys = [name for name in COLUMNS if name.startswith(prefix) and not name.endswith(("options", "name"))]
        if not set(keys) & set(table.columns):
            raise UsageError(f"{path}:{table.line}: the header has none of {', '.join(keys)}")


def _key(cells: Mapping[str, str]) -> ProductKey:
    product, variant = read_id(cells, "source_product"), read_id(cells, "source_variant")
    if product or variant:
        return "ids", product, variant, options_key(_options(cells, "source_options"))
    if sku := read_sku(cells):
        return "sku", sku
    raise ValueError("source_product: missing; a row names source_product, source_variant or source_sku")


def _row(line: int, cells: Mapping[str, str]) -> MapRow:
    return MapRow(
        line,
        read_id(cells, "target_product"),
        read_id(cells, "target_variant"),
        _options(cells, "target_options"),
        for_options=_options(cells, "source_options"),
    )


def _options(cells: Mapping[str, str], column: str) -> tuple[Option, ...]:
    text = read_text(cells, column)
    options = []
    for part in text.split("|") if text else []:
        if _CLOCK.fullmatch(part.strip()):
            raise ValueError(f"{column}: {quote(part.strip())} is a time of day; a spreadsheet made it of SET:ID")
        match = _OPTION.fullmatch(part)
        if match is None:
            raise ValueError(
                f"{column}: expected SET:ID or SET:ID=TEXT, several parted by |, found {quote(part.strip())}"
            )
        options.append(Option(set=match[1], id=match[2], value=(match[3] or "").strip()))
    return tuple(options)
