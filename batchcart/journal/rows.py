"""Owns reading rows out of a journal as values; it does not know what they mean.

Somebody else may have written them: what is not as its type says ends in a sentence, here and nowhere else.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec

from batchcart.journal.schema import PUT_BACK, Connection, DatabaseError, is_disk_trouble
from batchcart.journal.writer import JournalFailed

Decoded = TypeVar("Decoded")

RowCount = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A number of rows, bytes or tries, as a journal may hold it."""

WallTime = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Wall-clock seconds, of this millennium or the next."""


def select(connection: Connection, kind: Any, sql: str, values: Sequence[object] = ()) -> Iterator[Any]:
    """The rows that a question brings, each as a value of the ``kind``, a tuple or a Struct that is like one.

    Raises JournalFailed if one of them is not.
    """
    with legible(connection, _table(sql)):
        for row in connection.execute(sql, values):
            yield msgspec.convert(row, kind)


def select_all(connection: Connection, kind: type[Decoded], sql: str, values: Sequence[object] = ()) -> list[Decoded]:
    """All rows of a short answer at once, as ``select`` gives them one by one."""
    with legible(connection, _table(sql)):
        return msgspec.convert(connection.execute(sql, values).fetchall(), list[kind])  # type: ignore[valid-type]


def first(connection: Connection, kind: type[Decoded], sql: str, values: Sequence[object] = ()) -> Decoded | None:
    """The first row that a question brings; None if there is none. Raises JournalFailed as ``select`` does."""
    return next(select(connection, kind, sql, values), None)


def has_table(connection: Connection, name: str) -> bool:
    """Whether the journal has the table, which older ones may lack."""
    question = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return first(connection, tuple[int], question, (name,)) is not None


def decode_value(connection: Connection, table: str, text: str | bytes, kind: type[Decoded]) -> Decoded:
    """The JSON text that stood in the table as a value of the ``kind``; raises JournalFailed if it is none."""
    with legible(connection, table):
        return msgspec.json.decode(text, type=kind)


@contextmanager
def legible(connection: Connection, table: str) -> Iterator[None]:
    """Raises JournalFailed in place of what a damaged journal makes its readers raise."""
    try:
        yield
    except (DatabaseError, msgspec.DecodeError, ValueError, RecursionError) as error:
        if is_disk_trouble(error):
            raise
        said = "it holds what is not text" if isinstance(error, UnicodeDecodeError) else error
        raise JournalFailed(
            f"the journal {_path(connection)} is damaged, in its table {table}: {said}. Nothing more is sent. "
            f"{PUT_BACK}"
        ) from None


def _table(sql: str) -> str:
    """The table that a question is about."""
    found = re.search(r"\bFROM (\w+)", sql)
    return found[1] if found else ""


def _path(connection: Connection) -> str:
    try:
        return str(connection.execute("PRAGMA database_list").fetchone()[2])
    except DatabaseError:
        return ""
