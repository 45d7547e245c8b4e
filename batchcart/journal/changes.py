"""Owns what is changed in a journal while no run writes it: its plan, lines opened again or settled, its notes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import accumulate
from typing import Annotated

import msgspec

from batchcart.journal.event_row import INSERT_EVENT, event_row
from batchcart.journal.queries import ChainUpdate, PlannedAccount
from batchcart.journal.rows import RowCount, select
from batchcart.journal.schema import Connection, DatabaseError, set_meta
from batchcart.journal.settlement import REWRITE, SettledRow, write_settlements
from batchcart.journal.tables import PLAN_INDEX
from batchcart.model.events import DoubtsSettled
from batchcart.model.outcome import Status

IN_ORDER = "in_order"
"""Set in the journal once the result file has been sorted by line."""

REPLACED = "replaced_by"
"""Set in the journal to the job that another run does in the place of what is left of this one."""

REPLACED_RESULTS = "replaced_results"
"""Set in the journal to the name of the results of that other run, beside this one's."""

_LINE = "INSERT INTO plan (line, account, chain, kind, offset, length, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
_JOIN = "UPDATE plan SET chain = ? WHERE account = (SELECT account FROM plan WHERE line = ?) AND chain = ?"
_ENDED_BEFORE = "INSERT INTO ended_before VALUES (?, ?, ?, ?)"
_LENGTHS = "SELECT seq, length(text) FROM result WHERE seq > ? ORDER BY seq LIMIT ?"
_END = "UPDATE result SET until = ? WHERE seq = ?"
_PAGE = 1024  # results whose places are noted at a time
_ACCOUNT = "INSERT INTO account (id, name, platform, place) VALUES (?, ?, ?, ?)"


class _Sent(msgspec.Struct, frozen=True):
    """When a result line says that its operation was under way."""

    sent_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    elapsed_ms: float = 0.0


class Settlement(msgspec.Struct, frozen=True):
    """What became of one line that was in doubt: its new result, and what later lines learn from it."""

    line: int
    status: Status
    learnt: ChainUpdate
    text: bytes

    @property
    def row(self) -> SettledRow:
        """As the journal keeps it."""
        return self.status.value, msgspec.json.encode(self.learnt).decode(), self.text, self.line


def settled_event(settled: Sequence[Settlement], *, by_hand: bool) -> DoubtsSettled:
    """What a report tells of it."""
    happened = sum(one.status is Status.OK for one in settled)
    return DoubtsSettled(happened, len(settled) - happened, by_hand)


def begin_plan(connection: Connection, lines: Iterable[tuple[int, int, int, str, int, int, int]]) -> None:
    """Lay down a plan's lines: number, account, chain, kind, offset, length and checksum of each."""
    connection.execute("BEGIN")
    connection.executemany(_LINE, lines)


def complete_plan(
    connection: Connection, joined: Iterable[tuple[int, int]], accounts: Iterable[PlannedAccount]
) -> None:
    """Join chains to those that they turned out to be a part of, in this order, and note the accounts."""
    connection.execute(PLAN_INDEX)
    join_chains(connection, joined)
    for account in accounts:
        add_account(connection, account)


