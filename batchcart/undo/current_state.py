"""Owns reading carts as they are now: an ordinary run of reads, which goes on where it was stopped.

It does not know what the carts are compared with.
"""

import filecmp
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import MappingProxyType

import msgspec
import orjson

from batchcart.journal.queries import result_of
from batchcart.journal.schema import Connection, open_reading
from batchcart.model.adapter import CartReader
from batchcart.model.errors import Stopped
from batchcart.model.fault import unreadable
from batchcart.model.files import replacing
from batchcart.model.http import Response
from batchcart.model.outcome import ErrorKind
from batchcart.runs.context import RunMonitor, journal_path
from batchcart.runs.runner import RunOptions, run_job
from batchcart.undo.model import CartEffects, FieldChanged, Gone, Now, Unread


class _ReadFailure(msgspec.Struct):
    kind: str
    message: str
    http_status: int = 0
    body: str = ""


class _Answer(msgspec.Struct):
    body: msgspec.Raw = msgspec.Raw()
    error: _ReadFailure | None = None


class Answers:
    """What the shops answered, by the number of the question; ``given_up`` says of accounts why they did not."""

    def __init__(self, connection: Connection | None, given_up: Mapping[str, str] = MappingProxyType({})) -> None:
        self._connection = connection
        self._given_up = given_up

    def now(self, number: int, account: str, looking: CartReader) -> Now:
        """What the account's shop holds now of what question ``number`` asked about."""
        assert self._connection is not None
        ended = result_of(self._connection, number)
        if ended is None:
            return Unread(f"it cannot be read: {self._given_up[account]}")
        try:
            return _read(ended.text, looking)
        except Exception as error:  # noqa: BLE001  # one cart's answer must not end the undo of the others
            return Unread(unreadable(error))


def _read(text: bytes, looking: CartReader) -> Now:
    answer = msgspec.json.decode(text, type=_Answer)
    if answer.error is None:
        body = bytes(answer.body)
        return Gone() if looking.is_missing(Response(200, body)) else looking.read(body)
    error = answer.error
    if error.kind == ErrorKind.REJECTED and looking.is_missing(Response(error.http_status, error.body.encode())):
        return Gone()
    return Unread(f"it cannot be read: {error.message}")


@asynccontextmanager
async def answers(
    questions: Iterable[bytes], folder: Path, config: Path | None, monitor: RunMonitor
) -> AsyncIterator[Answers]:
    """Ask the shops the questions, job lines all of them; what was answered is kept in the folder.

    An account that is given up ends nothing but its own reads. Raises Stopped where a signal or the disk ended them, or
    no account answered them all: the same call goes on.
    """
    job, results = folder / "reads.jsonl", folder / "reads.results.jsonl"
    if not _write_questions(questions, job, results):
        yield Answers(None)
        return
    summary = await run_job(RunOptions(job=str(job), results=results, config=config, stop_after=0), monitor)
    open_ = {name: one for name, one in summary.accounts.items() if one.counts["not_attempted"]}
    given_up = {name: one.reason for name, one in open_.items() if one.reason}
    if summary.stopped or len(given_up) < len(open_) or 0 < len(open_) == len(summary.accounts):
        why = summary.stopped or "; ".join(f"{name}: {reason}" for name, reason in given_up.items())
        raise Stopped(
            f"{summary.totals['not_attempted']:,} of {summary.lines:,} carts are not read yet ({why}); "
            "the same command goes on"
        )
    with closing(open_reading(journal_path(results))) as connection:
        yield Answers(connection, given_up)


def _write_questions(questions: Iterable[bytes], job: Path, results: Path) -> bool:
    """Put the questions into a job, and say whether there are any; answers to other questions are forgotten."""
    with replacing(job) as file:
        file.writelines(question + b"\n" for question in questions)
        file.flush()
        found = file.tell() > 0
        if not (job.exists() and filecmp.cmp(file.name, job, shallow=False)):
            journal = journal_path(results)
            for path in (results, journal, Path(f"{journal}-wal"), Path(f"{journal}-shm")):
                path.unlink(missing_ok=True)
    return found


def question(account: str, left: CartEffects) -> bytes:
    """The job line that reads a cart, or the one item of it where its key is not known."""
    if left.cart_id is not None:
        return orjson.dumps({"op": "cart.get", "account": account, "cart_id": left.cart_id})
    item_id = next(effect.item_id for effect in left.effects if not isinstance(effect, FieldChanged))
    return orjson.dumps({"op": "item.get", "account": account, "item_id": item_id})
