"""Owns reading many carts: a run of reads through the ordinary engine; it does not know what the carts are wanted for.

Limits, retries, outages and going on after a kill are the run's own.
"""

import contextlib
import filecmp
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchcart.accounts.config_table import ConfigSource
from batchcart.engine.looks import SURE_AFTER
from batchcart.journal.queries import result_of, result_texts
from batchcart.journal.rows import decode_value
from batchcart.journal.schema import Connection, open_reading
from batchcart.journal.summary import Summary
from batchcart.model.adapter import CartReader
from batchcart.model.files import replacing
from batchcart.model.http import Response
from batchcart.model.outcome import ErrorKind
from batchcart.runs.deps import WORLD
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions, check_patience
from batchcart.runs.paths import journal_path
from batchcart.runs.runner import run_job

_JOB, _RESULTS = "reads.jsonl", "reads.results.jsonl"


@dataclass(frozen=True, slots=True)
class Reader:
    """How shops are read: the options of a run. ``patience`` is in minutes; raises UsageError if it is none."""

    config: ConfigSource | None = None
    patience: float = 30.0
    concurrency: int | None = None

    def __post_init__(self) -> None:
        check_patience(self.patience)


class ReadError(msgspec.Struct):
    """Why a read brought nothing, with what the shop answered."""

    message: str
    kind: str
    http_status: int = 0
    body: str = ""


class ReadAnswer(msgspec.Struct):
    """How one read ended: the shop's answer as it came, or an error."""

    cart_id: str | None = None
    body: msgspec.Raw = msgspec.Raw()
    error: ReadError | None = None

    def says_gone(self, snapshot: CartReader) -> bool:
        """Whether the shop says that there is no such cart; anything else that shows none only could not be read."""
        error = self.error
        if error is None:
            return snapshot.is_missing(Response(200, bytes(self.body)))
        return error.kind == ErrorKind.REJECTED.value and snapshot.is_missing(
            Response(error.http_status, error.body.encode())
        )


def lag_left(*results: Path) -> float:
    """Seconds for which what shops show may still lag behind what the run with these results wrote at its end."""
    ended = max((path.stat().st_mtime for path in results if path.exists()), default=0.0)
    return min(SURE_AFTER, max(0.0, ended + SURE_AFTER - WORLD.wall()))


def has_questions(folder: Path) -> bool:
    """Whether it was written down what is to be read, and that is anything."""
    job = folder / _JOB
    return job.exists() and job.stat().st_size > 0


def write_questions(folder: Path, questions: Iterable[bytes]) -> None:
    """Write down the reads, job lines all of them; answers to other questions are forgotten."""
    job, results = folder / _JOB, folder / _RESULTS
    with replacing(job) as file:
        file.writelines(question + b"\n" for question in questions)
        file.flush()
        if not (job.exists() and filecmp.cmp(file.name, job, shallow=False)):
            journal = journal_path(results)
            for path in (results, journal, Path(f"{journal}-wal"), Path(f"{journal}-shm")):
                path.unlink(missing_ok=True)


async def run_reads(folder: Path, reader: Reader, monitor: RunMonitor) -> Summary:
    """Read what was written down, or resume it; exit code 3 in the summary says that some are open."""
    options = RunOptions(
        job=str(folder / _JOB),
        results=folder / _RESULTS,
        config=reader.config,
        patience=reader.patience,
        stop_after=0,  # carts that are not there are an answer, however many
        concurrency=reader.concurrency,
    )
    try:
        return await run_job(options, monitor)
    finally:
        monitor.end_reads()


@contextlib.contextmanager
def open_answers(folder: Path) -> Iterator[Connection | None]:
    """What was answered so far; None where nothing was asked."""
    path = journal_path(folder / _RESULTS)
    if not path.exists():
        yield None
        return
    with contextlib.closing(open_reading(path)) as connection:
        yield connection


def all_answers(connection: Connection) -> Iterator[ReadAnswer]:
    """The answers, in the order of the questions."""
    texts = result_texts(connection, in_order=True)
    return (decode_value(connection, "result", text, ReadAnswer) for text in texts)


def answer_to(connection: Connection, number: int) -> ReadAnswer | None:
    """The answer to the question of that number, counted from 1; None where there is none."""
    ended = result_of(connection, number)
    return None if ended is None else decode_value(connection, "result", ended.text, ReadAnswer)
