"""Owns what became of each cart of a migration, in the words of a shop's owner; it does not know how they are shown."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from batchcart.migration.compare import Difference, Hidden
from batchcart.migration.verify import ComparisonRecord
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.model.json_text import UNDECODABLE

Fate = Literal["moved", "moved with losses", "moved, but differs", "not moved", "not known"]
FATES: tuple[Fate, ...] = ("moved", "moved with losses", "moved, but differs", "not moved", "not known")
"""What may become of a cart, the best first."""

_WORDS = {
    "items": "an item", "items.unit_price": "the price of an item", "items.quantity": "the quantity of an item",
    "items.options": "an option of an item", "items.note": "the note on an item", "items.sku": "the SKU of an item",
    "items.name": "the name of an item", "items.added": "when an item was added", "items.variant": "a variant",
    "items.tax_rate": "the tax of an item", "customer.id": "the customer's number", "customer.email": "the e-mail",
    "discounts": "discounts", "created": "when the cart was made", "updated": "when the cart was changed",
    "expires": "when the cart expires", "currency": "the currency", "shipping": "the shipping choice",
}  # fmt: skip


_LACKING = re.compile(r"the product map lacks ([\d,]+) of its products")
_DOUBTFUL = re.compile(r"line \d+ of the job is in doubt")
_REFUSED = re.compile(r"line \d+ of the job did not create it \(\w+\): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CartOutcome:
    """What became of a cart: its keys in both shops, and in plain words what it lost, what differs, or why not.

    ``lost`` are sentences with the values and the reasons, ``lost_fields`` what they are about.
    """

    old_key: str
    new_key: str
    fate: Fate
    lost: Sequence[str] = ()
    lost_fields: Sequence[str] = ()
    differs: Sequence[str] = ()
    why: str = ""


@dataclass(slots=True)
class OutcomeCounts:
    """Carts by what became of them, and by what they lost and why."""

    fates: Counter[Fate] = field(default_factory=Counter)
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def plain_field(name: str) -> str:
    """A field of a cart in plain words."""
    field_name = "".join(part.partition("]")[2] if index else part for index, part in enumerate(name.split("[")))
    head, _, rest = field_name.partition(".")
    if head in {"billing", "shipment"}:
        return f"the {head} address: {rest.replace('_', ' ') or 'all'}"
    if field_name not in _WORDS and head == "shipping":
        return _WORDS["shipping"]
    return _WORDS.get(field_name, field_name.replace("_", " ").replace(".", ": "))


def read_outcomes(parity: Path) -> Iterator[CartOutcome]:
    """What became of each cart, as verifying found it; raises UsageError where the file is not what it wrote."""
    for _, record in _records(parity):
        yield CartOutcome(
            record.cart,
            record.cart_id or "",
            _fate(record),
            _losses(record.not_carried),
            list(dict.fromkeys(plain_field(one.field) for one in record.not_carried)),
            [_differs(one) for one in record.different],
            plain_reason(record.why),
        )


def count_outcomes(parity: Path) -> OutcomeCounts:
    """All of them counted; a field counts once a cart."""
    counts = OutcomeCounts()
    for _, record in _records(parity):
        counts.fates[_fate(record)] += 1
        counts.losses.update({_loss(one) for one in record.not_carried})
        if record.status in {"missing", "cannot be read"}:
            counts.reasons[plain_reason(record.why)] += 1
    return counts


def plain_reason(why: str) -> str:
    """Why a cart was not made, for somebody who knows shops and no jobs."""
    if found := _LACKING.fullmatch(why):
        some = "one of its products" if found[1] == "1" else f"{found[1]} of its products"
        return f"nobody said what stands for {some} in the new shop"
    if _DOUBTFUL.match(why):
        return "nobody can say whether it was made: the new shop has to be looked at"
    if found := _REFUSED.fullmatch(why):
        return f"the new shop did not make it: {found[1]}"
    return why


def _losses(lost: Sequence[Hidden]) -> list[str]:
    """Sentences; what several items lose for one reason is one."""
    values: dict[tuple[str, str], list[str]] = {}
    for one in lost:
        values.setdefault((plain_field(one.field), one.why), []).append(one.value)
    return [f"{words} ({', '.join(found)}): {why}" for (words, why), found in values.items()]


def _loss(one: Hidden) -> tuple[str, str]:
    return plain_field(one.field), one.why


def _fate(record: ComparisonRecord) -> Fate:
    match record.status:
        case "equal":
            return "moved with losses" if record.not_carried else "moved"
        case "different":
            return "moved, but differs"
        case "missing":
            return "not moved"
        case _:
            return "not known"


def _differs(one: Difference) -> str:
    return f"{plain_field(one.field)}: {one.source or 'nothing'} in the old shop, {one.target or 'nothing'} in the new"


def _records(parity: Path) -> Iterator[tuple[int, ComparisonRecord]]:
    decode = msgspec.json.Decoder(ComparisonRecord).decode
    for number, text in enumerate(lines_of(parity), 1):
        try:
            yield number, decode(text)
        except UNDECODABLE as error:
            raise UsageError(f"{parity}:{number}: not a line of a parity report: {error}") from None
