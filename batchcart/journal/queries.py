"""Owns the questions that are asked of a journal; it changes nothing in it."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import orjson

from batchcart.journal.codec import RequestState, SentRequest, decode_row
from batchcart.journal.rows import RowCount, WallTime, decode_value, first, legible, select, select_all
from batchcart.journal.schema import Connection, get_meta
from batchcart.model.ids import usable_id
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status

_PAGE = 256
_LONGEST = 1 << 21  # bytes; a job line has at most half of it
Length = Annotated[int, msgspec.Meta(ge=0, le=_LONGEST)]
"""Bytes of a job line."""


class PlannedLine(msgspec.Struct, frozen=True, array_like=True):
    """Where a line of the plan stands in the job file."""

    line: RowCount
    chain: RowCount
    offset: RowCount
    length: Length
    digest: int | None = None


class ChainUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one ended line brought for the later lines of its chain."""

    cart_id: str | None = None
    item_id: str | None = None
    facts: dict[str, str | None] = {}


class PlannedAccount(msgspec.Struct, frozen=True, array_like=True):
    """An account of the plan: its number there, its name, and where it pointed when the run began."""

    number: int
    name: str
    platform: str
    place: str


class EndedStatus(msgspec.Struct, frozen=True, array_like=True):
    """How a line ended, with its result line."""

    status: str
    text: bytes


class EndedLine(msgspec.Struct, frozen=True):
    """An ended line of a chain, with what it brought."""

    planned: PlannedLine
    status: Status
    learnt: ChainUpdate


_OPEN = "NOT EXISTS (SELECT 1 FROM result r WHERE r.line = plan.line)"


def write_left(line: str) -> str:
    """A condition in SQL: whether a write of the line has left; ``line`` is the column that names it.

    A write that a killed run left on its way may have happened.
    """
    return f"EXISTS (SELECT 1 FROM send WHERE send.line = {line} AND state <> 'void' AND request NOT LIKE '[\"GET\"%')"  # noqa: S608  # a column of ours


class OpenChain(msgspec.Struct, frozen=True):
    """A chain that has open lines, and the first of these; ``whole`` where there are surely no more."""

    number: int
    lines: list[PlannedLine]
    whole: bool


def pending_chains(
    connection: Connection, account: int, *, fresh: bool, chosen: bool = False, page: int = _PAGE
) -> Iterator[OpenChain]:
    """The account's chains that have open lines, in order of first appearance; read ``page`` lines at a time.

    With ``fresh`` no line has ended before. With ``chosen`` only the chains are given that the journal notes as such.
    """
    last = 0
    where = "chain > ? AND chain IN (SELECT chain FROM chosen)" if chosen else "chain > ?"
    while True:
        rows = _rows(connection, where, (account, last), fresh=fresh, page=page)
        cut = rows[-1].chain if len(rows) == page else None
        for number, lines in groupby(rows, key=attrgetter("chain")):
            yield OpenChain(number, list(lines), number != cut)
        if cut is None:
            return
        last = cut


def planned_lines(connection: Connection, account: int, *, chosen: bool, page: int) -> Iterator[PlannedLine]:
    """All lines of an account of which none has ended, chain after chain as ``pending_chains`` gives them."""
    last = (0, 0)
    where = "(chain, line) > (?, ?)"
    if chosen:
        where += " AND chain IN (SELECT chain FROM chosen)"
    while True:
        rows = _rows(connection, where, (account, *last), fresh=True, page=page)
        yield from rows
        if len(rows) < page:
            return
        last = rows[-1].chain, rows[-1].line


def pending_lines(connection: Connection, account: int, chain: OpenChain, *, fresh: bool) -> Iterator[PlannedLine]:
    """All open lines of a chain, in file order; read page by page."""
    yield from chain.lines
    last, more = chain.lines[-1].line, not chain.whole
    while more:
        rows = _rows(connection, "chain = ? AND line > ?", (account, chain.number, last), fresh=fresh, page=_PAGE)
        yield from rows
        more = len(rows) == _PAGE
        last = rows[-1].line if rows else last


def _rows(connection: Connection, where: str, values: tuple[int, ...], *, fresh: bool, page: int) -> list[PlannedLine]:
    still_open = "" if fresh else f"AND {_OPEN} "
    question = (
        f"SELECT line, chain, offset, length, digest FROM plan WHERE account = ? AND {where} {still_open}"  # noqa: S608
        "ORDER BY chain, line LIMIT ?"
    )
    return select_all(connection, PlannedLine, question, (*values, page))


