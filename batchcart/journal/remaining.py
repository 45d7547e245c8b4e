"""Owns what a journal tells of the lines that are not ok, and which lines of other runs this one takes up again."""

from collections.abc import Iterable, Iterator

import msgspec

from batchcart.journal.queries import ChainUpdate, Length, PlannedLine, write_left
from batchcart.journal.rows import RowCount, decode_value, first, has_table, select
from batchcart.journal.schema import Connection
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status

_UNDER_WAY = f"r.line IS NULL AND {write_left('p.line')}"
_LINES = (
    "SELECT p.line, p.chain, p.offset, p.length, p.digest, p.account, a.name, a.platform, p.kind, r.status, r.text, "  # noqa: S608  # words of our own
    f"{_UNDER_WAY} FROM plan p JOIN account a ON a.id = p.account LEFT JOIN result r ON r.line = p.line WHERE "
)
_NOT_OK = f"{_LINES} coalesce(r.status, '') <> 'ok' ORDER BY p.line"
_OF_CHAIN = f"{_LINES} p.account = ? AND p.chain = ? AND (r.line IS NOT NULL OR {_UNDER_WAY}) ORDER BY p.line"
_OF_STATUS = f"{_LINES} coalesce(r.status, 'not_attempted') = ? ORDER BY p.line"
_EVERY = f"{_LINES} 1 ORDER BY p.line"
_KEYS = (
    "SELECT r.learnt FROM result r JOIN plan p ON p.line = r.line WHERE p.account = ? AND p.chain = ? AND p.line < ? "
    "AND r.status = 'ok' ORDER BY p.line DESC LIMIT 100"
)
_COUNTS = (
    "SELECT a.name, p.kind, coalesce(r.status, 'not_attempted') FROM plan p JOIN account a ON a.id = p.account "
    "LEFT JOIN result r ON r.line = p.line WHERE p.line = ?"
)


_Row = tuple[RowCount, RowCount, RowCount, Length, int, int, str, str, OperationKind, Status | None, bytes | None, int]


class LineLeft(msgspec.Struct, frozen=True):
    """A line with its result; ``status`` None: it has not ended. ``account`` is its number in the plan.

    ``under_way`` says that a write of it had left when the run stopped.
    """

    planned: PlannedLine
    account: int
    name: str
    platform: str
    kind: OperationKind
    status: Status | None
    text: bytes
    under_way: bool

    @property
    def in_doubt(self) -> bool:
        """Whether nobody can say yet if it happened."""
        return self.under_way or self.status is Status.IN_DOUBT


def lines_not_ok(connection: Connection) -> Iterator[LineLeft]:
    """All lines that did not end ok, or not at all, in file order."""
    return _read(connection, _NOT_OK)


def lines_of_status(connection: Connection, status: str) -> Iterator[LineLeft]:
    """The lines that ended so, in file order; those of `not_attempted` have not ended."""
    return _read(connection, _OF_STATUS, status)


def every_line(connection: Connection) -> Iterator[LineLeft]:
    """All lines of the plan, in file order."""
    return _read(connection, _EVERY)


def cart_key_before(connection: Connection, line: LineLeft) -> str | None:
    """The key of the line's cart, as the last hundred good lines of its chain before it have it."""
    values = (line.account, line.planned.chain, line.planned.line)
    for (learnt,) in select(connection, tuple[str], _KEYS, values):
        if (key := decode_value(connection, "result", learnt, ChainUpdate).cart_id) is not None:
            return key
    return None


def known_lines(connection: Connection, account: int, chain: int) -> Iterator[LineLeft]:
    """The lines of a chain that have ended or were under way, in file order."""
    return _read(connection, _OF_CHAIN, account, chain)


def _read(connection: Connection, sql: str, *values: int | str) -> Iterator[LineLeft]:
    for row in select(connection, _Row, sql, values):
        *place, account, name, platform, kind, status, text, under_way = row
        yield LineLeft(PlannedLine(*place), account, name, platform, kind, status, text or b"{}", bool(under_way))


def add_links(connection: Connection, links: Iterable[tuple[int, str, int]]) -> None:
    """Note which lines of other runs are done again: line, the other run's name, and the line there."""
    connection.executemany("INSERT INTO taken_up VALUES (?, ?, ?)", links)


def lines_done_again(connection: Connection) -> Iterator[tuple[str, int]]:
    """The lines of other runs that this one does again, each after its run's name."""
    if has_table(connection, "taken_up"):
        yield from select(connection, tuple[str, RowCount], "SELECT run, other FROM taken_up")


def status_of_line(connection: Connection, line: int) -> tuple[str, str, str] | None:
    """A line's account name, kind and status, `not_attempted` if it has not ended; None if there is no such line."""
    return first(connection, tuple[str, str, str], _COUNTS, (line,))
