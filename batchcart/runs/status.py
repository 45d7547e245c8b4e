"""Owns where a run stands as others see it: who works on its result file, its figures, the troubles of its disk.

It neither plans nor sends anything.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from batchcart.accounts.locks import FileLock, find_lock_holder
from batchcart.journal.queries import states, status_counts
from batchcart.journal.schema import PUT_BACK, Connection, DatabaseError, is_disk_trouble, open_alone
from batchcart.journal.summary import Summary, aggregate
from batchcart.journal.writer import JournalFailed
from batchcart.model.errors import Stopped, UsageError
from batchcart.runs.paths import journal_path

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_MAKE_ROOM = "Nothing that was done is forgotten; make room, then run the same command again"


@contextlib.contextmanager
def lock_output(output: Path, what: str = "result file") -> Iterator[None]:
    """A file that is made, held against other runs; raises UsageError naming the pid of the one that has it."""
    lock = FileLock(_lock_path(output))
    try:
        _check_regular(output, what)
        lock.acquire(f"the {what} {output}")
    except OSError as error:
        raise UsageError(f"{output}: cannot write there: {error.strerror}; choose another place") from None
    try:
        yield
    finally:
        lock.release()


def _check_regular(output: Path, what: str) -> None:
    """Raises UsageError where a device, a pipe or a link that leads nowhere would be replaced by the file."""
    if output.exists() and not output.is_file():
        raise UsageError(f"the {what} {output} is not a regular file and was not changed; choose another place")
    if output.is_symlink() and not output.exists():
        raise UsageError(f"the {what} {output} is a link that leads nowhere; remove it, or choose another place")


def lock_holder(results: Path) -> int | None:
    """The pid of the run that holds the result file now, found without touching its lock."""
    return find_lock_holder(_lock_path(results))


@contextlib.contextmanager
def storage_errors(results: Path) -> Iterator[None]:
    """Say in a sentence that the disk is full or failing, wherever it shows; raises Stopped.

    Raises UsageError where the names of the files beside the results would be too long, as shows before one is written.
    """
    try:
        yield
    except DatabaseError as error:
        next_step = _MAKE_ROOM if is_disk_trouble(error) else PUT_BACK
        raise Stopped(f"{journal_path(results)}: {error}. {next_step}") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(
                f"{results}: the names of the files beside it would be too long; choose a shorter one"
            ) from None
        if error.errno not in _DISK:
            raise
        raise Stopped(f"{error.filename or results}: {error.strerror}. {_MAKE_ROOM}") from None


def load_summary(connection: Connection, results: Path) -> Summary:
    """The figures of a run as its journal has them."""
    return Summary(aggregate(status_counts(connection), states(connection)), str(results))


def read_summary(results: Path) -> Summary:
    """The figures of a run that may be alive, killed or over; raises UsageError as ``open_journal_readonly`` does."""
    with open_journal_readonly(results) as connection:
        return load_summary(connection, results)


@contextlib.contextmanager
def open_journal_readonly(results: Path) -> Iterator[Connection]:
    """The journal of a run that may be alive, killed or over, read without leaving a trace.

    Raises UsageError where there is none, or none that can be read.
    """
    path = journal_path(results)
    if not path.exists():
        raise UsageError(f"{results} has no journal {path}: no run has written there, or it has not begun to send yet")
    try:
        with contextlib.closing(open_alone(path)) as connection:
            yield connection
    except JournalFailed as error:
        raise UsageError(str(error)) from None
    except DatabaseError as error:
        raise UsageError(f"the journal {path} cannot be read: {error}") from None


def _lock_path(results: Path) -> Path:
    return Path(f"{results}.lock")
