"""Owns a mapping that may grow larger than memory; it does not know what its names mean."""

import sqlite3
from collections.abc import Iterator, MutableMapping

Key = tuple[str, ...]
Value = tuple[int, str]


class Names(MutableMapping[Key, Value]):
    """Names on disk, in a nameless SQLite file that is gone when it is closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE name (key TEXT PRIMARY KEY, number INTEGER, text TEXT) WITHOUT ROWID; BEGIN"
        )

    def __getitem__(self, key: Key) -> Value:
        row = self._db.execute("SELECT number, text FROM name WHERE key = ?", ("\0".join(key),)).fetchone()
        if row is None:
            raise KeyError(key)
        return row[0], row[1]

    def __setitem__(self, key: Key, value: Value) -> None:
        self._db.execute("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", ("\0".join(key), *value))

    def __delitem__(self, key: Key) -> None:
        self._db.execute("DELETE FROM name WHERE key = ?", ("\0".join(key),))

    def __iter__(self) -> Iterator[Key]:
        for (key,) in self._db.execute("SELECT key FROM name"):
            yield tuple(key.split("\0"))

    def __len__(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM name").fetchone()[0]
        return count

    def close(self) -> None:
        """Let go of the disk space."""
        self._db.close()
