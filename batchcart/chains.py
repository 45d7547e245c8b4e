"""Owns which lines belong to one cart, and the names a job gives to carts and items; it does not know platforms.

A chain is known by the number of its first line. Names live in a mapping that is handed in, so that a job of any size
can keep them on disk.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

from batchcart.operation import Kind, Operation


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a line belongs, and what is wrong with the names it uses."""

    chain: int
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Chains:
    """The chains of one job, read line by line. ``joined`` maps a chain that turned out to be part of another."""

    names: MutableMapping[tuple[str, ...], tuple[int, str]]
    joined: dict[int, int] = field(default_factory=dict)

    def place(self, operation: Operation, chosen_id: str | None) -> Placed:
        """The line's chain. ``chosen_id`` is the cart's own key where the line gives one, as cart_id or in data."""
        nameless = not operation.cart and chosen_id is None
        if operation.kind.of_account or (nameless and operation.kind is Kind.CART_CREATE):
            return Placed(operation.line, tuple(self._item(operation, operation.line)))
        found: list[str] = []
        if operation.cart:
            chain = self._by_name(operation, chosen_id, found)
        elif chosen_id:
            chain = self._of(("key", operation.account, chosen_id), operation.line)
        else:
            chain = self._of(("line", operation.account, operation.item_id or ""), operation.line)
        if operation.item_id and (operation.cart or chosen_id):
            chain = self._join(chain, self._of(("line", operation.account, operation.item_id), chain))
        found += self._creation(operation, chain)
        found += self._item(operation, chain)
        return Placed(chain, tuple(found))

    def _by_name(self, operation: Operation, chosen_id: str | None, found: list[str]) -> int:
        name = ("name", operation.account, operation.cart or "")
        entry = self.names.get(name)
        if entry is None:
            if operation.kind is not Kind.CART_CREATE and chosen_id is None:
                found.append(
                    f"cart: no earlier line makes {operation.cart!r}; begin with cart.create, "
                    "or give the key of a cart that exists as cart_id"
                )
            chain = self._of(("key", operation.account, chosen_id), operation.line) if chosen_id else operation.line
            self.names[name] = (chain, chosen_id or "")
            return chain
        chain, known_id = self._root(entry[0]), entry[1]
        if operation.kind is Kind.CART_CREATE:
            found.append(f"cart: {operation.cart!r} is made twice; lines of this cart begin at line {chain}")
        elif chosen_id is not None and not known_id:
            found.append(f"cart_id: given late; it belongs on the first line of {operation.cart!r}, line {chain}")
        elif chosen_id is not None and chosen_id != known_id:
            found.append(f"cart_id: {chosen_id!r} contradicts {known_id!r}, given earlier for {operation.cart!r}")
        return chain

    def _creation(self, operation: Operation, chain: int) -> Iterator[str]:
        made = ("made", str(chain))
        if operation.kind is Kind.CART_CREATE:
            earlier = self.names.get(made, (0, ""))[0]
            if earlier and not operation.cart:
                yield f"cart_id: {operation.cart_id!r} is made twice, first on line {earlier}"
            self.names[made] = (operation.line, "")
        elif operation.kind is Kind.CART_DELETE:
            self.names[made] = (0, "")

    def _item(self, operation: Operation, chain: int) -> Iterator[str]:
        if not operation.item:
            return
        name = ("item", str(chain), operation.item)
        made = self.names.get(name)
        if operation.kind.makes_item:
            if made is not None:
                yield f"item: {operation.item!r} is made twice, first on line {made[0]}"
            self.names[name] = (operation.line, "")
        elif made is None:
            yield f"item: no earlier line of this cart makes {operation.item!r}"

    def _of(self, name: tuple[str, ...], otherwise: int) -> int:
        entry = self.names.get(name)
        if entry is None:
            self.names[name] = (otherwise, "")
            return otherwise
        return self._root(entry[0])

    def _root(self, chain: int) -> int:
        while chain in self.joined:
            chain = self.joined[chain]
        return chain

    def _join(self, one: int, other: int) -> int:
        if one != other:
            self.joined[max(one, other)] = min(one, other)
        return min(one, other)
