"""Owns the file of rows that a shop's list of carts brought, and how far it was read; it knows no platform's words."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batchcart.model.files import create_new

_TABLES = """
CREATE TABLE IF NOT EXISTS cart (n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, cart INTEGER NOT NULL, text BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS line_of ON line (cart, id);
CREATE TABLE IF NOT EXISTS met (id INTEGER PRIMARY KEY, way INTEGER NOT NULL);  -- on which way back it was met last
CREATE TABLE IF NOT EXISTS walk (one INTEGER PRIMARY KEY CHECK (one = 1), walk BLOB NOT NULL);
"""


@dataclass(slots=True)
class ListedRows:
    """The rows that were listed. ``count`` is how many there are."""

    _connection: sqlite3.Connection
    count: int

    def walk(self) -> bytes | None:
        """How far the list has been read, as it was noted; None if it was not begun."""
        row = self._connection.execute("SELECT walk FROM walk").fetchone()
        return row[0] if row else None

    @contextmanager
    def page(self) -> Iterator[None]:
        """Have all that is kept and noted in the block on the disk, or nothing."""
        self._connection.execute("BEGIN")
        yield
        self._connection.execute("COMMIT")

    def last_pass_of(self, number: int) -> int | None:
        """On which way back the row of this number was met last, 0 for forward; None if it never was."""
        row = self._connection.execute("SELECT way FROM met WHERE id = ?", (number,)).fetchone()
        return row[0] if row else None

    def note_pass(self, number: int, pass_number: int) -> None:
        """Note on which way back a row was met."""
        self._connection.execute("INSERT OR REPLACE INTO met VALUES (?, ?)", (number, pass_number))

    def keep(self, number: int, cart: str, text: bytes) -> None:
        """Keep a row of a cart, unless one of that number is there."""
        self._connection.execute("INSERT OR IGNORE INTO cart (key) VALUES (?)", (cart,))
        kept = self._connection.execute(
            "INSERT OR IGNORE INTO line SELECT ?, n, ? FROM cart WHERE key = ?", (number, text, cart)
        )
        self.count += kept.rowcount

    def note_walk(self, walk: bytes) -> None:
        """Note how far the list has been read."""
        self._connection.execute("INSERT OR REPLACE INTO walk VALUES (1, ?)", (walk,))

    def carts(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each cart's key with its rows, in the order of their numbers; carts in the order in which they were met."""
        rows = self._connection.execute(
            "SELECT cart.key, line.text FROM cart JOIN line ON line.cart = cart.n ORDER BY cart.n, line.id"
        )
        for key, group in itertools.groupby(rows, key=lambda row: str(row[0])):
            yield key, [text for _, text in group]


@contextmanager
def open_rows(path: Path) -> Iterator[ListedRows]:
    """The rows in the file at ``path``, which is made where it is not there."""
    with suppress(FileExistsError):
        create_new(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
        yield ListedRows(connection, connection.execute("SELECT count(*) FROM line").fetchone()[0])
