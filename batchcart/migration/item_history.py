"""Owns which items a run put into its carts, as its job and journal tell; it does not know platforms' words.

It serves shops whose answers show no items: what was added, updated and not deleted since is what is there.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from batchcart.accounts.config import Entry
from batchcart.jobs.job_file import JobSource, RawLine, open_job, read_operation
from batchcart.journal.schema import get_meta, open_reading
from batchcart.model.errors import UsageError
from batchcart.model.operation import Kind
from batchcart.runs.context import journal_path
from batchcart.runs.resume import check_same_job

_TABLES = """
CREATE TABLE chain (chain INTEGER PRIMARY KEY, key TEXT, doubt INTEGER NOT NULL DEFAULT 0);
CREATE TABLE item (chain INTEGER NOT NULL, id TEXT NOT NULL, line INTEGER NOT NULL, data BLOB NOT NULL,
                   PRIMARY KEY (chain, id));
"""
_ROWS = (
    "SELECT p.line, p.chain, p.kind, p.offset, p.length, r.status, r.text FROM plan p "
    "JOIN account a ON a.id = p.account LEFT JOIN result r ON r.line = p.line WHERE a.name = ? ORDER BY p.line"
)
_CHANGES = {Kind.ITEM_ADD.value, Kind.ITEM_UPDATE.value, Kind.ITEM_DELETE.value}


class _Ids(msgspec.Struct):
    cart_id: str | None = None
    item_id: str | None = None


class Made:
    """The items that a run put into the account's carts, kept on disk. To be closed."""

    def __init__(self) -> None:
        self._items = sqlite3.connect("", isolation_level=None)
        self._items.executescript(_TABLES)

    def close(self) -> None:
        """Forget them."""
        self._items.close()

    def items(self, cart_id: str) -> list[tuple[str, bytes]] | None:
        """The cart's items, each its id and its data; None where the run did not make the cart or left doubts."""
        found = self._items.execute("SELECT chain, doubt FROM chain WHERE key = ?", (cart_id,)).fetchall()
        if len(found) != 1 or found[0][1]:
            return None
        rows = self._items.execute("SELECT id, data FROM item WHERE chain = ? ORDER BY line", (found[0][0],))
        return rows.fetchall()

    def learn(self, results: Path, entry: Entry) -> None:
        """Read what the run of this result file did; raises UsageError where its job or journal is not what it was."""
        path = journal_path(results)
        try:
            with contextlib.closing(open_reading(path)) as plan, open_job(get_meta(plan, "job") or "") as source:
                check_same_job(plan, source, path)
                account = get_meta(plan, "account") or entry.name
                self._items.execute("BEGIN")
                for row in plan.execute(_ROWS, (entry.name,)):
                    self._take(source, account, row)
                self._items.execute("CREATE INDEX by_key ON chain (key)")
                self._items.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._items.in_transaction:
                self._items.execute("ROLLBACK")  # a part of what was done is not what is there
            raise UsageError(f"the journal {path} cannot be read: {error}") from None

    def _take(self, source: JobSource, account: str, row: tuple[int, int, str, int, int, str | None, bytes]) -> None:
        line, chain, kind, offset, length, status, text = row
        self._items.execute("INSERT OR IGNORE INTO chain (chain) VALUES (?)", (chain,))
        if kind == Kind.CART_CREATE.value and status == "ok":
            key = msgspec.json.decode(text, type=_Ids).cart_id
            self._items.execute("UPDATE chain SET key = ? WHERE chain = ?", (key, chain))
        if kind not in _CHANGES:
            return
        if status != "ok":
            # What failed or was skipped did not happen; what is open or in doubt may have.
            doubt = status not in {"failed", "skipped"}
            self._items.execute("UPDATE chain SET doubt = doubt OR ? WHERE chain = ?", (doubt, chain))
            return
        number = msgspec.json.decode(text, type=_Ids).item_id or ""
        if kind == Kind.ITEM_DELETE.value:
            self._items.execute("DELETE FROM item WHERE chain = ? AND id = ?", (chain, number))
            return
        operation = read_operation(RawLine(line, offset, source.read(offset, length)), account)
        place, old = next(self._held(chain, number), (line, b"{}"))
        values = (chain, number, place, _merged(old, operation.data))
        self._items.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", values)

    def _held(self, chain: int, number: str) -> Iterator[tuple[int, bytes]]:
        yield from self._items.execute("SELECT line, data FROM item WHERE chain = ? AND id = ?", (chain, number))


def _merged(old: bytes, new: bytes) -> bytes:
    fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    return msgspec.json.encode({**fields(old), **fields(new or b"{}")})
