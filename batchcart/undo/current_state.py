"""Owns reading carts as they are now; it does not know what the carts are compared with."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import orjson

from batchcart.accounts.config_table import ConfigSource
from batchcart.journal.schema import Connection
from batchcart.model.adapter import CartReader
from batchcart.model.errors import Stopped
from batchcart.model.fault import unreadable
from batchcart.runs.cart_reader import (
    ReadAnswer,
    Reader,
    answer_to,
    has_questions,
    open_answers,
    run_reads,
    write_questions,
)
from batchcart.runs.monitor import RunMonitor
from batchcart.undo.model import CartEffects, FieldChanged, Gone, Now, Unread


class Answers:
    """What the shops answered, by the number of the question; ``given_up`` says of accounts why they did not."""

    def __init__(self, connection: Connection | None, given_up: Mapping[str, str] = MappingProxyType({})) -> None:
        self._connection = connection
        self._given_up = given_up

    def now(self, number: int, account: str, snapshot: CartReader) -> Now:
        """What the account's shop holds now of what question ``number`` asked about."""
        assert self._connection is not None
        answer = answer_to(self._connection, number)
        if answer is None:
            return Unread(f"it cannot be read: {self._given_up[account]}")
        try:
            return _interpret(answer, snapshot)
        except Exception as error:  # noqa: BLE001  # one cart's answer must not end the undo of the others
            return Unread(unreadable(error))


def _interpret(answer: ReadAnswer, snapshot: CartReader) -> Now:
    if answer.says_gone(snapshot):
        return Gone()
    if answer.error is not None:
        return Unread(f"it cannot be read: {answer.error.message}")
    return snapshot.read(bytes(answer.body))


@asynccontextmanager
async def answers(
    questions: Iterable[bytes], folder: Path, config: ConfigSource | None, monitor: RunMonitor
) -> AsyncIterator[Answers]:
    """Ask the shops the questions, job lines all of them; what was answered is kept in the folder.

    An account that is given up ends nothing but its own reads. Raises Stopped where a signal or the disk ended them, or
    no account answered them all: the same call resumes.
    """
    write_questions(folder, questions)
    if not has_questions(folder):
        yield Answers(None)
        return
    summary = await run_reads(folder, Reader(config), monitor)
    open_ = {name: one for name, one in summary.accounts.items() if one.counts["not_attempted"]}
    given_up = {name: one.reason for name, one in open_.items() if one.reason}
    if summary.stopped or len(given_up) < len(open_) or 0 < len(open_) == len(summary.accounts):
        why = summary.stopped or "; ".join(f"{name}: {reason}" for name, reason in given_up.items())
        raise Stopped(
            f"{summary.totals['not_attempted']:,} of {summary.lines:,} carts are not read yet ({why}); "
            "the same command resumes"
        )
    with open_answers(folder) as connection:
        yield Answers(connection, given_up)


def question(account: str, left: CartEffects) -> bytes:
    """The job line that reads a cart, or the one item of it where its key is not known; "" stands for none."""
    if left.cart_id is not None:
        return orjson.dumps({"op": "cart.get", "account": account, "cart_id": left.cart_id})
    item_id = next((effect.item_id for effect in left.effects if not isinstance(effect, FieldChanged)), "")
    return orjson.dumps({"op": "item.get", "account": account, "item_id": item_id})
