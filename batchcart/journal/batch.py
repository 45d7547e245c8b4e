"""Owns what one commit of a running journal holds, and in which order it is written; it does not know when."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchcart.journal.event_row import INSERT_EVENT
from batchcart.journal.many_rows import SqlRow, delete_lines, insert_rows
from batchcart.journal.settlement import SettledRow, write_settlements

if TYPE_CHECKING:
    import asyncio

IntentRow = tuple[int, int, float, str]
"""A request that is about to leave: line, number, moment, request."""

AnswerRow = tuple[int, int, str, SqlRow]
"""What became of a request: line, number, state; and status, headers, body, why."""

EndRow = tuple[int, str, str, bytes, bool]
"""How an operation ended: line, status, what later lines learn, its result line, and whether its past is kept."""

_INTENTS = "INSERT OR REPLACE INTO send (line, n, at, request, state) SELECT *, 'sent' FROM "
_ANSWER = "UPDATE send SET state = ?, status = ?, headers = ?, body = ?, why = ? WHERE line = ? AND n = ?"
_RESULTS = "INSERT INTO result (line, status, learnt, text, until) SELECT * FROM "
_FORGET = "DELETE FROM send WHERE line IN "
_STATE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


@dataclass(slots=True)
class Batch:
    """Rows that wait for the disk, by kind, with those who wait for them and the result lines that follow them.

    ``waiters`` are told at the loop's next turn, ``listeners`` at once, with why it is not on the disk if it is not.
    """

    intents: list[IntentRow] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
    results: list[tuple[int, str, str, bytes, int]] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)
    states: list[tuple[str, str]] = field(default_factory=list)
    events: list[SqlRow] = field(default_factory=list)
    settled: list[SettledRow] = field(default_factory=list)
    waiters: "list[asyncio.Future[None]]" = field(default_factory=list)
    listeners: list[Callable[[str], None]] = field(default_factory=list)

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
            or self.listeners
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
        self.listeners += later.listeners

    def without_intents(self) -> "Batch":
        """What is still worth writing once nothing may be sent any more."""
        return Batch([], self.answers, self.results, self.forgotten, self.states, self.events, self.settled)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all of it in one commit; raises sqlite3.Error where it is not on the disk."""
        connection.execute("BEGIN")
        # A line that has ended leaves no past, so what began and ended within one batch is not written at all.
        intents = [row for row in self.intents if row[0] not in self.forgotten]
        insert_rows(connection, _INTENTS, 4, intents)
        for line, number, state, row in self.answers:
            if line not in self.forgotten:
                connection.execute(_ANSWER, (state, *row, line, number))
        delete_lines(connection, _FORGET, list(self.forgotten))
        insert_rows(connection, _RESULTS, 5, self.results)
        connection.executemany(_STATE, self.states)
        connection.executemany(INSERT_EVENT, self.events)
        write_settlements(connection, self.settled)
        connection.execute("COMMIT")