def completed_lines(connection: Connection, account: int, chain: int) -> Iterator[EndedLine]:
    """The chain's ended lines with what they brought, in the order in which they ended.

    That is not the file's where some were opened again.
    """
    question = (
        "SELECT p.line, p.chain, p.offset, p.length, p.digest, r.status, r.learnt "
        "FROM plan p JOIN result r ON r.line = p.line WHERE p.account = ? AND p.chain = ? ORDER BY r.seq"
    )
    for *place, status, learnt in select(connection, _Ended, question, (account, chain)):
        with legible(connection, "result"):
            update = msgspec.json.decode(learnt, type=ChainUpdate)
            for key in (update.cart_id, update.item_id):
                if key is not None and not usable_id(key):
                    raise ValueError(f"line {place[0]} has a key that is not one")
        yield EndedLine(PlannedLine(*place), status, update)


_Ended = tuple[RowCount, RowCount, RowCount, Length, int, Status, str]
_HttpStatus = Annotated[int, msgspec.Meta(ge=0, le=999)]
_Sent = tuple[int, WallTime, RequestState, str, _HttpStatus | None, str | None, bytes | None, str | None]


def load_history(connection: Connection, line: int) -> list[SentRequest]:
    """What was sent for an open operation, and what became of each request, as the journal says it."""
    question = "SELECT n, at, state, request, status, headers, body, why FROM send WHERE line = ? ORDER BY n"
    sent = []
    for number, (n, *row) in enumerate(select(connection, _Sent, question, (line,)), 1):
        with legible(connection, "send"):
            if n != number:
                raise ValueError(f"line {line} has no request number {number}")
            sent.append(decode_row(*row))
    return sent


def next_number(connection: Connection, line: int) -> int:
    """The first unused number of a line's sends."""
    found = first(connection, tuple[RowCount], "SELECT coalesce(max(n), 0) + 1 FROM send WHERE line = ?", (line,))
    assert found is not None
    return found[0]


def accounts(connection: Connection) -> list[PlannedAccount]:
    """The accounts of the plan, in order of first appearance."""
    return list(select(connection, PlannedAccount, "SELECT id, name, platform, place FROM account ORDER BY id"))


def is_untouched(connection: Connection, account: int) -> bool:
    """Whether no line of the account has ended, and no shop has answered or may have done anything of what it asks."""
    sent = "SELECT 1 FROM plan p JOIN send s ON s.line = p.line WHERE p.account = ?1 AND s.state <> 'void'"
    ended = "SELECT 1 FROM plan p JOIN result r ON r.line = p.line WHERE p.account = ?1"
    question = f"SELECT NOT EXISTS ({sent}) AND NOT EXISTS ({ended})"  # words of our own
    return first(connection, tuple[int], question, (account,)) == (1,)


def has_progress(connection: Connection) -> bool:
    """Whether anything was sent or ended, so that the plan must be kept."""
    if get_meta(connection, "planned") is None:
        return False
    return _yes(connection, "SELECT EXISTS (SELECT 1 FROM send) OR EXISTS (SELECT 1 FROM result)")


def is_finished(connection: Connection) -> bool:
    """Whether every line has ended."""
    return _yes(connection, "SELECT (SELECT count(*) FROM plan) = (SELECT count(*) FROM result)")


def _yes(connection: Connection, question: str) -> bool:
    return first(connection, tuple[int], question) == (1,)


def count_pending(connection: Connection) -> int:
    """How many lines have not ended."""
    found = first(connection, tuple[int], "SELECT (SELECT count(*) FROM plan) - (SELECT count(*) FROM result)")
    assert found is not None
    return found[0]


def last_line(connection: Connection) -> int:
    """The last line of the plan."""
    found = first(connection, tuple[RowCount], "SELECT max(line) FROM plan")
    assert found is not None
    return found[0]


def is_planned(connection: Connection, line: int) -> bool:
    """Whether the line is an operation of the run."""
    return first(connection, tuple[int], "SELECT 1 FROM plan WHERE line = ?", (line,)) is not None


def line_digests(connection: Connection) -> Iterator[tuple[int, int]]:
    """Each line's number and the checksum of its text, in file order."""
    return select(connection, tuple[int, int], "SELECT line, digest FROM plan ORDER BY line")


def result_of(connection: Connection, line: int) -> EndedStatus | None:
    """How a line ended; None if it has not."""
    return first(connection, EndedStatus, "SELECT status, text FROM result WHERE line = ?", (line,))


class _Doubt(msgspec.Struct):
    """What a line in doubt says at least."""

    op: str
    platform: str
    error: "_Evidence"


class _Evidence(msgspec.Struct):
    message: str


def doubt_fields(connection: Connection, text: bytes) -> dict[str, Any]:
    """The fields of a result line that is in doubt."""
    decode_value(connection, "result", text, _Doubt)
    with legible(connection, "result"):
        fields: dict[str, Any] = orjson.loads(text)
        return fields


