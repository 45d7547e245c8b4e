"""Owns deciding what is taken back of what a run left in one cart, now that the shop has been read; it reads nothing.

What somebody else did since is not undone: a cart, an item or a field that is not as the run left it is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import groupby

import msgspec

from batchcart.model.adapter import Adapter, CartSnapshot
from batchcart.model.json_text import Unreadable, exact
from batchcart.model.operation import OperationKind
from batchcart.undo.model import (
    CartEffects,
    DiscountSet,
    FieldChanged,
    Gone,
    Irreversible,
    ItemAdded,
    KeptReason,
    Now,
    QuantityChanged,
    Revert,
    RevertPlan,
    RunEffect,
    Unread,
)

_UNSHOWN = "the shop does not show the cart's lines, so nobody can say whether somebody changed it"
_SHOWN = 3  # differences that a sentence names
_FORCED = "; --force takes it back all the same"


def plan_revert(left: CartEffects, now: Now, adapter: Adapter, *, force: bool) -> RevertPlan:
    """What takes back what the run left, as far as the cart is still as the run left it; with ``force`` beyond that."""
    if left.made is not None:
        return _revert_cart(left, *left.made, now, force=force)
    match now:
        case Gone():
            final = tuple(
                kept for kept in left.kept if kept.op in {OperationKind.CART_DELETE, OperationKind.ITEM_DELETE}
            )
            return RevertPlan((), final, len(left.effects))
        case Unread(why) if not force:
            return _keep_all(left, KeptReason.UNREADABLE, why)
        case Unread():
            return _each(left, CartSnapshot(), adapter, force=True)
        case CartSnapshot(None) if not force and any(
            isinstance(effect, ItemAdded | QuantityChanged) for effect in left.effects
        ):
            return _keep_all(left, KeptReason.UNREADABLE, _UNSHOWN)
        case CartSnapshot() if not force and (others := _differences(left, now)):
            return _keep_all(left, *_describe_change(left, "the cart", _join_names(others)))
        case CartSnapshot():
            return _each(left, now, adapter, force=force)


def _revert_cart(left: CartEffects, line: int, op: OperationKind, now: Now, *, force: bool) -> RevertPlan:
    """A cart that the run made goes as a whole."""
    if isinstance(now, Gone):
        return RevertPlan(kept=left.kept, gone=1)
    objection = None if force else _objection(left, now)
    if objection is None:
        return RevertPlan((Revert(line, OperationKind.CART_DELETE),), left.kept)
    why, message = objection
    return RevertPlan((), (Irreversible(line, op, why, message + _FORCED), *left.kept))


def _objection(left: CartEffects, now: CartSnapshot | Unread) -> tuple[KeptReason, str] | None:
    """What speaks against deleting a cart that the run made."""
    if isinstance(now, Unread):
        return KeptReason.UNREADABLE, now.why
    if now.lines is None:
        return KeptReason.UNREADABLE, _UNSHOWN
    differ = _describe_differences(left.lines, now.lines)
    return _describe_change(left, "the cart", _join_names(differ)) if differ else None


def _keep_all(left: CartEffects, why: KeptReason, message: str) -> RevertPlan:
    """Everything of the cart stays."""
    each = tuple(
        Irreversible(effect.line, _op(effect), why, message + _FORCED, _item_of(effect))
        for effect in reversed(left.effects)
    )
    return RevertPlan((), tuple(dict.fromkeys(each)) + left.kept)


def keep_all(left: CartEffects, message: str) -> RevertPlan:
    """Everything of a cart that cannot be read stays, whatever is forced."""
    made = () if left.made is None else (Irreversible(*left.made, KeptReason.UNREADABLE, message),)
    effects = tuple(
        Irreversible(effect.line, _op(effect), KeptReason.UNREADABLE, message, _item_of(effect))
        for effect in reversed(left.effects)
    )
    return RevertPlan((), (*made, *dict.fromkeys(effects), *left.kept))


def _each(left: CartEffects, now: CartSnapshot, adapter: Adapter, *, force: bool) -> RevertPlan:
    """One thing after the other, the last first."""
    steps = [*_restore_fields(left, now, force=force)]
    for effect in left.effects:
        match effect:
            case ItemAdded():
                steps.append(_without(left, effect, now, force=force))
            case QuantityChanged():
                steps.append(_revert_quantity(left, effect, now, adapter, force=force))
            case DiscountSet():
                steps += _revert_discount(left, effect, now)
            case FieldChanged():
                pass
    back = sorted((step for step in steps if isinstance(step, Revert)), key=lambda one: -one.line)
    kept = [step for step in steps if isinstance(step, Irreversible)]
    return RevertPlan(tuple(back), (*kept, *left.kept), steps.count(None))


def _without(left: CartEffects, effect: ItemAdded, now: CartSnapshot, *, force: bool) -> Revert | Irreversible | None:
    key = effect.item_id
    if now.lines is not None and key not in now.lines:
        return None
    if not force and now.lines is not None and now.lines[key] != left.lines.get(key):
        return _keep_item(left, effect, now.lines[key])
    return Revert(effect.line, OperationKind.ITEM_DELETE, key)


def _revert_quantity(
    left: CartEffects, effect: QuantityChanged, now: CartSnapshot, adapter: Adapter, *, force: bool
) -> Revert | Irreversible | None:
    key = effect.item_id
    if now.lines is not None and (key not in now.lines or now.lines[key] == effect.before):
        return None
    if not force and now.lines is not None and now.lines[key] != left.lines.get(key):
        return _keep_item(left, effect, now.lines[key])
    data = f'{{"{adapter.keys.quantity}":{effect.before:f}}}'.encode()
    return Revert(effect.line, OperationKind.ITEM_UPDATE, key, data)


def _revert_discount(left: CartEffects, effect: DiscountSet, now: CartSnapshot) -> Iterator[Revert | Irreversible]:
    held = now.lines
    if effect.item_id is not None:
        if held is None or effect.item_id in held:
            yield Revert(effect.line, OperationKind.DISCOUNT_DELETE, effect.item_id)
        return
    if held is None or left.cart_id is None:
        why = "the discount went onto all lines of the cart, and which those are is not known"
        yield Irreversible(effect.line, OperationKind.DISCOUNT_SET, KeptReason.UNKNOWN, why)
    own = {other.item_id for other in left.effects if isinstance(other, DiscountSet | ItemAdded)}
    for key in held or {}:
        if key not in own and key not in left.freed:
            yield Revert(effect.line, OperationKind.DISCOUNT_DELETE, key)


def _restore_fields(left: CartEffects, now: CartSnapshot, *, force: bool) -> Iterator[Revert | Irreversible | None]:
    """The cart's own fields, those that one line wrote first together; all in one update where it empties the rest."""
    rewritten = [effect for effect in left.effects if isinstance(effect, FieldChanged)]
    beside = _beside(left.others, now.fields)
    if beside and rewritten:
        yield from _restore_line(left, rewritten[0].line, rewritten, now, beside, force=force)
        return
    for line, fields in groupby(rewritten, key=lambda effect: effect.line):
        yield from _restore_line(left, line, fields, now, {}, force=force)


