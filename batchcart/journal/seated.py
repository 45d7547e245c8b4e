"""Owns what a journal notes of a run whose requests left from other processes; it does not know these.

Such a process may live a little longer than the run, and still send what was allowed to it. Whoever goes on with the
run leaves it that time.
"""

from batchcart.journal.rows import Moment, select
from batchcart.journal.schema import Connection, get_meta, set_meta

_KEY = "seats"
_UNSETTLED = (
    "SELECT coalesce(p.account, -s.line), max(s.at) FROM send s LEFT JOIN plan p ON p.line = s.line "
    "WHERE s.state = 'sent' GROUP BY 1"
)


def note_seats(connection: Connection) -> None:
    """Requests leave from other processes from now on."""
    set_meta(connection, _KEY, "1")


def forget_seats(connection: Connection) -> None:
    """No other process may send any more."""
    connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def find_unsettled(connection: Connection) -> dict[int, float]:
    """By account, when the last of the requests was asked for that another process may still send: wall clock."""
    if get_meta(connection, _KEY) is None:
        return {}
    return dict(select(connection, tuple[int, Moment], _UNSETTLED))
