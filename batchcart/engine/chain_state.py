"""Owns what is known of one cart while its lines are processed: ids, facts, and what failed to be created."""

import hashlib
from functools import lru_cache

import msgspec

from batchcart.journal.queries import ChainUpdate
from batchcart.journal.result_line import Completion
from batchcart.model.adapter import NEW_CART, CartContext
from batchcart.model.operation import REWRITES, Operation, OperationKind
from batchcart.model.outcome import Failed, InDoubt, Skipped, Status, Succeeded


class ChainState(msgspec.Struct):
    """A cart's chain, at the point where its next operation begins."""

    run: str
    number: int
    cart_id: str | None = None
    items: dict[str, str] = {}
    facts: dict[str, str] = {}
    missing_cart: int | None = None
    missing_items: dict[str, int] = {}
    doubts: set[int] = set()
    rewritten: bool = False  # whether lines of the cart were changed or deleted
    key_chosen: bool = True  # whether the client chooses a new cart's key

    def context(self, operation: Operation) -> CartContext:
        """What the adapter may know before the operation."""
        cart_id = operation.cart_id or self.cart_id
        new_key = "" if cart_id or not self.key_chosen else self._new_key(operation)
        return CartContext(cart_id, new_key, self.items, self.facts, self.rewritten)

    def missing_dependency(self, operation: Operation) -> Skipped | None:
        """Why the operation cannot be tried, if an earlier line did not bring what it needs."""
        if self.missing_cart is not None:
            line = self.missing_cart
            return Skipped(line, f"line {line} did not create the cart; {self._advice(line)}")
        if operation.item in self.missing_items and not operation.kind.creates_item:
            line = self.missing_items[operation.item]
            return Skipped(
                line,
                f"line {line} returned no id for the item {operation.item!r}; {self._advice(line)}",
            )
        return None

    def is_torn(self, operation: Operation) -> bool:
        """Whether the operation names a cart or an item that no line before it in the chain was about.

        The check of a job lets no such line through, so somebody has changed the plan.
        """
        kind = operation.kind
        lacks_cart = operation.cart is not None and not (operation.cart_id or self.cart_id)
        lacks_item = kind.targets_item and operation.item_id is None and operation.item not in self.items
        return (lacks_cart and kind is not OperationKind.CART_CREATE) or lacks_item

    def apply(self, operation: Operation, status: Status, learnt: ChainUpdate, cause: int) -> None:
        """Take in how an operation ended; ``cause`` is the line that later lines are told of."""
        for name, value in learnt.facts.items():
            if value is None:
                self.facts.pop(name, None)
            else:
                self.facts[name] = value
        if operation.cart_id and self.cart_id is None:
            self.cart_id = operation.cart_id
        self.rewritten = self.rewritten or operation.kind in REWRITES
        if status is Status.IN_DOUBT:
            self.doubts.add(operation.line)
        if status is Status.OK:
            self.cart_id = learnt.cart_id or self.cart_id
            if operation.kind.creates_item and operation.item and learnt.item_id:
                self.items[operation.item] = learnt.item_id
            elif operation.kind.creates_item and operation.item:
                self.missing_items[operation.item] = cause
        elif operation.kind is OperationKind.CART_CREATE:
            self.missing_cart = cause
        elif operation.kind.creates_item and operation.item:
            self.missing_items[operation.item] = cause

    def _advice(self, line: int) -> str:
        if line in self.doubts:
            return "it is in doubt: settle it with `batchcart settle`, then run with --retry-failed"
        return "fix it, then run with --retry-failed"

    def _new_key(self, operation: Operation) -> str:
        """A cart's key where the client chooses it: the same in every try of this run, and in no other run."""
        place = _hash_beginning(self.run, operation.account).copy()
        place.update((operation.cart or f"line {self.number}").encode())
        return place.hexdigest()


@lru_cache(maxsize=64)
def _hash_beginning(run: str, account: str) -> "hashlib.blake2b":
    """What the keys of an account's new carts have alike."""
    return hashlib.blake2b(f"{run}\0{account}\0".encode(), digest_size=16)


def chain_update(operation: Operation, ending: Completion) -> ChainUpdate:
    """What an ending brings for later lines; after a write that went astray, that the cart must be looked at anew."""
    may_have_changed = ending.attempts > 1 or operation.kind is OperationKind.CART_DELETE
    match ending.outcome:
        case Succeeded() as done:
            return ChainUpdate(done.cart_id, done.item_id, dict(done.facts))
        case InDoubt(_, facts):
            return ChainUpdate(facts={**facts, **dict.fromkeys(NEW_CART)})
        case Failed() if may_have_changed:
            return ChainUpdate(facts=dict.fromkeys(NEW_CART))
        case _:
            return ChainUpdate()
