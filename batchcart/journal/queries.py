"""Owns the questions that are asked of a journal; it changes nothing in it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, starmap
from operator import attrgetter

import msgspec

from batchcart.journal.codec import RequestMismatch, decode_step
from batchcart.journal.schema import Connection, DatabaseError, get_meta
from batchcart.journal.writer import JournalFailed
from batchcart.model.http import History, Request
from batchcart.model.outcome import Status

_PAGE = 256


class PlannedLine(msgspec.Struct, frozen=True):
    """Where a line of the plan stands in the job file."""

    line: int
    chain: int
    offset: int
    length: int
    digest: int | None = None


class ChainUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one ended line brought for the later lines of its chain."""

    cart_id: str | None = None
    item_id: str | None = None
    facts: dict[str, str | None] = {}


class PlannedAccount(msgspec.Struct, frozen=True):
    """An account of the plan: its number there, its name, and where it pointed when the run began."""

    number: int
    name: str
    platform: str
    place: str


class EndedStatus(msgspec.Struct, frozen=True):
    """How a line ended, with its result line."""

    status: str
    text: bytes


@dataclass(frozen=True, slots=True)
class EndedLine:
    """An ended line of a chain, with what it brought."""

    planned: PlannedLine
    status: Status
    learnt: ChainUpdate


@contextmanager
def _legible() -> Iterator[None]:
    """Raises JournalFailed in place of what a damaged journal makes its readers raise."""
    try:
        yield
    except (DatabaseError, msgspec.DecodeError, ValueError) as error:
        raise JournalFailed(
            f"the journal is damaged: {error}. Sending has stopped; put back a copy of the journal, or start over "
            "with --fresh, which keeps the old files under another name"
        ) from None


_OPEN = "NOT EXISTS (SELECT 1 FROM result r WHERE r.line = plan.line)"


class OpenChain(msgspec.Struct, frozen=True):
    """A chain that has open lines, and the first of these; ``whole`` where there are surely no more."""

    number: int
    lines: list[PlannedLine]
    whole: bool


def pending_chains(connection: Connection, account: int, *, fresh: bool, page: int = _PAGE) -> Iterator[OpenChain]:
    """The account's chains that have open lines, in order of first appearance; read ``page`` lines at a time.

    With ``fresh`` no line has ended before.
    """
    last = 0
    while True:
        rows = _rows(connection, "chain > ?", (account, last), fresh=fresh, page=page)
        cut = rows[-1][1] if len(rows) == page else None
        for number, lines in groupby(starmap(PlannedLine, rows), key=attrgetter("chain")):
            yield OpenChain(number, list(lines), number != cut)
        if cut is None:
            return
        last = cut


def pending_lines(connection: Connection, account: int, chain: OpenChain, *, fresh: bool) -> Iterator[PlannedLine]:
    """All open lines of a chain, in file order; read page by page."""
    yield from chain.lines
    last, more = chain.lines[-1].line, not chain.whole
    while more:
        rows = _rows(connection, "chain = ? AND line > ?", (account, chain.number, last), fresh=fresh, page=_PAGE)
        yield from (PlannedLine(*row) for row in rows)
        more = len(rows) == _PAGE
        last = rows[-1][0] if rows else last


def _rows(
    connection: Connection, where: str, values: tuple[int, ...], *, fresh: bool, page: int
) -> list[tuple[int, int, int, int, int]]:
    still_open = "" if fresh else f"AND {_OPEN} "
    with _legible():
        return connection.execute(
            f"SELECT line, chain, offset, length, digest FROM plan WHERE account = ? AND {where} {still_open}"  # noqa: S608
            "ORDER BY chain, line LIMIT ?",
            (*values, page),
        ).fetchall()


def completed_lines(connection: Connection, account: int, chain: int) -> Iterator[EndedLine]:
    """The chain's ended lines with what they brought, in the order in which they ended.

    That is not the file's where some were opened again.
    """
    with _legible():
        rows = connection.execute(
            "SELECT p.line, p.chain, p.offset, p.length, p.digest, r.status, r.learnt "
            "FROM plan p JOIN result r ON r.line = p.line WHERE p.account = ? AND p.chain = ? ORDER BY r.seq",
            (account, chain),
        )
        for *place, status, learnt in rows:
            yield EndedLine(PlannedLine(*place), Status(status), msgspec.json.decode(learnt, type=ChainUpdate))


def load_history(
    connection: Connection, line: int, firsts: Callable[[], Iterable[Request]]
) -> tuple[History, int, int, float | None]:
    """An open operation's past, with the number of its sends, how many led nowhere, and the time of the first.

    ``firsts`` makes its first request again, in each way in which it may have been made.
    """
    with _legible():
        rows = connection.execute(
            "SELECT at, state, request, status, headers, body, why FROM send WHERE line = ? ORDER BY n", (line,)
        ).fetchall()
        try:
            past = tuple(step for row in rows if (step := decode_step(row, firsts)) is not None)
        except RequestMismatch as error:
            raise JournalFailed(
                f"line {line}: {error}. Sending has stopped; go on with the version of batchcart that began this run"
            ) from None
    astray = sum(1 for row in rows if row[1] != "answered")
    return past, len(rows), astray, rows[0][0] if rows else None


