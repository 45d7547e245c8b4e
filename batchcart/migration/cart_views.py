"""Owns reading carts whole: each by every view that shows a part of it; it does not know what carts mean."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.model.adapter import CartReader
from batchcart.model.fault import unreadable
from batchcart.model.operation import OperationKind
from batchcart.runs.cart_reader import ReadAnswer, all_answers, has_questions, open_answers, write_questions


@dataclass(frozen=True, slots=True)
class CartAnswer:
    """What a shop answered about one cart: the body of each view that shows it, or why it cannot be read.

    ``gone`` says that the shop itself says, in every view, that it has no such cart.
    """

    cart_id: str
    bodies: tuple[bytes, ...] = ()
    why: str = ""
    gone: bool = False


def views(entry: AccountConfig) -> tuple[str | None, ...]:
    """The views that together show all of a cart: each that the platform names, then the plain one."""
    return (*entry.adapter.operations[OperationKind.CART_GET].views, None)


def ask_for(folder: Path, entry: AccountConfig, keys: Iterable[str]) -> bool:
    """Write down which carts are to be read, unless that was done before; whether there are any."""
    if not has_questions(folder):
        write_questions(folder, (_question(entry, key, view) for key in keys for view in views(entry)))
    return has_questions(folder)


def _question(entry: AccountConfig, key: str, view: str | None) -> bytes:
    line = {"op": OperationKind.CART_GET.value, "account": entry.name, "cart_id": key}
    return msgspec.json.encode(line | ({"view": view} if view else {}))


def answers(folder: Path, entry: AccountConfig) -> Iterator[CartAnswer]:
    """What was answered about each cart, in the order in which they were written down."""
    with open_answers(folder) as connection:
        if connection is None:
            return
        for several in zip(*[all_answers(connection)] * len(views(entry)), strict=True):
            try:
                yield _join_views(several, entry.adapter.snapshot)
            except Exception as error:  # noqa: BLE001  # one cart's answer must not end the reading of the others
                yield CartAnswer(_key(several), why=unreadable(error))


def _key(several: tuple[ReadAnswer, ...]) -> str:
    key = several[0].cart_id
    assert key is not None  # it was asked by its key
    return key


def _join_views(several: tuple[ReadAnswer, ...], snapshot: CartReader | None) -> CartAnswer:
    key = _key(several)
    gone = [snapshot is not None and one.says_gone(snapshot) for one in several]
    errors = [one.error for one in several if one.error is not None]
    if all(gone):
        return CartAnswer(key, why=errors[0].message if errors else "the shop shows no such cart", gone=True)
    failed = [one.error.message for one, none in zip(several, gone, strict=True) if one.error and not none]
    if failed:
        return CartAnswer(key, why=failed[0])
    if errors:
        return CartAnswer(key, why=f"one view of it is not there, although another shows it: {errors[0].message}")
    return CartAnswer(key, tuple(bytes(one.body) for one, none in zip(several, gone, strict=True) if not none))
