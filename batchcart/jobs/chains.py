"""Owns which lines belong to one cart, and the names a job gives to carts and items; it does not know platforms.

A chain is known by the number of its first line. Names live in a mapping that is handed in, so that a job of any size
can keep them on disk.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

import msgspec

from batchcart.model.errors import quote
from batchcart.model.operation import Operation, OperationKind

_CREATE, _DELETE = OperationKind.CART_CREATE, OperationKind.CART_DELETE
_MAKES_ITEM = tuple(kind for kind in OperationKind if kind.creates_item)

# What is remembered of a cart's name beside its chain: the key it was given ("=" and the key), that this job makes it
# ("made"), or that a line before is to blame, so that those after it are not ("blamed").
_MADE, _BLAMED = "made", "blamed"
# What is remembered of an item id: whether a cart was given with it.
_ALONE, _WITH_CART = "alone", "with cart"


class Assignment(msgspec.Struct, frozen=True):
    """Where a line belongs, and what is wrong with the names it uses."""

    chain: int
    problems: list[str]


@dataclass(slots=True)
class ChainAssigner:
    """The chains of one job, read line by line. ``joined`` maps a chain that turned out to be part of another.

    A chain's names are kept under its own number even after it was joined to another one.
    """

    names: MutableMapping[str, tuple[int, str]]
    joined: dict[int, int] = field(default_factory=dict)

    def assign(self, operation: Operation, chosen_id: str | None) -> Assignment:
        """The line's chain. ``chosen_id`` is the cart's own key where the line gives one, as cart_id or in data."""
        found: list[str] = []
        if operation.cart is None and chosen_id is None:
            return Assignment(self._root(self._without_cart(operation)), found)
        if operation.cart is not None:
            chain, keyed = self._by_name(operation, chosen_id, found)
        else:
            chain, keyed = self._of(_name("key", operation.account, chosen_id or ""), operation.line), True
        if operation.item_id is not None:
            self._tie(_name("item id", operation.account, operation.item_id), chain)
        if keyed:
            found += self._creation(operation, chosen_id, chain, blamed=bool(found))
        if operation.item is not None:
            found += self._item(operation, chain)
        return Assignment(self._root(chain) if self.joined else chain, found)

    def mark_invalid(self, line: int, account: str, cart: str | None, item: str | None) -> None:
        """A line that cannot be placed names these, so the lines after it are not to blame if nothing makes them."""
        if cart is not None:
            name = _name("name", account, cart)
            chain, _ = entry = self.names.get(name) or (line, _BLAMED)
            self.names[name] = entry
            if item is not None:
                self.names[_name("item", str(chain), item)] = (line, _BLAMED)

    def _without_cart(self, operation: Operation) -> int:
        if operation.item_id is None:
            return operation.line
        name = _name("item id", operation.account, operation.item_id)
        entry = self.names.get(name)
        if entry is None:
            self.names[name] = (operation.line, _ALONE)
            return operation.line
        return entry[0]

    def _tie(self, name: str, chain: int) -> None:
        """Lines that gave the item's id alone are about this cart. Two carts may have items of equal ids."""
        entry = self.names.get(name)
        if entry is None or entry[1] == _ALONE:
            self.names[name] = (chain, _WITH_CART)
        if entry is not None and entry[1] == _ALONE:
            one, other = self._root(entry[0]), self._root(chain)
            if one != other:
                self.joined[max(one, other)] = min(one, other)

    def _by_name(self, operation: Operation, chosen_id: str | None, found: list[str]) -> tuple[int, bool]:
        """The named cart's chain, and whether its key was given."""
        name = _name("name", operation.account, operation.cart or "")
        creates = operation.kind is _CREATE
        entry = self.names.get(name)
        if entry is not None and not (creates and entry[1] == _BLAMED):
            chain, state = entry
            found += _contradiction(operation, chosen_id, chain, state)
            return chain, state.startswith("=")
        state = _MADE if chosen_id is None else f"={chosen_id}"
        chain = operation.line
        if entry is not None:
            chain = entry[0]
        elif chosen_id is not None:
            chain = self._of(_name("key", operation.account, chosen_id), operation.line)
        elif not creates:
            state = _BLAMED
            found.append(
                f"cart: no earlier line creates {quote(operation.cart or '')}; begin with cart.create, "
                "or give the key of a cart that exists as cart_id"
            )
        self.names[name] = (chain, state)
        return chain, chosen_id is not None

    def _creation(self, operation: Operation, chosen_id: str | None, chain: int, *, blamed: bool) -> Iterator[str]:
        name = _name("made", str(chain))
        if operation.kind is _CREATE:
            earlier = (self.names.get(name) or (0, ""))[0]
            if earlier and not blamed:
                yield f"cart_id: {quote(chosen_id or '')} is created twice, first on line {earlier}"
            self.names[name] = (operation.line, "")
        elif operation.kind is _DELETE:
            self.names[name] = (0, "")

    def _item(self, operation: Operation, chain: int) -> Iterator[str]:
        item = operation.item or ""
        name = _name("item", str(chain), item)
        made = self.names.get(name)
        if operation.kind in _MAKES_ITEM:
            if made is not None and made[1] != _BLAMED:
                yield f"item: {quote(item)} is created twice, first on line {made[0]}"
            self.names[name] = (operation.line, "")
        elif made is None:
            yield f"item: no earlier line of this cart creates {quote(item)}; name it where it is added"

    def _of(self, name: str, otherwise: int) -> int:
        entry = self.names.get(name)
        if entry is None:
            self.names[name] = (otherwise, "")
            return otherwise
        return entry[0]

    def _root(self, chain: int) -> int:
        while chain in self.joined:
            chain = self.joined[chain]
        return chain


def _name(*words: str) -> str:
    """What something is kept under: what kind of name it is, whose, and the name."""
    return "\0".join(words)


def _contradiction(operation: Operation, chosen_id: str | None, chain: int, state: str) -> Iterator[str]:
    """What a further line of a named cart says against what was said of it before."""
    cart = quote(operation.cart or "")
    if operation.kind is _CREATE:
        yield f"cart: {cart} is created twice; it begins on line {chain}"
    elif chosen_id is None or state in {_BLAMED, f"={chosen_id}"}:
        return
    elif state == _MADE:
        where = "cart_id" if operation.cart_id is not None else "data"
        yield f"{where}: the cart's key is given late; it belongs on the first line of {cart}, line {chain}"
    else:
        yield f"cart_id: {quote(chosen_id)} contradicts {quote(state[1:])}, given earlier for {cart}"
