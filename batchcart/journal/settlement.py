"""Owns ending lines in doubt otherwise, as a part of a commit; it does not know how their ending was found."""

from collections.abc import Iterable

from batchcart.journal.schema import Connection, set_meta
from batchcart.model.outcome import Status

REWRITE = "rewrite"
"""Set in the journal while the result file must be written again."""

SettledRow = tuple[str, str, bytes, int]
"""Status, what later lines learn, the new result line, and the number of the line."""


OK_BY_NOW = "is ok by now"
"""What a skipped line says of the line that it needed, once that is settled so."""

_NEEDED = """
UPDATE result SET text = CAST(json_replace(CAST(text AS TEXT), '$.error.message', ?1) AS BLOB)
WHERE status = 'skipped'
  AND line IN (SELECT q.line FROM plan p JOIN plan q ON q.account = p.account AND q.chain = p.chain WHERE p.line = ?2)
  AND CASE WHEN json_valid(CAST(text AS TEXT)) THEN json_extract(CAST(text AS TEXT), '$.error.line') END = ?2
"""


def write_settlements(connection: Connection, settled: Iterable[SettledRow]) -> None:
    """End the lines so; what was sent for them is forgotten. The repair of the result file follows.

    Lines that were skipped because of the doubt say how it was settled, and no more that it is one.
    """
    for row in settled:
        connection.execute("UPDATE result SET status = ?, learnt = ?, text = ? WHERE line = ?", row)
        connection.execute("DELETE FROM send WHERE line = ?", (row[3],))
        connection.execute(_NEEDED, (_because(row[3], row[0]), row[3]))
        set_meta(connection, REWRITE, "1")


def _because(line: int, status: str) -> str:
    """What a line says that was skipped because of that one."""
    if status == Status.OK.value:
        return f"line {line} was in doubt and {OK_BY_NOW}; run with --retry-failed"
    return f"line {line} was in doubt and did not happen; run with --retry-failed"
