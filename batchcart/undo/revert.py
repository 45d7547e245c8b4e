"""Owns deciding what is taken back of what a run left in one cart, now that the shop has been read; it reads nothing.

What somebody else did since is not undone: a cart, an item or a field that is not as the run left it is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import groupby

import msgspec

from batchcart.model.adapter import Adapter, Shown
from batchcart.model.json_text import Unreadable, exact
from batchcart.model.operation import Kind
from batchcart.undo.model import (
    Added,
    Back,
    Discounted,
    Effect,
    Gone,
    Kept,
    Left,
    Now,
    Requantified,
    Rewritten,
    Taken,
    Unread,
    Why,
)

_UNSHOWN = "the shop does not show the cart's lines, so nobody can say whether somebody changed it"
_SHOWN = 3  # differences that a sentence names
_FORCED = "; --force takes it back all the same"


def taken_back(left: Left, now: Now, adapter: Adapter, *, force: bool) -> Taken:
    """What takes back what the run left, as far as the cart is still as the run left it; with ``force`` beyond that."""
    if left.made is not None:
        return _made(left, *left.made, now, force=force)
    match now:
        case Gone():
            final = tuple(kept for kept in left.kept if kept.op in {Kind.CART_DELETE, Kind.ITEM_DELETE})
            return Taken((), final, len(left.effects))
        case Unread(why) if not force:
            return _all_kept(left, Why.UNREADABLE, why)
        case Unread():
            return _each(left, Shown(), adapter, force=True)
        case Shown(None) if not force and any(isinstance(effect, Added | Requantified) for effect in left.effects):
            return _all_kept(left, Why.UNREADABLE, _UNSHOWN)
        case Shown() if not force and (others := _differences(left, now)):
            return _all_kept(left, Why.CHANGED, _changed(others))
        case Shown():
            return _each(left, now, adapter, force=force)


def _made(left: Left, line: int, op: Kind, now: Now, *, force: bool) -> Taken:
    """A cart that the run made goes as a whole."""
    if isinstance(now, Gone):
        return Taken(kept=left.kept, gone=1)
    objection = None if force else _objection(left, now)
    if objection is None:
        return Taken((Back(line, Kind.CART_DELETE),), left.kept)
    why, message = objection
    return Taken((), (Kept(line, op, why, message + _FORCED), *left.kept))


def _objection(left: Left, now: Shown | Unread) -> tuple[Why, str] | None:
    """What speaks against deleting a cart that the run made."""
    if isinstance(now, Unread):
        return Why.UNREADABLE, now.why
    if now.lines is None:
        return Why.UNREADABLE, _UNSHOWN
    differ = _compared(left.lines, now.lines)
    if differ and left.unsure:
        return (
            Why.IN_DOUBT,
            f"{_listed(differ)}: by somebody else, or by a line that is in doubt or was settled by hand",
        )
    return (Why.CHANGED, _changed(differ)) if differ else None


def _all_kept(left: Left, why: Why, message: str) -> Taken:
    """Everything of the cart stays."""
    each = tuple(
        Kept(effect.line, _op(effect), why, message + _FORCED, _item_of(effect)) for effect in reversed(left.effects)
    )
    return Taken((), tuple(dict.fromkeys(each)) + left.kept)


def _each(left: Left, now: Shown, adapter: Adapter, *, force: bool) -> Taken:
    """One thing after the other, the last first."""
    steps = [*_all_restored(left, now, force=force)]
    for effect in left.effects:
        match effect:
            case Added():
                steps.append(_without(left, effect, now, force=force))
            case Requantified():
                steps.append(_requantified(left, effect, now, adapter, force=force))
            case Discounted():
                steps += _undiscounted(left, effect, now)
            case Rewritten():
                pass
    back = sorted((step for step in steps if isinstance(step, Back)), key=lambda one: -one.line)
    kept = [step for step in steps if isinstance(step, Kept)]
    return Taken(tuple(back), (*kept, *left.kept), steps.count(None))


def _without(left: Left, effect: Added, now: Shown, *, force: bool) -> Back | Kept | None:
    key = effect.item_id
    if now.lines is not None and key not in now.lines:
        return None
    if not force and now.lines is not None and now.lines[key] != left.lines.get(key):
        return _item_kept(left, effect, now.lines[key])
    return Back(effect.line, Kind.ITEM_DELETE, key)


def _requantified(left: Left, effect: Requantified, now: Shown, adapter: Adapter, *, force: bool) -> Back | Kept | None:
    key = effect.item_id
    if now.lines is not None and (key not in now.lines or now.lines[key] == effect.before):
        return None
    if not force and now.lines is not None and now.lines[key] != left.lines.get(key):
        return _item_kept(left, effect, now.lines[key])
    data = f'{{"{adapter.looking.quantity}":{effect.before:f}}}'.encode()
    return Back(effect.line, Kind.ITEM_UPDATE, key, data)


def _undiscounted(left: Left, effect: Discounted, now: Shown) -> Iterator[Back | Kept]:
    held = now.lines
    if effect.item_id is not None:
        if held is None or effect.item_id in held:
            yield Back(effect.line, Kind.DISCOUNT_DELETE, effect.item_id)
        return
    if held is None or left.cart_id is None:
        why = "the discount went onto all lines of the cart, and which those are is not known"
        yield Kept(effect.line, Kind.DISCOUNT_SET, Why.UNKNOWN, why)
    own = {other.item_id for other in left.effects if isinstance(other, Discounted | Added)}
    for key in held or {}:
        if key not in own and key not in left.freed:
            yield Back(effect.line, Kind.DISCOUNT_DELETE, key)


def _all_restored(left: Left, now: Shown, *, force: bool) -> Iterator[Back | Kept | None]:
    """The cart's own fields, those that one line wrote first together; all in one update where it empties the rest."""
    rewritten = [effect for effect in left.effects if isinstance(effect, Rewritten)]
    beside = _beside(left.others, now.fields)
    if beside and rewritten:
        yield from _restored(rewritten[0].line, rewritten, now, beside, force=force)
        return
    for line, fields in groupby(rewritten, key=lambda effect: effect.line):
        yield from _restored(line, fields, now, {}, force=force)


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


