"""Owns reading many carts: a run of cart.get lines through the ordinary engine; it does not know what carts mean.

Limits, retries, outages and going on after a kill are the run's own.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config import AccountConfig
from batchcart.journal.queries import result_texts
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import open_reading
from batchcart.journal.summary import Summary
from batchcart.model.adapter import CartReader
from batchcart.model.fault import unreadable
from batchcart.model.files import replacing
from batchcart.model.http import Response
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import ErrorKind
from batchcart.runs.context import RunMonitor, journal_path
from batchcart.runs.runner import RunOptions, run_job

_JOB, _RESULTS = "reads.jsonl", "reads.results.jsonl"


@dataclass(frozen=True, slots=True)
class Reader:
    """How shops are read: the options of a run. ``patience`` is in minutes."""

    config: Path | None = None
    patience: float = 30.0
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class CartAnswer:
    """What a shop answered about one cart: the body of each view that shows it, or why it cannot be read.

    ``gone`` says that the shop itself says, in every view, that it has no such cart.
    """

    cart_id: str
    bodies: tuple[bytes, ...] = ()
    why: str = ""
    gone: bool = False


class _ReadError(msgspec.Struct):
    message: str
    kind: str
    http_status: int = 0
    body: str = ""


class _ReadResult(msgspec.Struct):
    cart_id: str
    body: msgspec.Raw = msgspec.Raw()
    error: _ReadError | None = None


def views(entry: AccountConfig) -> tuple[str | None, ...]:
    """The views that together show all of a cart: each that the platform names, then the plain one."""
    return (*entry.adapter.operations[OperationKind.CART_GET].views, None)


def ask_for(folder: Path, entry: AccountConfig, keys: Iterable[str]) -> bool:
    """Write down which carts are to be read, unless that was done before; whether there are any."""
    if not (folder / _JOB).exists():
        with replacing(folder / _JOB) as file:
            for key in keys:
                for view in views(entry):
                    line = {"op": OperationKind.CART_GET.value, "account": entry.name, "cart_id": key}
                    file.write(msgspec.json.encode(line | ({"view": view} if view else {})) + b"\n")
    return (folder / _JOB).stat().st_size > 0


async def read(folder: Path, reader: Reader, monitor: RunMonitor) -> Summary:
    """Read the carts that were written down, or go on with it; exit code 3 in the summary says that some are open."""
    options = RunOptions(
        job=str(folder / _JOB),
        results=folder / _RESULTS,
        config=reader.config,
        patience=reader.patience,
        stop_after=0,  # carts that are not there are an answer, however many
        concurrency=reader.concurrency,
    )
    return await run_job(options, monitor)


def answers(folder: Path, entry: AccountConfig) -> Iterator[CartAnswer]:
    """What was answered about each cart, in the order in which they were written down."""
    path = journal_path(folder / _RESULTS)
    if not path.exists():
        return
    with contextlib.closing(open_reading(path)) as connection:
        results = (
            decode_value(connection, "result", text, _ReadResult) for text in result_texts(connection, in_order=True)
        )
        for several in zip(*[results] * len(views(entry)), strict=True):
            try:
                yield _answer(several, entry.adapter.snapshot)
            except Exception as error:  # noqa: BLE001  # one cart's answer must not end the reading of the others
                yield CartAnswer(several[0].cart_id, why=unreadable(error))


def _answer(several: tuple[_ReadResult, ...], looking: CartReader | None) -> CartAnswer:
    key = several[0].cart_id
    gone = [_says_gone(one, looking) for one in several]
    errors = [one.error for one in several if one.error is not None]
    if all(gone):
        return CartAnswer(key, why=errors[0].message if errors else "the shop shows no such cart", gone=True)
    failed = [one.error.message for one, none in zip(several, gone, strict=True) if one.error and not none]
    if failed:
        return CartAnswer(key, why=failed[0])
    if errors:
        return CartAnswer(key, why=f"one view of it is not there, although another shows it: {errors[0].message}")
    return CartAnswer(key, tuple(bytes(one.body) for one, none in zip(several, gone, strict=True) if not none))


def _says_gone(result: _ReadResult, looking: CartReader | None) -> bool:
    """Whether the answer means that there is no such cart; anything else that shows none only could not be read."""
    error = result.error
    if looking is None:
        return False
    if error is None:
        return looking.is_missing(Response(200, bytes(result.body)))
    return error.kind == ErrorKind.REJECTED.value and looking.is_missing(
        Response(error.http_status, error.body.encode())
    )
