"""Owns the journal's tables, and whether a file has exactly these, filled with what fits; it opens no file.

A journal may be damaged, or written by somebody else. So nothing is asked of its tables before they are known to be
tables, and these ones.
"""

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache

import msgspec

from batchcart.model.outcome import Status

VERSION = 3
"""The format: 1 kept the bodies of all requests, 2 had tables that took values of any type."""

_APPLICATION = 0x62637274  # "bcrt", by which programs that know no journals tell the file

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    place TEXT NOT NULL         -- where it pointed when the run began
) STRICT;
CREATE TABLE plan (
    line INTEGER PRIMARY KEY,   -- the job file's line number
    account INTEGER NOT NULL,
    chain INTEGER NOT NULL,     -- the first line of the cart's chain
    kind TEXT NOT NULL,
    offset INTEGER NOT NULL,    -- where the line's text begins, in bytes
    length INTEGER NOT NULL,
    digest INTEGER NOT NULL     -- its checksum, to tell the first line that changed
) STRICT;
CREATE TABLE send (             -- the past of operations that have not ended, or ended in doubt
    line INTEGER NOT NULL,      -- below 0: a health probe, of that account
    n INTEGER NOT NULL,
    at REAL NOT NULL,           -- wall clock, seconds
    state TEXT NOT NULL,        -- sent, answered, failing, lost, void (nothing to remember)
    request TEXT NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    why TEXT,
    PRIMARY KEY (line, n)
) WITHOUT ROWID, STRICT;
CREATE TABLE result (
    seq INTEGER PRIMARY KEY,    -- the order in which lines ended
    line INTEGER NOT NULL UNIQUE,
    status TEXT NOT NULL,
    learnt TEXT NOT NULL,       -- ids and facts for the chain's later lines
    text BLOB NOT NULL,         -- the result line, without its line end
    until INTEGER NOT NULL      -- bytes of the result file up to and with this line
) STRICT;
"""

_LATER = {
    "event": """
CREATE TABLE event (            -- what a person must see
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,           -- wall clock, seconds
    account TEXT NOT NULL,      -- empty: about the whole run
    kind TEXT NOT NULL,
    until REAL,                 -- when it ends, where that is known
    message TEXT NOT NULL,
    fields TEXT NOT NULL        -- all of it, as JSON
) STRICT;
""",
    "ended_before": """
CREATE TABLE ended_before (     -- how lines ended that were opened again
    line INTEGER NOT NULL,
    status TEXT NOT NULL,
    at REAL NOT NULL,           -- when its first request was sent: wall clock, seconds
    took REAL NOT NULL          -- seconds from then to its end
) STRICT;
""",
    "taken_up": """
CREATE TABLE taken_up (         -- lines of other runs that lines of this one do again
    line INTEGER PRIMARY KEY,   -- of this run
    run TEXT NOT NULL,          -- the other run's own name
    other INTEGER NOT NULL      -- the line there
) STRICT;
""",
    "chosen": """
CREATE TABLE chosen (           -- the chains that are worked on now, if not all are
    chain INTEGER PRIMARY KEY
) STRICT;
""",
}
"""Tables that older journals may lack."""

PLAN_INDEX = "CREATE INDEX plan_order ON plan (account, chain, line)"


class JournalKind(msgspec.Struct, frozen=True):
    """What kind of journal a file is: the later tables that it lacks, and whether all take their own types only."""

    lacking: tuple[str, ...]
    strict: bool


def lay_tables(connection: sqlite3.Connection) -> None:
    """Make a new journal's tables."""
    connection.executescript(_FIRST + "".join(_LATER.values()))
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")


def complete_tables(connection: sqlite3.Connection, kind: JournalKind) -> None:
    """Make the tables that a journal of an older format lacks."""
    for name in kind.lacking:
        sql = _bare(_LATER[name])
        connection.execute(sql if kind.strict else _loose(sql))