def _restored(
    line: int, fields: Iterable[Rewritten], now: Shown, beside: Mapping[str, bytes], *, force: bool
) -> Iterator[Back | Kept | None]:
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
        message = f"somebody changed {', '.join(changed)} since{_FORCED}"
        yield Kept(line, Kind.CART_UPDATE, Why.CHANGED, message)
    if data:
        whole = {**{name: msgspec.Raw(text) for name, text in beside.items()}, **data}
        yield Back(line, Kind.CART_UPDATE, None, msgspec.json.encode(whole))
    if not data and not changed:
        yield None


def _item_kept(left: Left, effect: Added | Requantified, held: Decimal) -> Kept:
    known = left.lines.get(effect.item_id)
    was = "and what the run left is not known" if known is None else f"the run left {known:f}"
    message = f"somebody changed the item since: it holds {held:f}, {was}{_FORCED}"
    return Kept(effect.line, _op(effect), Why.CHANGED, message, effect.item_id)


def _differences(left: Left, now: Shown) -> list[str]:
    """What is in the cart now that the run did not leave there; nothing where the run did not know all its lines."""
    if not left.complete or now.lines is None:
        return []
    restored = {
        effect.item_id
        for effect in left.effects
        if isinstance(effect, Requantified) and now.lines.get(effect.item_id) == effect.before
    }
    there = {key: held for key, held in now.lines.items() if key not in restored}
    return _compared({key: held for key, held in left.lines.items() if key in there}, there)


def _compared(left: Mapping[str, Decimal], now: Mapping[str, Decimal]) -> list[str]:
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


def _changed(found: list[str]) -> str:
    return f"somebody changed the cart since: {_listed(found)}"


def _listed(found: list[str]) -> str:
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


def _op(effect: Effect) -> Kind:
    match effect:
        case Added(op=op) | Requantified(op=op):
            return op
        case Rewritten():
            return Kind.CART_UPDATE
        case Discounted():
            return Kind.DISCOUNT_SET


def _item_of(effect: Effect) -> str | None:
    return None if isinstance(effect, Rewritten) else effect.item_id
