"""Owns opening a journal: a file that may be absent, foreign, newer or damaged; it knows few of its questions."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from batchcart.journal.tables import VERSION, check_values, complete_tables, lay_tables, recognize
from batchcart.model.errors import UsageError
from batchcart.model.files import check_no_link, create_fresh

Connection = sqlite3.Connection
"""An open journal. What is asked of it and changed in it stands in this room alone."""

DatabaseError = sqlite3.Error
"""What SQLite raises: others make a sentence of it."""

PUT_BACK = "Restore a copy of it, or start over with --fresh, which keeps the old files under another name"
"""What to do about a journal that is damaged."""


def create(path: Path) -> sqlite3.Connection:
    """A fresh journal, open for writing; raises UsageError if the folder does not take it."""
    try:
        create_fresh(path).close()
        connection = _connect(path)
        # Without a log beside it: the file is whole when it is closed, and takes its place only then.
        connection.execute("PRAGMA journal_mode = OFF")
        # Each table by itself need not be on the disk: the plan's commit brings all there. 12 syncs fewer a run.
        connection.execute("PRAGMA synchronous = OFF")
        lay_tables(connection)
        set_meta(connection, "version", str(VERSION))
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.OperationalError as error:
        if is_disk_trouble(error):
            raise
        raise UsageError(f"the journal {path} cannot be written: {error}; nothing was sent") from None
    return connection


def open_existing(path: Path) -> sqlite3.Connection:
    """A journal that is there, open for writing; raises UsageError if it is damaged, foreign or newer."""
    with ExitStack() as stack:
        connection = stack.enter_context(closing(_connect(path)))
        with _readable(path):
            kind = recognize(connection)
            version = _check_version(connection, path)
            check_values(connection, kind)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            complete_tables(connection, kind)
            if version < VERSION:  # an older batchcart would not understand what is added now
                set_meta(connection, "version", str(VERSION))
        stack.pop_all()
        return connection


def open_alone(path: Path) -> sqlite3.Connection:
    """A journal that only is looked at, and left as it is: where nobody writes, SQLite then makes no files beside it.

    Raises UsageError if it is foreign or newer; whether it is damaged is seen when it is read.
    """
    # Without a WAL nobody writes, and there is nothing to share with a writer.
    return _open_to_read(path, "" if Path(f"{path}-wal").exists() else "&immutable=1")


def open_reading(path: Path) -> sqlite3.Connection:
    """A second connection that only reads. One writer is all that SQLite's WAL mode is safe with before 3.51.3.

    Raises UsageError as ``open_alone`` does.
    """
    return _open_to_read(path)


def _open_to_read(path: Path, more: str = "") -> sqlite3.Connection:
    with ExitStack() as stack:
        with _readable(path):
            uri = f"{path.resolve().as_uri()}?mode=ro{more}"
            connection = stack.enter_context(closing(sqlite3.connect(uri, uri=True, isolation_level=None)))
            _distrust(connection)
            recognize(connection)
            _check_version(connection, path)
        stack.pop_all()
        return connection


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raises UsageError in place of what SQLite says of a file that is no journal, or a damaged one."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if is_disk_trouble(error):
            raise
        # SQLite's own words may quote what is damaged, and so not be text.
        said = error if isinstance(error, sqlite3.Error) else "it is damaged"
        raise UsageError(
            f"the journal {path} cannot be read: {said}. Nothing was sent and nothing was changed. {PUT_BACK}"
        ) from None


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The journal's format; raises UsageError if this version does not know it."""
    found = get_meta(connection, "version") or ""
    if not (found.isascii() and found.isdecimal() and len(found) < 10):
        raise sqlite3.DatabaseError("it does not say its version")
    if int(found) > VERSION:
        raise UsageError(f"the journal {path} was written by a newer batchcart (format {found}); use that version")
    return int(found)


def probe(folder: Path) -> str:
    """Try a journal in the folder: the mode that SQLite keeps it in; raises DatabaseError if it cannot."""
    with closing(sqlite3.connect(folder / "journal")) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        lay_tables(connection)
    return str(mode)


SQLITE = f"SQLite {sqlite3.sqlite_version}"
"""The library and its version."""


def get_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """One fact about the run."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Note one fact about the run."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def forget_states(connection: sqlite3.Connection) -> None:
    """Begin anew with every account."""
    connection.execute("DELETE FROM meta WHERE key LIKE 'state:%'")


def is_disk_trouble(error: Exception) -> bool:
    """Whether the disk is full or failing, and the file itself may be well."""
    return isinstance(error, sqlite3.OperationalError) and ("full" in str(error) or "I/O" in str(error))


def _connect(path: Path) -> sqlite3.Connection:
    try:
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            check_no_link(name)  # SQLite would follow it, and write there
    except OSError as error:
        raise UsageError(
            f"the journal's file {error.filename} was not opened: {error.strerror}; remove it, or choose other results "
            "with -o. Nothing was sent"
        ) from None
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    _distrust(connection)
    return connection


def _distrust(connection: sqlite3.Connection) -> None:
    """Take the file for one that somebody else may have written; this reads nothing of it yet."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