def next_number(connection: Connection, line: int) -> int:
    """The first unused number of a line's sends."""
    number: int = connection.execute("SELECT coalesce(max(n), 0) + 1 FROM send WHERE line = ?", (line,)).fetchone()[0]
    return number


def accounts(connection: Connection) -> list[PlannedAccount]:
    """The accounts of the plan, in order of first appearance."""
    return [
        PlannedAccount(*row) for row in connection.execute("SELECT id, name, platform, place FROM account ORDER BY id")
    ]


def has_progress(connection: Connection) -> bool:
    """Whether anything was sent or ended, so that the plan must be kept."""
    if get_meta(connection, "planned") is None:
        return False
    return _yes(connection, "SELECT EXISTS (SELECT 1 FROM send) OR EXISTS (SELECT 1 FROM result)")


def is_finished(connection: Connection) -> bool:
    """Whether every line has ended."""
    return _yes(connection, "SELECT (SELECT count(*) FROM plan) = (SELECT count(*) FROM result)")


def _yes(connection: Connection, question: str) -> bool:
    return bool(connection.execute(question).fetchone()[0])


def count_pending(connection: Connection) -> int:
    """How many lines have not ended."""
    query = "SELECT (SELECT count(*) FROM plan) - (SELECT count(*) FROM result)"
    number: int = connection.execute(query).fetchone()[0]
    return number


def is_planned(connection: Connection, line: int) -> bool:
    """Whether the line is an operation of the run."""
    return connection.execute("SELECT 1 FROM plan WHERE line = ?", (line,)).fetchone() is not None


def line_digests(connection: Connection) -> Iterator[tuple[int, int]]:
    """Each line's number and the checksum of its text, in file order."""
    return iter(connection.execute("SELECT line, digest FROM plan ORDER BY line"))


def result_of(connection: Connection, line: int) -> EndedStatus | None:
    """How a line ended; None where it has not."""
    row = connection.execute("SELECT status, text FROM result WHERE line = ?", (line,)).fetchone()
    return None if row is None else EndedStatus(*row)


def result_texts(connection: Connection, *, in_order: bool = False) -> Iterator[bytes]:
    """All result lines, in the order in which they ended or, with ``in_order``, in that of the file."""
    order = "line" if in_order else "seq"
    yield from (text for (text,) in connection.execute(f"SELECT text FROM result ORDER BY {order}"))  # noqa: S608  # one of two words of our own


def texts_not_ok(connection: Connection) -> Iterator[bytes]:
    """The result lines that are not ok, in the order in which they ended."""
    yield from (text for (text,) in connection.execute("SELECT text FROM result WHERE status <> 'ok' ORDER BY seq"))


def doubtful_lines(connection: Connection, account: int) -> list[PlannedLine]:
    """The account's lines in doubt, the last first, to whose cart nothing was surely written since.

    A write that a killed run left on its way counts too: the run asks about it first.
    """
    rows = connection.execute(
        "SELECT p.line, p.chain, p.offset, p.length, p.digest FROM plan p JOIN result r ON r.line = p.line "
        "WHERE p.account = ? AND r.status = 'in_doubt' AND NOT EXISTS (SELECT 1 FROM plan q LEFT JOIN result s "
        "ON s.line = q.line WHERE q.account = p.account AND q.chain = p.chain AND q.kind NOT LIKE '%.get' AND "
        "(s.seq > r.seq AND s.status = 'ok' OR s.seq IS NULL AND EXISTS (SELECT 1 FROM send w WHERE w.line = q.line "
        "AND w.state <> 'void' AND w.request NOT LIKE '[\"GET\"%'))) ORDER BY r.seq DESC",
        (account,),
    )
    return [PlannedLine(*row) for row in rows]


def find_unused_line(connection: Connection) -> int:
    """The first number from 1 on of which nothing was sent and nothing has ended."""
    asked = "SELECT line FROM send UNION ALL SELECT line FROM result"
    number: int = connection.execute(f"SELECT coalesce(max(line), 0) + 1 FROM ({asked})").fetchone()[0]  # noqa: S608  # no value is in it
    return max(number, 1)


def status_counts(connection: Connection) -> Iterator[tuple[str, str, str | None, int]]:
    """Lines by account name, kind and status; None: open."""
    return iter(
        connection.execute(
            "SELECT a.name, p.kind, r.status, count(*) FROM plan p JOIN account a ON a.id = p.account "
            "LEFT JOIN result r ON r.line = p.line GROUP BY a.name, p.kind, r.status"
        )
    )


def pending_counts(connection: Connection) -> dict[str, int]:
    """How many open lines each account has, in order of first appearance; accounts without one are left out."""
    rows = connection.execute(
        "SELECT a.name, count(*) FROM plan JOIN account a ON a.id = plan.account "
        "WHERE NOT EXISTS (SELECT 1 FROM result r WHERE r.line = plan.line) GROUP BY a.id ORDER BY a.id"
    )
    return dict(rows.fetchall())


def states(connection: Connection) -> dict[str, tuple[str, str]]:
    """The accounts that the last start gave up, each with its state and the reason."""
    rows = connection.execute("SELECT substr(key, 7), value FROM meta WHERE key LIKE 'state:%'")
    return {name: msgspec.json.decode(value, type=tuple[str, str]) for name, value in rows}
