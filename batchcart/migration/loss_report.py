"""Owns the loss report: what carts lose on their way, per cart in a file and per field in a table."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from batchcart.migration.product_map_template import Product
from batchcart.model.cart import Cart, Loss
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.model.json_text import UNDECODABLE

_NUMBER = re.compile(r"\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class LossRow:
    """A line of the table: a field, why it is not carried, and in how many carts."""

    field: str
    why: str
    carts: int


@dataclass(slots=True)
class LossReport:
    """The report under way: ``file`` takes a line for each cart that loses something or is stopped."""

    file: IO[bytes]
    carts: int = 0
    _unread: Counter[str] = field(default_factory=Counter)
    _fields: Counter[tuple[str, str]] = field(default_factory=Counter)
    _unmapped: Counter[Product] = field(default_factory=Counter)

    def add_losses(self, line: int, cart: Cart, losses: Sequence[Loss]) -> None:
        """Note what a converted cart loses, and what of it nobody knows."""
        self._unread.update(cart.unread)
        if losses:
            self.carts += 1
            self._count(losses)
            self._write(line, cart, "converted", losses)

    def add_stopped(
        self, line: int, cart: Cart, why: str, losses: Sequence[Loss], unmapped: Mapping[Product, str]
    ) -> None:
        """Note that a cart is not converted at all; ``unmapped`` products come with their names."""
        self._unmapped.update(unmapped.keys())
        products = [
            dict(zip(("product", "variant", "options", "sku", "name"), (*one, name), strict=True))
            for one, name in unmapped.items()
        ]
        listed = [{name: text for name, text in product.items() if text} for product in products]
        self._write(line, cart, "stopped", losses, why=why, **({"unmapped": listed} if listed else {}))

    def table(self) -> list[LossRow]:
        """What is not carried, the most frequent first."""
        found = sorted(self._fields.items(), key=lambda each: (-each[1], each[0]))
        return [LossRow(name, why, count) for (name, why), count in found]

    def unread(self) -> list[tuple[str, int]]:
        """The fields that sources did not show, each with the number of converted carts."""
        return sorted(self._unread.items())

    def list_unmapped(self) -> list[tuple[Product, int]]:
        """The products that the map lacks, each with the number of carts it stops, the most frequent first."""
        return sorted(self._unmapped.items(), key=lambda each: (-each[1], each[0]))

    def _count(self, losses: Sequence[Loss]) -> None:
        self._fields.update({(_NUMBER.sub("[]", loss.field), _NUMBER.sub("[]", loss.why)) for loss in losses})

    def _write(self, line: int, cart: Cart, status: str, losses: Sequence[Loss], **more: Any) -> None:
        entry = {"line": line, "account": cart.account, "cart": cart.id, "status": status, **more, "losses": losses}
        self.file.write(msgspec.json.encode(entry) + b"\n")


def losses_path(job: Path) -> Path:
    """Where the loss report of a job lies: beside it."""
    return job.with_name(f"{job.name.removesuffix('.jsonl')}.losses.jsonl")


class _UnmappedProduct(msgspec.Struct):
    name: str = ""
    product: str = ""
    variant: str = ""
    options: str = ""
    sku: str = ""


class _Loss(msgspec.Struct):
    field: str
    why: str


class _LossLine(msgspec.Struct):
    """What is read of a line of the report."""

    status: str
    unmapped: list[_UnmappedProduct] = []
    losses: list[_Loss] = []


@dataclass(frozen=True, slots=True)
class LossTables:
    """A report counted: what converted carts lose, and the products that the map lacks, with names and carts."""

    losses: Sequence[LossRow]
    unmapped: Sequence[tuple[Product, str, int]]


def count_losses(report: Path) -> LossTables:
    """The report of a job counted; nothing where there is none. Raises UsageError where it is not what was written."""
    lost: Counter[tuple[str, str]] = Counter()
    unmapped: Counter[Product] = Counter()
    names: dict[Product, str] = {}
    for number, text in enumerate(lines_of(report) if report.exists() else (), 1):
        try:
            line = msgspec.json.decode(text, type=_LossLine)
        except UNDECODABLE as error:
            raise UsageError(f"{report}:{number}: not a line of a loss report: {error}") from None
        if line.status == "converted":
            lost.update({(_NUMBER.sub("[]", one.field), _NUMBER.sub("[]", one.why)) for one in line.losses})
        found = {(one.product, one.variant, one.options, one.sku): one.name for one in line.unmapped}
        names |= found
        unmapped.update(found.keys())
    rows = [LossRow(name, why, carts) for (name, why), carts in sorted(lost.items(), key=lambda one: (-one[1], one[0]))]
    ranked = sorted(unmapped.items(), key=lambda one: (-one[1], one[0]))
    return LossTables(rows, [(product, names[product], carts) for product, carts in ranked])
