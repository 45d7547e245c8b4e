"""Owns telling from a cart's ended lines what the run left in it; it does not know what the shop holds now."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from batchcart.model.adapter import Adapter
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.undo.model import (
    CartEffects,
    CompletedLine,
    DiscountSet,
    FieldChanged,
    Irreversible,
    ItemAdded,
    KeptReason,
    QuantityChanged,
    RunEffect,
)

_CART_GET, _ITEM_GET = OperationKind.CART_GET, OperationKind.ITEM_GET
_NO_JOB = "the job is not there any more, or not what it was, so what the line said is not known"


def summarize(entries: Iterable[CompletedLine], adapter: Adapter) -> CartEffects:
    """What the run left in the cart, from its lines in the order in which they ended."""
    history = CartHistory(adapter)
    for ended in entries:
        history.apply(ended)
    return history.effects_left()


@dataclass(slots=True)
class _Item:
    """What the run did to an item of a cart that was there before; ``before`` None: not known."""

    line: int
    op: OperationKind
    added: bool
    before: Decimal | None
    again: list[tuple[int, OperationKind]] = field(default_factory=list)


@dataclass(slots=True)
class _Field:
    line: int
    before: bytes | None
    after: bytes


@dataclass(slots=True)
class CartHistory:
    """One cart's lines, taken in one after the other. ``known`` and ``fields`` are what the run knows of the cart."""

    adapter: Adapter
    cart_id: str | None = None
    made: tuple[int, OperationKind] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    known: dict[str, Decimal] = field(default_factory=dict)
    fields: dict[str, bytes] = field(default_factory=dict)
    items: dict[str, _Item] = field(default_factory=dict)
    written: dict[str, _Field] = field(default_factory=dict)
    read: dict[str, bytes] | None = None  # the fields before the first update
    discounts: dict[str | None, int] = field(default_factory=dict)
    discounts_removed: set[str] = field(default_factory=set)
    kept: list[Irreversible] = field(default_factory=list)
    ambiguous: bool = False

    def apply(self, ended: CompletedLine) -> None:
        """Take in how a line ended."""
        self.cart_id = self.cart_id or ended.cart_id
        before, all_known = self._quantity_of(ended.item_id), lines.knows_all(self.facts)
        told = self._take_in(ended)
        match ended.status:
            case Status.OK:
                self._apply_done(ended, before=before, all_known=all_known)
                self.ambiguous |= (
                    self._adds(ended.kind) and not told
                )  # settled by hand: nobody knows how many there are
            case Status.IN_DOUBT:
                self._doubt(ended)
            case Status.FAILED | Status.SKIPPED:
                pass

    def effects_left(self) -> CartEffects:
        """What all of it comes to."""
        return CartEffects(
            cart_id=self.cart_id,
            made=self.made,
            effects=tuple(sorted(self._effects(), key=lambda effect: effect.line)),
            kept=(*self._unknown(), *self.kept),
            lines=self.known,
            complete=lines.knows_all(self.facts),
            unsure=self.ambiguous,
            freed=frozenset(self.discounts_removed),
            others={name: text for name, text in (self.read or {}).items() if name not in self.written},
        )

    def _adds(self, kind: OperationKind) -> bool:
        return kind is OperationKind.ITEM_ADD or (kind is OperationKind.CART_CREATE and self.adapter.create_adds_item)

    def _take_in(self, ended: CompletedLine) -> bool:
        """Facts about the cart's lines, if there are any; a list of all of them takes the place of what was known.

        In a cart that the run made, lines that only such a list tells of are not the run's own, and so not known.
        """
        told = lines.parse_facts(ended.facts)
        strangers: set[str] = set()
        if lines.knows_all(ended.facts):
            if self.made is not None and ended.item_id in told:
                strangers = {*told} - {*self.known, ended.item_id}
            self.known.clear()
        for key, line in told.items():
            if line is None:
                self.known.pop(key, None)
            elif key not in strangers:
                self.known[key] = line.quantity
        for name, value in ended.facts.items():
            if value is None:
                self.facts.pop(name, None)
            else:
                self.facts[name] = value
        return bool(told)

    def _doubt(self, ended: CompletedLine) -> None:
        self.ambiguous = True
        if self.made is None:
            item = None if self._may_spread(ended) else ended.item_id
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.IN_DOUBT, ended.doubt, item))

    def _may_spread(self, ended: CompletedLine) -> bool:
        """Whether a line about one item may have changed all of the cart."""
        if ended.kind is not OperationKind.DISCOUNT_SET or self.adapter.snapshot is None:
            return False
        return ended.said is None or self.adapter.snapshot.spreads(ended.said)

    def _apply_done(self, ended: CompletedLine, *, before: Decimal | None, all_known: bool) -> None:
        reader = self.adapter.snapshot
        if reader and self.made is None and ended.body and ended.kind in {_CART_GET, _ITEM_GET}:
            shown = reader.read(ended.body)
            self.known.update(shown.lines or {})
            self.fields.update(shown.fields)
        if self._makes_cart(ended):
            self._begin_anew()
            self.made = ended.line, ended.kind
        elif ended.kind is OperationKind.CART_DELETE:
            self._apply_cart_delete(ended)
        elif self.made is not None:
            self._requantify(ended)  # the whole cart goes, whatever was done to it
        else:
            self._apply_to_old_cart(ended, before=before, all_known=all_known)

    def _apply_to_old_cart(self, ended: CompletedLine, *, before: Decimal | None, all_known: bool) -> None:
        match ended.kind:
            case OperationKind.CART_CREATE | OperationKind.ITEM_ADD:
                self._apply_item_add(ended, before, all_known=all_known)
            case OperationKind.CART_UPDATE:
                self._apply_cart_update(ended)
            case OperationKind.ITEM_UPDATE:
                self._requantify(ended)
                self._apply_item_update(ended, before)
            case OperationKind.ITEM_DELETE:
                self._apply_item_delete(ended)
            case OperationKind.DISCOUNT_SET:
                self._apply_discount(ended)
            case OperationKind.DISCOUNT_DELETE:
                self._apply_discount_delete(ended)
            case _:  # reads
                pass

    def _makes_cart(self, ended: CompletedLine) -> bool:
        """Whether the line made the cart: its key is the run's own, or the cart then held nothing but what it added."""
        if ended.kind is OperationKind.CART_CREATE and ended.fresh:
            return True
        if self.made is not None or not (self.adapter.create_adds_item and ended.kind.creates_item):
            return False
        if not lines.knows_all(self.facts) or len(self.known) != 1:
            return False
        ((key, quantity),) = self.known.items()
        return key == ended.item_id or quantity == self._quantity(ended)

    def _quantity(self, ended: CompletedLine) -> Decimal | None:
        """How many the line said, None where that is not known."""
        if ended.said is None:
            return None
        raw = msgspec.json.decode(ended.said, type=dict[str, msgspec.Raw]).get(self.adapter.keys.quantity)
        quantity = lines.amount(bytes(raw or b"").decode().strip('"'))
        return None if quantity.is_nan() else quantity

    def _begin_anew(self) -> None:
        """What was done to the cart before does not matter any more, but for what cannot come back."""
        for of_cart in (self.items, self.written, self.discounts, self.discounts_removed, self.fields):
            of_cart.clear()
        self.read = None
        self.kept = [kept for kept in self.kept if kept.op in {OperationKind.CART_DELETE, OperationKind.ITEM_DELETE}]
        self.ambiguous = False

    def _apply_cart_delete(self, ended: CompletedLine) -> None:
        self._begin_anew()
        self.known.clear()
        if self.made is None:
            why = "a cart that was deleted does not come back: a new one would have other ids"
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.IMPOSSIBLE, why))
        self.made = None

    def _apply_item_add(self, ended: CompletedLine, before: Decimal | None, *, all_known: bool) -> None:
        key = ended.item_id
        if OperationKind.ITEM_DELETE not in self.adapter.operations:
            why = f"{self.adapter.name} has no item.delete, and the cart was there before the run"
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.IMPOSSIBLE, why, key))
        elif key is None:
            why = "its result does not name the item that it created"
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.UNKNOWN, why))
        elif key in self.items:
            self.items[key].again.append((ended.line, ended.kind))
        else:
            before = before if before is not None or all_known else self._quantity_before(ended, key)
            self.items[key] = _Item(ended.line, ended.kind, before is None, before)

    def _quantity_before(self, ended: CompletedLine, key: str) -> Decimal | None:
        """What the line held before, if the shop put what was added into a line that was there."""
        now, added = self._quantity_of(key), self._quantity(ended)
        if now is None or added is None or not now > added:
            return None
        return now - added

    def _quantity_of(self, key: str | None) -> Decimal | None:
        """How many the item holds, None where that is not known or was no number."""
        quantity = self.known.get(key or "")
        return None if quantity is None or quantity.is_nan() else quantity

    def _apply_item_update(self, ended: CompletedLine, before: Decimal | None) -> None:
        key = ended.item_id or ""
        if key in self.items:
            self.items[key].again.append((ended.line, ended.kind))
        else:
            self.items[key] = _Item(ended.line, ended.kind, added=False, before=before)

    def _requantify(self, ended: CompletedLine) -> None:
        """An update says how many the item holds now, also of an item that no fact tells of."""
        if ended.kind is OperationKind.ITEM_UPDATE and (quantity := self._quantity(ended)) is not None:
            self.known[ended.item_id or ""] = quantity

    def _apply_item_delete(self, ended: CompletedLine) -> None:
        key = ended.item_id or ""
        self.known.pop(key, None)
        self.discounts.pop(key, None)
        item = self.items.pop(key, None)
        if item is None or not item.added:
            why = "an item that was deleted does not come back: a new one would have another id"
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.IMPOSSIBLE, why, key))

    def _apply_cart_update(self, ended: CompletedLine) -> None:
        if ended.said is None:
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.UNKNOWN, _NO_JOB))
            return
        said = msgspec.json.decode(ended.said, type=dict[str, msgspec.Raw])
        self.read = dict(self.fields) if self.read is None else self.read
        for name, raw in said.items():
            one = self.written.setdefault(name, _Field(ended.line, self.fields.get(name), b""))
            one.after = bytes(raw)
        unread = [name for name in said if self.written[name].before is None]
        if unread:
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.UNKNOWN, _not_read(unread)))

    def _apply_discount(self, ended: CompletedLine) -> None:
        key = ended.item_id or ""
        if ended.said is None:
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.UNKNOWN, _NO_JOB, key))
            return
        self.discounts_removed.discard(key)
        if self.adapter.snapshot is None or not self.adapter.snapshot.spreads(ended.said):
            self.discounts.setdefault(key, ended.line)
        elif lines.knows_all(self.facts):
            for held in self.known:
                self.discounts.setdefault(held, ended.line)
        else:
            self.discounts.setdefault(None, ended.line)
            self.discounts_removed.clear()

    def _apply_discount_delete(self, ended: CompletedLine) -> None:
        key = ended.item_id or ""
        if key not in self.discounts and None not in self.discounts:
            why = "what the discount was is not known: no read shows one"
            self.kept.append(Irreversible(ended.line, ended.kind, KeptReason.UNKNOWN, why, key))
        self.discounts.pop(key, None)
        self.discounts_removed.add(key)

    def _effects(self) -> Iterable[RunEffect]:
        if self.made is not None:
            return
        for key, item in self.items.items():
            if item.added:
                yield ItemAdded(item.line, item.op, key)
            elif item.before is not None:
                yield QuantityChanged(item.line, item.op, key, item.before)
        for name, one in self.written.items():
            if one.before is not None:
                yield FieldChanged(one.line, name, one.before, one.after)
        for held, line in self.discounts.items():
            if held is None or held not in self._added_items():
                yield DiscountSet(line, held)

    def _added_items(self) -> Collection[str]:
        return {key for key, item in self.items.items() if item.added}

    def _unknown(self) -> Iterable[Irreversible]:
        """Updates of items of which nobody read how many they held before."""
        why = "how many the item held before is not known: no line of the run read it first"
        for key, item in self.items.items():
            if not item.added and item.before is None:
                for line, op in ((item.line, item.op), *item.again):
                    yield Irreversible(line, op, KeptReason.UNKNOWN, why, key)


def _not_read(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"what {shown} held before is not known: no line of the run read it first"