def result_texts(connection: Connection, *, in_order: bool = False) -> Iterator[bytes]:
    """All result lines, in the order in which they ended or, with ``in_order``, in that of the file."""
    order = "line" if in_order else "seq"
    rows = select(connection, tuple[bytes], f"SELECT text FROM result ORDER BY {order}")  # noqa: S608  # one of two words of our own
    yield from (text for (text,) in rows)


def texts_not_ok(connection: Connection) -> Iterator[bytes]:
    """The result lines that are not ok, in the order in which they ended."""
    rows = select(connection, tuple[bytes], "SELECT text FROM result WHERE status <> 'ok' ORDER BY seq")
    yield from (text for (text,) in rows)


def doubtful_lines(connection: Connection, account: int) -> list[PlannedLine]:
    """The account's lines in doubt, the last first, to whose cart nothing was surely written since.

    A write that a killed run left on its way counts too: the run asks about it first.
    """
    question = (
        "SELECT p.line, p.chain, p.offset, p.length, p.digest FROM plan p JOIN result r ON r.line = p.line "  # noqa: S608  # words of our own
        "WHERE p.account = ? AND r.status = 'in_doubt' AND NOT EXISTS (SELECT 1 FROM plan q LEFT JOIN result s "
        "ON s.line = q.line WHERE q.account = p.account AND q.chain = p.chain AND q.kind NOT LIKE '%.get' AND "
        f"(s.seq > r.seq AND s.status = 'ok' OR s.seq IS NULL AND {write_left('q.line')})) ORDER BY r.seq DESC"
    )
    return list(select(connection, PlannedLine, question, (account,)))


def find_unused_line(connection: Connection) -> int:
    """The first number from 1 on of which nothing was sent and nothing has ended."""
    asked = "SELECT line FROM send UNION ALL SELECT line FROM result"
    found = first(connection, tuple[int], f"SELECT coalesce(max(line), 0) + 1 FROM ({asked})")  # noqa: S608  # no value is in it
    assert found is not None
    return max(found[0], 1)


def status_counts(connection: Connection) -> Iterator[tuple[str, str, str | None, int]]:
    """Lines by account name, kind and status; None: open."""
    question = (
        "SELECT a.name, p.kind, r.status, count(*) FROM plan p JOIN account a ON a.id = p.account "
        "LEFT JOIN result r ON r.line = p.line GROUP BY a.name, p.kind, r.status"
    )
    for name, kind, status, count in select(connection, tuple[str, OperationKind, Status | None, int], question):
        yield name, kind.value, status and status.value, count


def progress_counts(connection: Connection) -> dict[str, tuple[int, dict[str, int]]]:
    """The lines of each account, and how many of them ended in which status, in order of first appearance.

    It is asked before the first request of a run, so it takes what an index and one walk over the results can tell.
    """
    planned = "SELECT account, count(*) AS lines FROM plan GROUP BY account"
    rows = select(
        connection,
        tuple[int, str, int],
        f"SELECT a.id, a.name, p.lines FROM account a JOIN ({planned}) p ON p.account = a.id ORDER BY a.id",  # noqa: S608  # no value is in it
    )
    found: dict[int, tuple[str, int, Counter[str]]] = {number: (name, lines, Counter()) for number, name, lines in rows}
    ended = "FROM result r CROSS JOIN plan p ON p.line = r.line"
    for number, count in select(connection, tuple[int, int], f"SELECT p.account, count(*) {ended} GROUP BY 1"):
        found[number][2]["ok"] = count
    # Most are ok, and those that are not are sorted by status three times as fast without them.
    others = f"SELECT p.account, r.status, count(*) {ended} WHERE r.status <> 'ok' GROUP BY 1, 2"
    for number, status, count in select(connection, tuple[int, Status, int], others):
        found[number][2].update({status.value: count, "ok": -count})
    return {name: (lines, +counts) for name, lines, counts in found.values()}


def pending_counts(connection: Connection) -> dict[str, int]:
    """How many open lines each account has, in order of first appearance; accounts without one are left out."""
    question = (
        "SELECT a.name, count(*) FROM plan JOIN account a ON a.id = plan.account "
        "WHERE NOT EXISTS (SELECT 1 FROM result r WHERE r.line = plan.line) GROUP BY a.id ORDER BY a.id"
    )
    return dict(select(connection, tuple[str, int], question))


def states(connection: Connection) -> dict[str, tuple[str, str]]:
    """The accounts that the last start gave up, each with its state and the reason."""
    rows = select(connection, tuple[str, str], "SELECT substr(key, 7), value FROM meta WHERE key LIKE 'state:%'")
    with legible(connection, "meta"):
        return {name: msgspec.json.decode(value, type=tuple[str, str]) for name, value in rows}
