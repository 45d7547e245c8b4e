"""Owns writing many rows in few statements; it does not know what the rows mean.

SQLite's module lets other threads run in each step and then waits for its turn again. So a commit of hundreds of rows
must be a handful of steps: rows of one kind go in many at a time. A statement has places for 8, 16, … 128 rows, so that
SQLite has to understand few of them; places that are left over are NULL, and nothing comes of these.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache

SqlRow = Sequence[object]

_MOST, _LEAST = 128, 8


def insert_rows(connection: sqlite3.Connection, head: str, columns: int, rows: Sequence[SqlRow]) -> None:
    """Insert the rows, whose first column is never NULL; ``head`` is the statement up to its table of values."""
    for first in range(0, len(rows), _MOST):
        some = rows[first : first + _MOST]
        places = _places(len(some))
        values = [value for row in some for value in row]
        values += [None] * (columns * (places - len(some)))
        connection.execute(_insert_statement(head, columns, places), values)


@cache
def _insert_statement(head: str, columns: int, places: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head}(VALUES {', '.join([row] * places)}) WHERE column1 IS NOT NULL"


def delete_lines(connection: sqlite3.Connection, head: str, lines: Sequence[int]) -> None:
    """Delete the rows of these lines; ``head`` is the statement up to its list."""
    for first in range(0, len(lines), _MOST):
        some = lines[first : first + _MOST]
        places = _places(len(some))
        connection.execute(f"{head}({', '.join('?' * places)})", (*some, *[None] * (places - len(some))))


def _places(rows: int) -> int:
    return max(_LEAST, 1 << (rows - 1).bit_length())
