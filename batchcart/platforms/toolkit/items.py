"""Owns what every platform's cart asks when it is read as a neutral one; it does not know any platform's words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import structs

from batchcart.model.cart import Item, NotACart


def rest(found: Mapping[str, Any], used: Sequence[str]) -> dict[str, Any]:
    """What of a shop's object has no neutral place."""
    return {name: value for name, value in found.items() if name not in used}


def distinguish(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items; raises NotACart if the shop gives several of them one id, so that nobody knows which is meant."""
    found = tuple(items)
    for line, times in Counter(item.line for item in found if item.line).items():
        if times > 1:
            raise NotACart(f"the answer shows {times} lines with the id {line}")
    return found


def without_shared_ids(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items; an id that several of them have is none of theirs, but that of what they are in."""
    found = tuple(items)
    times = Counter(item.line for item in found)
    return tuple(structs.replace(item, line="") if times[item.line] > 1 else item for item in found)
