"""Owns the map's template: a CSV file with all products seen, to be filled in; it does not read maps."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batchcart.migration.product_map import COLUMNS, ProductMap, option_text, options_key
from batchcart.model.cart import Item
from batchcart.model.errors import UsageError
from batchcart.model.files import writing_new
from batchcart.sheets.cell_text import write_text

Product = tuple[str, str, str, str]
"""What tells products apart: product, variant and options, or where there are no ids the SKU."""


@dataclass(slots=True)
class ProductCollector:
    """The products of the carts that came by, with the first of their SKUs and names, and what the map says of them."""

    products: ProductMap | None = None
    named: dict[Product, tuple[str, str]] = field(default_factory=dict)
    targets: dict[Product, tuple[str, str, str]] = field(default_factory=dict)
    orders: dict[Product, str] = field(default_factory=dict)

    def see(self, item: Item) -> Product:
        """Note the item's product."""
        ids = (item.product, item.variant, options_key(item.options))
        product = (*ids, "" if item.product or item.variant else item.sku)
        if product not in self.named:
            self.named[product] = item.sku, item.name
            if self.products is not None and (row := self.products.find(item)):
                self.targets[product] = (row.product, row.variant, " | ".join(map(option_text, row.options)))
                self.orders[product] = " | ".join(map(option_text, row.for_options))
        return product


def write_template(path: Path, seen: ProductCollector) -> None:
    """Write the template, with what the map has already filled in; raises UsageError where another file is there."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(seen))
    content = text.getvalue().encode("utf-8-sig")  # the mark tells Excel that it is UTF-8
    try:
        if not path.exists():
            with writing_new(path) as file:
                file.write(content)
        elif not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
            raise UsageError(f"{path} already exists and was not overwritten; choose another name for the template")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _rows(seen: ProductCollector) -> Iterator[tuple[str, ...]]:
    for product, (sku, name) in seen.named.items():
        options = seen.orders.get(product) or product[2]
        cells = (*product[:2], options, sku, name, *seen.targets.get(product, ("", "", "")))
        yield tuple(map(write_text, cells))
