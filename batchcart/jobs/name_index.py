"""Owns a mapping that may grow larger than memory; it does not know what its names mean."""

import sqlite3
from collections.abc import Iterator, MutableMapping
from itertools import islice
from typing import Any

Key = tuple[str, ...]
Value = tuple[int, str]

_IN_MEMORY = 1 << 13
_SLOTS = 1 << 24


class Names(MutableMapping[Key, Value]):
    """The latest names in memory, the others in a nameless SQLite file that is gone when it is closed.

    Most lookups are for names that were never given, so a bit per hash remembers which may be on the disk.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._latest: dict[Key, Value] = {}
        self._on_disk = bytearray()
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000;"
            "CREATE TABLE name (key TEXT PRIMARY KEY, number INTEGER, text TEXT) WITHOUT ROWID; BEGIN"
        )

    def get(self, key: Key, default: Any = None) -> Any:
        """The value, or ``default``; quicker than the inherited one, which raises and catches."""
        found = self._latest.get(key)
        if found is None and self._on_disk:
            slot = hash(key) % _SLOTS
            if self._on_disk[slot >> 3] >> (slot & 7) & 1:
                found = self._db.execute("SELECT number, text FROM name WHERE key = ?", (_text(key),)).fetchone()
        return default if found is None else found

    def __getitem__(self, key: Key) -> Value:
        found: Value | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: Key, value: Value) -> None:
        self._latest[key] = value
        if len(self._latest) > self._in_memory:
            self._spill(self._in_memory // 2)

    def __delitem__(self, key: Key) -> None:
        _ = self[key]
        self._latest.pop(key, None)
        self._db.execute("DELETE FROM name WHERE key = ?", (_text(key),))

    def __iter__(self) -> Iterator[Key]:
        self._spill(len(self._latest))
        for (key,) in self._db.execute("SELECT key FROM name"):
            yield tuple(key.split("\0", 2))

    def __len__(self) -> int:
        self._spill(len(self._latest))
        count: int = self._db.execute("SELECT count(*) FROM name").fetchone()[0]
        return count

    def close(self) -> None:
        """Let go of the disk space."""
        self._db.close()

    def _spill(self, count: int) -> None:
        """Put the ``count`` oldest of those in memory on the disk."""
        self._on_disk = self._on_disk or bytearray(_SLOTS >> 3)
        oldest = list(islice(self._latest.items(), count))
        rows = sorted((_text(key), *value) for key, value in oldest)  # neighbours share pages
        self._db.executemany("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", rows)
        for key, _ in oldest:
            slot = hash(key) % _SLOTS
            self._on_disk[slot >> 3] |= 1 << (slot & 7)
            del self._latest[key]


def _text(key: Key) -> str:
    return "\0".join(key)