def recognize(connection: sqlite3.Connection) -> JournalKind:
    """What kind of journal the file is, by its tables alone; raises DatabaseError if it is none."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    rows = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    found = {(kind, name): _bare(sql or "") for kind, name, sql in rows}
    strict = application == _APPLICATION
    lacking = tuple(name for name in _LATER if ("table", name) not in found)
    if application not in {0, _APPLICATION}:
        raise sqlite3.DatabaseError("it is a file of another program")
    if _INDEX | found != _schema_of(lacking, strict=strict):
        raise sqlite3.DatabaseError("it has other tables than a journal")
    return JournalKind(lacking, strict)


@cache
def _schema_of(lacking: tuple[str, ...], *, strict: bool) -> Mapping[tuple[str, str], str]:
    """The schema of a journal whose plan is complete."""
    with closing(sqlite3.connect(":memory:")) as connection:
        lay_tables(connection)
        connection.execute(PLAN_INDEX)
        rows = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    said = {(kind, name): _bare(sql or "") for kind, name, sql in rows if name not in lacking}
    return said if strict else {key: _loose(sql) for key, sql in said.items()}


def _bare(sql: str) -> str:
    """A definition without comments and layout."""
    return re.sub(r"(?<=\() | (?=\))", "", " ".join(re.sub(r"--[^\n]*", "", sql).split())).rstrip(";")


def _loose(sql: str) -> str:
    """The definition as formats 1 and 2 have it."""
    return sql.removesuffix("STRICT").rstrip(", ")


_INDEX = {("index", "plan_order"): _bare(PLAN_INDEX)}  # a plan that was not completed has none

_STATUSES = ", ".join(f"'{status.value}'" for status in Status)
_WRITTEN = "NOT EXISTS (SELECT 1 FROM meta WHERE key = 'rewrite')"  # else the result file is not rewritten yet
_MISFITS = (
    (
        "meta",
        """SELECT 1 WHERE NOT EXISTS
        (SELECT 1 FROM meta WHERE key = 'planned' AND value = CAST((SELECT count(*) FROM plan) AS TEXT))""",
    ),
    ("plan", "SELECT 1 FROM plan WHERE chain < 1 OR account NOT IN (SELECT id FROM account)"),
    ("send", "SELECT 1 FROM send s WHERE line > 0 AND NOT EXISTS (SELECT 1 FROM plan p WHERE p.line = s.line)"),
    (
        "result",  # counting is twice as fast as looking for the one
        f"""SELECT 1 WHERE (SELECT count(*) FROM result) <> (SELECT count(*) FROM result r
        CROSS JOIN plan p ON p.line = r.line WHERE r.status IN ({_STATUSES}))""",  # noqa: S608  # words of our own
    ),
    (
        "result",  # four times as fast as a running sum
        f"""SELECT 1 FROM result a JOIN result b ON b.seq = a.seq + 1
        WHERE b.until - a.until <> length(b.text) + 1 AND {_WRITTEN}""",  # noqa: S608
    ),
    (
        "result",
        f"""SELECT 1 FROM (SELECT sum(length(text) + 1) AS fits, max(until) AS until, min(until) AS least FROM result)
        WHERE (until <> fits OR least < 1) AND {_WRITTEN}""",  # noqa: S608
    ),
)
"""What finds a row that does not fit to the others, with its table."""


def check_values(connection: sqlite3.Connection, kind: JournalKind) -> None:
    """Raises DatabaseError if pages, types or rows do not fit together."""
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(f"its pages do not fit together: {said.splitlines()[-1]}")
    if not kind.strict:
        _check_types(connection)
    planned = "SELECT 1 FROM plan UNION ALL SELECT 1 FROM meta WHERE key = 'planned' LIMIT 1"
    if connection.execute(planned).fetchone() is None:
        return  # it holds questions without a plan
    for table, misfits in _MISFITS:
        if connection.execute(f"{misfits} LIMIT 1").fetchone() is not None:
            raise sqlite3.DatabaseError(f"its table {table} does not fit to the others")


def _check_types(connection: sqlite3.Connection) -> None:
    """What the newer tables' own definition does: raises DatabaseError if a value is not of its column's type."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in names:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        wrong = [
            f"(typeof({name}) <> '{kind.lower()}' AND ({'1' if needed or key else f'{name} IS NOT NULL'}))"
            for _, name, kind, needed, _, key in columns
        ]
        if connection.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong)} LIMIT 1").fetchone() is not None:  # noqa: S608  # names of known tables
            raise sqlite3.DatabaseError(f"its table {table} holds something of another type")
