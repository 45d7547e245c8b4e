"""Owns what a journal notes of a run whose requests left from other processes; it does not know these.

Such a process may live a little longer than the run, and still send what was allowed to it. Whoever goes on with the
run leaves it that time. One that was cut off may have the answer to a write of which the journal has none.
"""

from collections.abc import Sequence

import msgspec

from batchcart.journal.rows import RowCount, WallTime, decode_value, first, select
from batchcart.journal.schema import Connection, get_meta, set_meta

_KEY = "seats"
_PLACES = "places"
_UNSETTLED = (
    "SELECT coalesce(p.account, -s.line), max(s.at) FROM send s LEFT JOIN plan p ON p.line = s.line "
    "WHERE s.state = 'sent' AND s.line NOT IN (SELECT line FROM result) GROUP BY 1"
)
_UNANSWERED = (
    "SELECT p.chain, s.n, s.at, s.request FROM send s JOIN plan p ON p.line = s.line "
    "WHERE p.account = ? AND p.line = ? AND s.state = 'sent' AND s.request NOT LIKE '[\"GET\"%' "
    "AND s.n = (SELECT max(n) FROM send WHERE line = p.line) "
    "AND NOT EXISTS (SELECT 1 FROM result r WHERE r.line = p.line) "
    "AND NOT EXISTS (SELECT 1 FROM plan q WHERE q.account = p.account AND q.chain = p.chain AND q.line < p.line "
    "AND NOT EXISTS (SELECT 1 FROM result r WHERE r.line = q.line))"
)


class UnansweredWrite(msgspec.Struct, frozen=True, array_like=True):
    """A write that has no answer, the last that was sent for its line, which is the first of the chain to be open.

    It has a number among the line's requests, a moment, and the journal's own words.
    """

    chain: RowCount
    number: RowCount
    at: WallTime
    request: str


def note_seats(connection: Connection) -> None:
    """Requests leave from other processes from now on."""
    set_meta(connection, _KEY, "1")


def forget_seats(connection: Connection) -> None:
    """No other process may send any more."""
    connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def note_places(connection: Connection, words: Sequence[str]) -> None:
    """Keep the words of the command line that say where the run works, for whoever types it again."""
    legible = [word.encode("utf-8", "backslashreplace").decode() for word in words]  # a file name may be no text
    set_meta(connection, _PLACES, msgspec.json.encode(legible).decode())


def read_places(connection: Connection) -> tuple[str, ...]:
    """The words that were kept last; none where the run works in one process."""
    return decode_value(connection, "meta", get_meta(connection, _PLACES) or "[]", tuple[str, ...])


def find_unanswered(connection: Connection, account: int, line: int) -> UnansweredWrite | None:
    """The line's write that has no answer; None if it waits for none."""
    return first(connection, UnansweredWrite, _UNANSWERED, (account, line))


def find_unsettled(connection: Connection) -> dict[int, float]:
    """The accounts of which another process may still send something, with when it was last about to."""
    if get_meta(connection, _KEY) is None:
        return {}
    return dict(select(connection, tuple[int, WallTime], _UNSETTLED))
