"""Owns what the rounds of a migration have made so far: which carts, and which of their lines are still to be done.

It sends nothing and reads no shop. What may have happened counts as made, so that nothing is created twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from batchcart.jobs.job_file import RawLine
from batchcart.journal.remaining import LineLeft, every_line, lines_of_status
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection, get_meta
from batchcart.journal.spill import SpillDict
from batchcart.model.cart import OperationTemplate
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.runs.status import open_journal_readonly


class _LineNames(msgspec.Struct):
    op: OperationKind
    cart: str
    item: str | None = None


class _LineKeys(msgspec.Struct):
    cart_id: str | None = None
    item_id: str | None = None


class _MadeLine(msgspec.Struct):
    """A line of a cart: whether it is done, and the run and line that tried it last."""

    op: OperationKind
    item: str | None
    done: bool
    run: str
    line: int
    round: int


class _MadeCart(msgspec.Struct):
    """What there is of a cart: its key, the ids of its items, its lines; ``doubtful`` where nobody knows."""

    key: str | None = None
    doubtful: bool = False
    items: dict[str, str] = {}
    lines: list[_MadeLine] = []


@dataclass(frozen=True, slots=True)
class LineToMake:
    """A line of a new job: the operation, and the keys that it has beside those of its kind."""

    template: OperationTemplate
    keys: dict[str, Any]


class MadeCarts:
    """What the rounds so far made, by the carts' names."""

    def __init__(self, found: SpillDict[_MadeCart]) -> None:
        self._found = found

    def left_of(self, name: str, templates: Sequence[OperationTemplate]) -> list[LineToMake] | None:
        """The lines that are still to be done to make a cart; None where there are none, or nobody can say.

        A cart that was made in part is gone on with only where the map changed nothing but what the lines say.
        """
        cart = self._found.get(name)
        if cart is None:
            return [LineToMake(one, {}) for one in templates]
        if cart.doubtful or all(line.done for line in cart.lines):
            return None
        if cart.key is None and not any(line.done for line in cart.lines):
            return [LineToMake(one, _why(cart.lines[:1])) for one in templates]
        if cart.key is None or [(one.kind, one.item) for one in templates] != [
            (line.op, line.item) for line in cart.lines
        ]:
            return None
        return [_go_on(cart, one, line) for one, line in zip(templates, cart.lines, strict=True) if not line.done]

    def is_made(self, name: str) -> bool:
        """Whether the cart is in its shop, or may be."""
        cart = self._found.get(name)
        return cart is not None and (cart.doubtful or any(line.done for line in cart.lines))

    def take(self, number: int, job: Path, results: Path) -> None:
        """Take in what became of a round's job; its run must not be at work.

        Raises UsageError where the job is not what its run began with: then nobody knows what is made.
        """
        if not job.is_file():
            raise UsageError(f"{job} does not exist, and its lines tell what is made already; restore the file")
        with open_journal_readonly(results) as connection:
            run = get_meta(connection, "run") or ""
            texts = lines_of(job)
            for line in every_line(connection):
                text = next(texts, b"").rstrip(b"\r\n")
                if RawLine(line.planned.line, line.planned.offset, text).digest != line.planned.digest:
                    raise UsageError(
                        f"{job}:{line.planned.line}: the line is not what it was when the run began; restore the "
                        "original file"
                    )
                self._take_line(connection, number, run, msgspec.json.decode(text, type=_LineNames), line)

    def _take_line(self, connection: Connection, number: int, run: str, names: _LineNames, line: LineLeft) -> None:
        cart = self._found.get(names.cart) or _MadeCart()
        keys = decode_value(connection, "result", line.text, _LineKeys)
        done = line.status is Status.OK
        if names.op is OperationKind.CART_CREATE:
            cart = _MadeCart(keys.cart_id if done else None)
        cart.doubtful = cart.doubtful or line.in_doubt
        if done and names.item is not None and keys.item_id is not None:
            cart.items = {**cart.items, names.item: keys.item_id}
        tried = _MadeLine(names.op, names.item, done, run, line.planned.line, number)
        for place, earlier in enumerate(cart.lines):
            if (earlier.op, earlier.item) == (names.op, names.item) and not earlier.done and earlier.round < number:
                cart.lines[place] = tried
                break
        else:
            cart.lines = [*cart.lines, tried]
        self._found[names.cart] = cart


@contextmanager
def read_made(rounds: Sequence[tuple[Path, Path]]) -> Iterator[MadeCarts]:
    """What the rounds made, each a job and its results; of what is under way nobody knows."""
    with closing(SpillDict[_MadeCart](_MadeCart)) as found:
        made = MadeCarts(found)
        for number, (job, results) in enumerate(rounds, 1):
            made.take(number, job, results)
        yield made


def count_under_way(results: Path) -> int:
    """How many lines of a run had been sent when it stopped, so that nobody knows yet whether they happened."""
    with open_journal_readonly(results) as connection:
        return sum(line.under_way for line in lines_of_status(connection, "not_attempted"))


def _why(tried: Sequence[_MadeLine]) -> dict[str, Any]:
    return {"why": {"run": tried[0].run, "line": tried[0].line}} if tried else {}


def _go_on(cart: _MadeCart, template: OperationTemplate, line: _MadeLine) -> LineToMake:
    """A line for a cart that exists: it names cart, and the item that it is about, by the shop's own keys."""
    keys: dict[str, Any] = {"cart_id": cart.key, **_why([line])}
    if template.item in cart.items and template.kind.targets_item:
        return LineToMake(
            OperationTemplate(template.kind, template.data), {**keys, "item_id": cart.items[template.item]}
        )
    return LineToMake(template, keys)
