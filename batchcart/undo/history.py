"""Owns telling from a cart's ended lines what the run left in it; it does not know what the shop holds now."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from batchcart.model.adapter import Adapter
from batchcart.model.operation import Kind
from batchcart.model.outcome import Status
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.undo.model import Added, Discounted, Effect, Ended, Kept, Left, Requantified, Rewritten, Why

_NO_JOB = "the job is not there any more, or not what it was, so what the line said is not known"


def left_by(entries: Iterable[Ended], adapter: Adapter) -> Left:
    """What the run left in the cart, from its lines in the order in which they ended."""
    story = Story(adapter)
    for ended in entries:
        story.learn(ended)
    return story.left()


@dataclass(slots=True)
class _Item:
    """What the run did to an item of a cart that was there before; ``before`` None: not known."""

    line: int
    op: Kind
    added: bool
    before: Decimal | None
    again: list[tuple[int, Kind]] = field(default_factory=list)


@dataclass(slots=True)
class _Field:
    line: int
    before: bytes | None
    after: bytes


@dataclass(slots=True)
class Story:
    """One cart's lines, taken in one after the other. ``known`` and ``fields`` are what the run knows of the cart."""

    adapter: Adapter
    cart_id: str | None = None
    made: tuple[int, Kind] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    known: dict[str, Decimal] = field(default_factory=dict)
    fields: dict[str, bytes] = field(default_factory=dict)
    items: dict[str, _Item] = field(default_factory=dict)
    written: dict[str, _Field] = field(default_factory=dict)
    read: dict[str, bytes] | None = None  # the fields before the first update
    discounts: dict[str | None, int] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    kept: list[Kept] = field(default_factory=list)
    unsure: bool = False

    def learn(self, ended: Ended) -> None:
        """Take in how a line ended."""
        self.cart_id = self.cart_id or ended.cart_id
        before, all_known = self._held(ended.item_id), lines.all_known(self.facts)
        told = self._take_in(ended)
        match ended.status:
            case Status.OK:
                self._done(ended, before=before, all_known=all_known)
                self.unsure |= self._adds(ended.kind) and not told  # settled by hand: nobody knows how many there are
            case Status.IN_DOUBT:
                self._doubt(ended)
            case Status.FAILED | Status.SKIPPED:
                pass

    def left(self) -> Left:
        """What all of it comes to."""
        return Left(
            cart_id=self.cart_id,
            made=self.made,
            effects=tuple(sorted(self._effects(), key=lambda effect: effect.line)),
            kept=(*self._unknown(), *self.kept),
            lines=self.known,
            complete=lines.all_known(self.facts),
            unsure=self.unsure,
            freed=frozenset(self.freed),
            others={name: text for name, text in (self.read or {}).items() if name not in self.written},
        )

    def _adds(self, kind: Kind) -> bool:
        return kind is Kind.ITEM_ADD or (kind is Kind.CART_CREATE and self.adapter.create_adds_item)

    def _take_in(self, ended: Ended) -> bool:
        """Facts about the cart's lines, if there are any; a list of all of them takes the place of what was known.

        In a cart that the run made, lines that only such a list tells of are not the run's own, and so not known.
        """
        told = lines.told(ended.facts)
        strangers: set[str] = set()
        if lines.all_known(ended.facts):
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

    def _doubt(self, ended: Ended) -> None:
        self.unsure = True
        if self.made is None:
            self.kept.append(Kept(ended.line, ended.kind, Why.IN_DOUBT, ended.doubt, ended.item_id))

    def _done(self, ended: Ended, *, before: Decimal | None, all_known: bool) -> None:
        if self.made is None and ended.body and ended.kind in {Kind.CART_GET, Kind.ITEM_GET}:
            shown = self.adapter.looking.shown(ended.body)
            self.known.update(shown.lines or {})
            self.fields.update(shown.fields)
        if self._makes_cart(ended):
            self._begin_anew()
            self.made = ended.line, ended.kind
        elif ended.kind is Kind.CART_DELETE:
            self._cart_deleted(ended)
        elif self.made is not None:
            self._requantify(ended)  # the whole cart goes, whatever was done to it
        else:
            self._done_to_old_cart(ended, before=before, all_known=all_known)

    def _done_to_old_cart(self, ended: Ended, *, before: Decimal | None, all_known: bool) -> None:
        match ended.kind:
            case Kind.CART_CREATE | Kind.ITEM_ADD:
                self._item_added(ended, before, all_known=all_known)
            case Kind.CART_UPDATE:
                self._cart_updated(ended)
            case Kind.ITEM_UPDATE:
                self._requantify(ended)
                self._item_changed(ended, before)
            case Kind.ITEM_DELETE:
                self._item_deleted(ended)
            case Kind.DISCOUNT_SET:
                self._discounted(ended)
            case Kind.DISCOUNT_DELETE:
                self._undiscounted(ended)
            case _:  # reads
                pass

    def _makes_cart(self, ended: Ended) -> bool:
        """Whether the line made the cart: its key is the run's own, or the cart then held nothing but what it added."""
        if ended.kind is Kind.CART_CREATE and ended.fresh:
            return True
        if self.made is not None or not (self.adapter.create_adds_item and ended.kind.makes_item):
            return False
        if not lines.all_known(self.facts) or len(self.known) != 1:
            return False
        ((key, quantity),) = self.known.items()
        return key == ended.item_id or quantity == self._quantity(ended)

    def _quantity(self, ended: Ended) -> Decimal | None:
        """How many the line said, None where that is not known."""
        if ended.said is None:
            return None
        raw = msgspec.json.decode(ended.said, type=dict[str, msgspec.Raw]).get(self.adapter.looking.quantity)
        quantity = lines.amount(bytes(raw or b"").decode().strip('"'))
        return None if quantity.is_nan() else quantity

    def _begin_anew(self) -> None:
        """What was done to the cart before does not matter any more, but for what cannot come back."""
        for of_cart in (self.items, self.written, self.discounts, self.freed, self.fields):
            of_cart.clear()
        self.read = None
        self.kept = [kept for kept in self.kept if kept.op in {Kind.CART_DELETE, Kind.ITEM_DELETE}]
        self.unsure = False

    def _cart_deleted(self, ended: Ended) -> None:
        self._begin_anew()
        self.known.clear()
        if self.made is None:
            why = "a cart that was deleted does not come back: a new one would have other ids"
            self.kept.append(Kept(ended.line, ended.kind, Why.IMPOSSIBLE, why))
        self.made = None

    def _item_added(self, ended: Ended, before: Decimal | None, *, all_known: bool) -> None:
        key = ended.item_id
        if Kind.ITEM_DELETE not in self.adapter.cells:
            why = f"{self.adapter.name} has no item.delete, and the cart was there before the run"
            self.kept.append(Kept(ended.line, ended.kind, Why.IMPOSSIBLE, why, key))
        elif key is None:
            why = "its result does not name the item that it made"
            self.kept.append(Kept(ended.line, ended.kind, Why.UNKNOWN, why))
        elif key in self.items:
            self.items[key].again.append((ended.line, ended.kind))
        else:
            before = before if before is not None or all_known else self._raised_from(ended, key)
            self.items[key] = _Item(ended.line, ended.kind, before is None, before)

    def _raised_from(self, ended: Ended, key: str) -> Decimal | None:
        """What the line held before, if the shop put what was added into a line that was there."""
        now, added = self._held(key), self._quantity(ended)
        if now is None or added is None or not now > added:
            return None
        return now - added

    def _held(self, key: str | None) -> Decimal | None:
        """How many the item holds, None where that is not known or was no number."""
        quantity = self.known.get(key or "")
        return None if quantity is None or quantity.is_nan() else quantity

    def _item_changed(self, ended: Ended, before: Decimal | None) -> None:
        key = ended.item_id or ""
        if key in self.items:
            self.items[key].again.append((ended.line, ended.kind))
        else:
            self.items[key] = _Item(ended.line, ended.kind, added=False, before=before)

    def _requantify(self, ended: Ended) -> None:
        """An update says how many the item holds now, also of an item that no fact tells of."""
        if ended.kind is Kind.ITEM_UPDATE and (quantity := self._quantity(ended)) is not None:
            self.known[ended.item_id or ""] = quantity

    def _item_deleted(self, ended: Ended) -> None:
        key = ended.item_id or ""
        self.known.pop(key, None)
        self.discounts.pop(key, None)
        item = self.items.pop(key, None)
        if item is None or not item.added:
            why = "an item that was deleted does not come back: a new one would have another id"
            self.kept.append(Kept(ended.line, ended.kind, Why.IMPOSSIBLE, why, key))

    def _cart_updated(self, ended: Ended) -> None:
        if ended.said is None:
            self.kept.append(Kept(ended.line, ended.kind, Why.UNKNOWN, _NO_JOB))
            return
        said = msgspec.json.decode(ended.said, type=dict[str, msgspec.Raw])
        self.read = dict(self.fields) if self.read is None else self.read
        for name, raw in said.items():
            one = self.written.setdefault(name, _Field(ended.line, self.fields.get(name), b""))
            one.after = bytes(raw)
        unread = [name for name in said if self.written[name].before is None]
        if unread:
            self.kept.append(Kept(ended.line, ended.kind, Why.UNKNOWN, _not_read(unread)))

    def _discounted(self, ended: Ended) -> None:
        key = ended.item_id or ""
        if ended.said is None:
            self.kept.append(Kept(ended.line, ended.kind, Why.UNKNOWN, _NO_JOB, key))
            return
        self.freed.discard(key)
        if not self.adapter.looking.spreads(ended.said):
            self.discounts.setdefault(key, ended.line)
        elif lines.all_known(self.facts):
            for held in self.known:
                self.discounts.setdefault(held, ended.line)
        else:
            self.discounts.setdefault(None, ended.line)
            self.freed.clear()

    def _undiscounted(self, ended: Ended) -> None:
        key = ended.item_id or ""
        if key not in self.discounts and None not in self.discounts:
            why = "what the discount was is not known: no read shows one"
            self.kept.append(Kept(ended.line, ended.kind, Why.UNKNOWN, why, key))
        self.discounts.pop(key, None)
        self.freed.add(key)

    def _effects(self) -> Iterable[Effect]:
        if self.made is not None:
            return
        for key, item in self.items.items():
            if item.added:
                yield Added(item.line, item.op, key)
            elif item.before is not None:
                yield Requantified(item.line, item.op, key, item.before)
        for name, one in self.written.items():
            if one.before is not None:
                yield Rewritten(one.line, name, one.before, one.after)
        for held, line in self.discounts.items():
            if held is None or held not in self._added():
                yield Discounted(line, held)

    def _added(self) -> Collection[str]:
        return {key for key, item in self.items.items() if item.added}

    def _unknown(self) -> Iterable[Kept]:
        """Updates of items of which nobody read how many they held before."""
        why = "how many the item held before is not known: no line of the run read it first"
        for key, item in self.items.items():
            if not item.added and item.before is None:
                for line, op in ((item.line, item.op), *item.again):
                    yield Kept(line, op, Why.UNKNOWN, why, key)


def _not_read(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"what {shown} held before is not known: no line of the run read it first"
