"""Owns what one commit of a running journal holds, and writing it with few statements; it does not know when.

SQLite's module lets other threads run in each step and then waits for its turn again. So a commit of hundreds of rows
must be a handful of steps: rows of one kind go in many at a time.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from batchcart.journal.settlement import SettledRow, write_settlements

if TYPE_CHECKING:
    import asyncio

Row = Sequence[object]

_INTENTS = "INSERT OR REPLACE INTO send (line, n, at, request, state) SELECT *, 'sent' FROM "
_ANSWER = "UPDATE send SET state = ?, status = ?, headers = ?, body = ?, why = ? WHERE line = ? AND n = ?"
_RESULTS = "INSERT INTO result (line, status, learnt, text, until) SELECT * FROM "
_FORGET = "DELETE FROM send WHERE line IN "
_STATE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_EVENT = "INSERT INTO event (at, account, kind, until, message, fields) VALUES (?, ?, ?, ?, ?, ?)"

_MOST, _LEAST = 128, 8
"""How many rows one statement has places for, in powers of two, so that SQLite has to understand few statements."""


@dataclass(slots=True)
class Batch:
    """Rows that wait for the disk, by kind, with those who wait for them and the result lines that follow them."""

    intents: list[tuple[int, int, float, str]] = field(default_factory=list)
    answers: list[tuple[int, int, Row]] = field(default_factory=list)
    results: list[tuple[int, str, str, bytes, int]] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)
    states: list[tuple[str, str]] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    settled: list[SettledRow] = field(default_factory=list)
    waiters: "list[asyncio.Future[None]]" = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (
            self.intents
            or self.answers
            or self.results
            or self.forgotten
            or self.states
            or self.events
            or self.settled
            or self.waiters
        )

    def add(self, later: "Batch") -> None:
        """Take in what came after this."""
        self.intents += later.intents
        self.answers += later.answers
        self.results += later.results
        self.forgotten |= later.forgotten
        self.states += later.states
        self.events += later.events
        self.settled += later.settled
        self.waiters += later.waiters

    def without_intents(self) -> "Batch":
        """What is still worth writing once nothing may be sent any more."""
        return Batch([], self.answers, self.results, self.forgotten, self.states, self.events, self.settled)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all of it in one commit; raises sqlite3.Error where it is not on the disk."""
        connection.execute("BEGIN")
        # A line that has ended leaves no past, so what began and ended within one batch is not written at all.
        intents = [row for row in self.intents if row[0] not in self.forgotten]
        _insert(connection, _INTENTS, 4, intents)
        for line, number, row in self.answers:
            if line not in self.forgotten:
                connection.execute(_ANSWER, (*row, line, number))
        _forget(connection, list(self.forgotten))
        _insert(connection, _RESULTS, 5, self.results)
        connection.executemany(_STATE, self.states)
        connection.executemany(_EVENT, self.events)
        write_settlements(connection, self.settled)
        connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, head: str, columns: int, rows: Sequence[Row]) -> None:
    for first in range(0, len(rows), _MOST):
        some = rows[first : first + _MOST]
        places = _places(len(some))
        values = [value for row in some for value in row]
        values += [None] * (columns * (places - len(some)))
        connection.execute(_inserting(head, columns, places), values)


@cache
def _inserting(head: str, columns: int, places: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head}(VALUES {', '.join([row] * places)}) WHERE column1 IS NOT NULL"


def _forget(connection: sqlite3.Connection, lines: Sequence[int]) -> None:
    for first in range(0, len(lines), _MOST):
        some = lines[first : first + _MOST]
        places = _places(len(some))
        connection.execute(f"{_FORGET}({', '.join('?' * places)})", (*some, *[None] * (places - len(some))))


def _places(rows: int) -> int:
    return max(_LEAST, 1 << (rows - 1).bit_length())