@contextmanager
def appending(connection: Connection) -> Iterator[None]:
    """All that the block adds to a plan, or nothing of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(DatabaseError):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def append_lines(
    connection: Connection,
    lines: Iterable[tuple[int, int, int, str, int, int, int]],
) -> None:
    """Add lines to a plan, as ``begin_plan`` does."""
    connection.executemany(_LINE, lines)


def join_chains(connection: Connection, joined: Iterable[tuple[int, int]]) -> None:
    """Join chains to those that they turned out to be a part of, in this order."""
    connection.executemany(_JOIN, ((whole, part, part) for whole, part in joined))


def commit_plan(connection: Connection, facts: Iterable[tuple[str, str]]) -> None:
    """Note the facts about the run, and have all of the plan or nothing."""
    for key, value in facts:
        set_meta(connection, key, value)
    connection.execute("COMMIT")


def add_account(connection: Connection, account: PlannedAccount) -> None:
    """Note an account of the run."""
    connection.execute(_ACCOUNT, (account.number, account.name, account.platform, account.place))


def set_place(connection: Connection, account: int, place: str) -> None:
    """Note where an account points from now on."""
    connection.execute("UPDATE account SET place = ? WHERE id = ?", (place, account))


def reopen(connection: Connection, statuses: Sequence[str], fits: Callable[[str, str], bool]) -> int:
    """Open the lines that ended so, as if they had never been tried; how many. The result file follows.

    Only carts are opened of which a line that ended so ``fits``, by its account's name and its kind. When the lines
    were sent and how they ended stays noted, for the report.
    """
    marks = ", ".join("?" * len(statuses))
    connection.create_function("fits", 2, fits, deterministic=True)
    connection.execute("BEGIN")
    chosen = (
        f"status IN ({marks}) AND line IN (SELECT line FROM plan WHERE (account, chain) IN (SELECT p.account, p.chain "  # noqa: S608  # question marks
        "FROM plan p JOIN account a ON a.id = p.account JOIN result r ON r.line = p.line "
        f"WHERE r.status IN ({marks}) AND fits(a.name, p.kind)))"
    )
    values = (*statuses, *statuses)
    question = f"SELECT line, status, text FROM result WHERE {chosen}"  # noqa: S608
    ended = select(connection, tuple[RowCount, str, bytes], question, values)
    connection.executemany(_ENDED_BEFORE, _list_sent(ended))
    found = connection.execute(f"DELETE FROM result WHERE {chosen}", values)  # noqa: S608
    if found.rowcount:
        set_meta(connection, REWRITE, "1")
    connection.execute("COMMIT")
    return found.rowcount


def _list_sent(ended: Iterable[tuple[int, str, bytes]]) -> Iterator[tuple[int, str, float, float]]:
    """Those of the results that were sent: line, status, when and for how many seconds."""
    decode = msgspec.json.Decoder(_Sent).decode
    for line, status, text in ended:
        try:
            sent = decode(text)
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
        ):  # a damaged line: it goes, so that its operation can end anew
            continue
        if sent.sent_at is not None:
            yield line, status, sent.sent_at.timestamp(), sent.elapsed_ms / 1000


def settle(connection: Connection, settled: Sequence[Settlement], at: float) -> None:
    """End lines in doubt by the operator's word of this wall-clock time; what was sent for them is forgotten.

    The repair of the result file follows.
    """
    connection.execute("BEGIN")
    write_settlements(connection, [one.row for one in settled])
    if settled:
        connection.execute(INSERT_EVENT, event_row(at, settled_event(settled, by_hand=True)))
    connection.execute("COMMIT")


def note_replacement(connection: Connection, job: str, results: str) -> None:
    """Note that another job, with these results, does what is left of this run."""
    connection.execute("BEGIN")
    set_meta(connection, REPLACED, job)
    set_meta(connection, REPLACED_RESULTS, results)
    connection.execute("COMMIT")


def clear_notes(connection: Connection, *keys: str) -> None:
    """Forget facts about the run."""
    connection.executemany("DELETE FROM meta WHERE key = ?", ((key,) for key in keys))


def recompute_offsets(connection: Connection) -> None:
    """Note anew where each result line ends in the file, which was rewritten after some were changed."""
    connection.execute("BEGIN")
    last = until = 0
    while rows := connection.execute(_LENGTHS, (last, _PAGE)).fetchall():
        ends = list(accumulate((length + 1 for _, length in rows), initial=until))
        connection.executemany(_END, ((end, seq) for end, (seq, _) in zip(ends[1:], rows, strict=True)))
        until, last = ends[-1], rows[-1][0]
    clear_notes(connection, REWRITE, IN_ORDER)
    connection.execute("COMMIT")
