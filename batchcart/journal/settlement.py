"""Owns ending lines in doubt otherwise, as a part of a commit; it does not know how their ending was found."""

from collections.abc import Iterable

from batchcart.journal.schema import Connection, set_meta

REWRITE = "rewrite"
"""Set in the journal while the result file must be written again."""

SettledRow = tuple[str, str, bytes, int]
"""Status, what later lines learn, the new result line, and the number of the line."""


def write_settlements(connection: Connection, settled: Iterable[SettledRow]) -> None:
    """End the lines so; what was sent for them is forgotten. The result file follows on mending."""
    for row in settled:
        connection.execute("UPDATE result SET status = ?, learnt = ?, text = ? WHERE line = ?", row)
        connection.execute("DELETE FROM send WHERE line = ?", (row[3],))
        set_meta(connection, REWRITE, "1")