def _beside(others: Mapping[str, bytes], now: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """What an update must say beside the fields it restores, so that it leaves the others as they should be.

    Whether an update leaves or empties the fields that it does not name is not said (PLATFORMS §1.6). A field that the
    run did not write and that is as it was shows that this shop leaves them. Where there is none, those that are empty
    now were emptied by the run's own update: they are filled again, and all others are named as they are.
    """
    filled = {name: text for name, text in others.items() if not _is_empty(text)}
    if not filled or any(name in now and _same(now[name], text) for name, text in filled.items()):
        return {}
    emptied = {name: text for name, text in filled.items() if _is_empty(now.get(name, b'""'))}
    return {**{name: text for name, text in now.items() if not _is_empty(text)}, **emptied}


def _restore_line(
    left: CartEffects,
    line: int,
    fields: Iterable[FieldChanged],
    now: CartSnapshot,
    beside: Mapping[str, bytes],
    *,
    force: bool,
) -> Iterator[Revert | Irreversible | None]:
    """The fields that one line wrote first, as they were before it; ``beside`` goes with them."""
    data: dict[str, msgspec.Raw] = {}
    changed = []
    for effect in fields:
        held = now.fields.get(effect.name)
        if held is not None and _same(held, effect.before):
            continue
        emptied = bool(beside) and held is not None and _is_empty(held)
        if force or (held is not None and (emptied or _same(held, effect.after))):
            data[effect.name] = msgspec.Raw(effect.before)
        else:
            changed.append(effect.name)
    if changed:
        why, message = _describe_change(left, ", ".join(changed))
        yield Irreversible(line, OperationKind.CART_UPDATE, why, message + _FORCED)
    if data:
        whole = {**{name: msgspec.Raw(text) for name, text in beside.items()}, **data}
        yield Revert(line, OperationKind.CART_UPDATE, None, msgspec.json.encode(whole))
    if not data and not changed:
        yield None


def _keep_item(left: CartEffects, effect: ItemAdded | QuantityChanged, held: Decimal) -> Irreversible:
    known = left.lines.get(effect.item_id)
    was = "and what the run left is not known" if known is None else f"the run left {known:f}"
    why, message = _describe_change(left, "the item", f"it holds {held:f}, {was}")
    return Irreversible(effect.line, _op(effect), why, message + _FORCED, effect.item_id)


def _differences(left: CartEffects, now: CartSnapshot) -> list[str]:
    """What is in the cart now that the run did not leave there; nothing where the run did not know all its lines."""
    if not left.complete or now.lines is None:
        return []
    restored = {
        effect.item_id
        for effect in left.effects
        if isinstance(effect, QuantityChanged) and now.lines.get(effect.item_id) == effect.before
    }
    there = {key: held for key, held in now.lines.items() if key not in restored}
    return _describe_differences({key: held for key, held in left.lines.items() if key in there}, there)


def _describe_differences(left: Mapping[str, Decimal], now: Mapping[str, Decimal]) -> list[str]:
    """Each line that differs, in words."""
    found = []
    for key in sorted({*left, *now}):
        was, held = left.get(key), now.get(key)
        if was is None and held is not None:
            found.append(f"item {key} was added")
        elif held is None:
            found.append(f"item {key} was removed")
        elif was != held:
            found.append(f"item {key} holds {held:f} and not {was:f}")
    return found


def _describe_change(left: CartEffects, what: str, how: str = "") -> tuple[KeptReason, str]:
    """Why something stays that is not as the run left it: somebody changed it, or a line of which nobody knows did."""
    found = f": {how}" if how else ""
    if left.unsure:
        who = "by somebody else, or by a line that is in doubt, was under way or was settled by hand"
        return KeptReason.IN_DOUBT, f"{what} changed since{found}; {who}"
    return KeptReason.CHANGED, f"somebody changed {what} since{found}"


def _join_names(found: list[str]) -> str:
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _is_empty(text: bytes) -> bool:
    """Whether a field holds nothing, as a shop writes that: "", null, or 0 for a number of something."""
    return not _value(text) or _same(text, b"0")


def _same(one: bytes, other: bytes) -> bool:
    """Whether two JSON values mean the same to a shop, which may turn a number into a text."""
    first, second = _value(one), _value(other)
    if first == second or not (first or second):
        return True
    try:
        return Decimal(str(first)) == Decimal(str(second))
    except InvalidOperation:
        return False


def _value(text: bytes) -> object:
    """The value; the text itself where it is none that can be read, so that it is equal to the same text only."""
    try:
        return exact(text)
    except Unreadable:
        return text


def _op(effect: RunEffect) -> OperationKind:
    match effect:
        case ItemAdded(op=op) | QuantityChanged(op=op):
            return op
        case FieldChanged():
            return OperationKind.CART_UPDATE
        case DiscountSet():
            return OperationKind.DISCOUNT_SET


def _item_of(effect: RunEffect) -> str | None:
    return None if isinstance(effect, FieldChanged) else effect.item_id
