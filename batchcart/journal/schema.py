"""Owns the journal's tables, and opening a file that may be absent, foreign, newer or damaged."""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from batchcart.model.errors import UsageError
from batchcart.model.files import check_no_link, create_fresh

VERSION = 2

Connection = sqlite3.Connection
"""An open journal. What is asked of it and changed in it stands in this room alone."""

DatabaseError = sqlite3.Error
"""What SQLite raises: others make a sentence of it."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, platform TEXT NOT NULL, place TEXT NOT NULL);
CREATE TABLE plan (
    line INTEGER PRIMARY KEY,   -- the job file's line number
    account INTEGER NOT NULL,
    chain INTEGER NOT NULL,     -- the first line of the cart's chain
    kind TEXT NOT NULL,
    offset INTEGER NOT NULL,    -- where the line's text begins, in bytes
    length INTEGER NOT NULL,
    digest INTEGER NOT NULL     -- its checksum, to tell the first line that changed
);
CREATE TABLE send (             -- the past of operations that have not ended, or ended in doubt
    line INTEGER NOT NULL,      -- below 0: a question of the engine's own, of that account
    n INTEGER NOT NULL,
    at REAL NOT NULL,           -- wall clock, seconds
    state TEXT NOT NULL,        -- sent, answered, failing, lost, void (nothing to remember)
    request TEXT NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    why TEXT,
    PRIMARY KEY (line, n)
) WITHOUT ROWID;
CREATE TABLE result (
    seq INTEGER PRIMARY KEY,    -- the order in which lines ended
    line INTEGER NOT NULL UNIQUE,
    status TEXT NOT NULL,
    learnt TEXT NOT NULL,       -- ids and facts for the chain's later lines
    text BLOB NOT NULL,         -- the result line, without its line end
    until INTEGER NOT NULL      -- bytes of the result file up to and with this line
);
"""

EVENT_TABLE = """
CREATE TABLE IF NOT EXISTS event (  -- what a person must see; journals of older versions have none
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,           -- wall clock, seconds
    account TEXT NOT NULL,      -- empty: about the whole run
    kind TEXT NOT NULL,
    until REAL,                 -- when it ends, where that is known
    message TEXT NOT NULL,
    fields TEXT NOT NULL        -- all of it, as JSON
);
"""

ENDED_BEFORE_TABLE = """
CREATE TABLE IF NOT EXISTS ended_before (  -- how lines ended that were opened again; most journals have none
    line INTEGER NOT NULL,
    status TEXT NOT NULL,
    at REAL NOT NULL,           -- when its first request was sent: wall clock, seconds
    took REAL NOT NULL          -- seconds from then to its end
);
"""

PLAN_INDEX = "CREATE INDEX plan_order ON plan (account, chain, line)"


def create(path: Path) -> sqlite3.Connection:
    """A fresh journal, open for writing; raises UsageError where the folder does not take it."""
    try:
        create_fresh(path).close()
        connection = _connect(path)
        # Without a log beside it: the file is whole when it is closed, and takes its place only then.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(TABLES + EVENT_TABLE)
    except sqlite3.OperationalError as error:
        if _disk(error):
            raise
        raise UsageError(f"the journal {path} cannot be written: {error}; nothing was sent") from None
    set_meta(connection, "version", str(VERSION))
    return connection


def open_existing(path: Path) -> sqlite3.Connection:
    """A journal that is there, open for writing; raises UsageError where it is damaged, foreign or newer."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(closing(_connect(path)))
            _configure(connection)
            found = get_meta(connection, "version")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
            if found is None or not found.isdecimal():
                raise sqlite3.DatabaseError("it does not say its version")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and _disk(error):
                raise
            # SQLite's own words may quote what is damaged, and so not be text.
            said = error if isinstance(error, sqlite3.Error) else "it is damaged"
            raise UsageError(
                f"the journal {path} cannot be read: {said}. Nothing was sent and nothing was changed. Put back a "
                "copy of it, or start over with --fresh, which keeps the old files under another name"
            ) from None
        if int(found[:9]) > VERSION:
            raise UsageError(f"the journal {path} was written by a newer batchcart (format {found}); use that version")
        connection.execute(EVENT_TABLE)
        if int(found[:9]) < VERSION:  # an older batchcart would not understand what is added now
            set_meta(connection, "version", str(VERSION))
        stack.pop_all()
        return connection


def open_alone(path: Path) -> sqlite3.Connection:
    """A journal that only is looked at, and left as it is: where nobody writes, SQLite then makes no files beside it.

    Raises DatabaseError where it cannot be read.
    """
    # Without a WAL nobody writes, and there is nothing to share with a writer.
    alone = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True)


def newest_format(connection: sqlite3.Connection) -> bool:
    """Whether this version knows the journal's format."""
    return int(get_meta(connection, "version") or 0) <= VERSION


def probe(folder: Path) -> str:
    """Try a journal in the folder: the mode that SQLite keeps it in; raises DatabaseError where it cannot."""
    with closing(sqlite3.connect(folder / "journal")) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("CREATE TABLE tried (a)")
    return str(mode)


SQLITE = f"SQLite {sqlite3.sqlite_version}"
"""The library and its version."""


def open_reading(path: Path) -> sqlite3.Connection:
    """A second connection that only reads. One writer is all that SQLite's WAL mode is safe with before 3.51.3."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


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


def _disk(error: sqlite3.OperationalError) -> bool:
    """Whether the disk is full or failing, and the file itself may be well."""
    return "full" in str(error) or "I/O" in str(error)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            check_no_link(name)  # SQLite would follow it, and write there
    except OSError as error:
        raise UsageError(
            f"the journal's file {error.filename} was not opened: {error.strerror}; remove it, or choose other results "
            "with -o. Nothing was sent"
        ) from None
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
