"""Owns a mapping that may grow larger than memory; it does not know what its keys and values mean."""

import sqlite3
from collections.abc import Iterator, MutableMapping
from itertools import count, islice
from typing import Any, Generic, TypeVar

import msgspec

V = TypeVar("V")

_IN_MEMORY = 1 << 13
_SLOTS = 1 << 24
_PUT = "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

_encode = msgspec.msgpack.Encoder().encode


class SpillDict(MutableMapping[str, V], Generic[V]):
    """A dict whose latest entries are in memory, the others in a nameless SQLite file that is gone when it is closed.

    ``kind`` is the values' type: one that msgspec knows. A value that is changed in place must be put in again.

    Most lookups are for keys that were never given, so a bit per hash remembers which may be on the disk.
    """

    def __init__(self, kind: Any, in_memory: int = _IN_MEMORY) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._in_memory = in_memory
        self._latest: dict[str, V] = {}
        self._on_disk = bytearray()
        self._places = count()
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000;"
            "CREATE TABLE entry (key TEXT PRIMARY KEY, place INTEGER, value BLOB) WITHOUT ROWID; BEGIN"
        )

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or ``default``; quicker than the inherited one, which raises and catches."""
        found = self._latest.get(key)
        if found is None and self._on_disk:
            slot = hash(key) % _SLOTS
            if self._on_disk[slot >> 3] >> (slot & 7) & 1:
                row = self._db.execute("SELECT value FROM entry WHERE key = ?", (key,)).fetchone()
                found = None if row is None else self._decode(row[0])
        return default if found is None else found

    def __getitem__(self, key: str) -> V:
        found: V | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: str, value: V) -> None:
        self._latest[key] = value
        if len(self._latest) > self._in_memory:
            self._spill(self._in_memory // 2)

    def __delitem__(self, key: str) -> None:
        _ = self[key]
        self._latest.pop(key, None)
        self._db.execute("DELETE FROM entry WHERE key = ?", (key,))

    def __iter__(self) -> Iterator[str]:
        """The keys, in the order in which they were first put in."""
        self._spill(len(self._latest))
        yield from (key for (key,) in self._db.execute("SELECT key FROM entry ORDER BY place"))

    def __len__(self) -> int:
        self._spill(len(self._latest))
        found: int = self._db.execute("SELECT count(*) FROM entry").fetchone()[0]
        return found

    def clear(self) -> None:
        """Take out everything."""
        self._latest.clear()
        self._db.execute("DELETE FROM entry")

    def close(self) -> None:
        """Let go of the disk space."""
        self._db.close()

    def _spill(self, number: int) -> None:
        """Put the ``number`` oldest of those in memory on the disk."""
        self._on_disk = self._on_disk or bytearray(_SLOTS >> 3)
        oldest = list(islice(self._latest.items(), number))
        rows = sorted((key, next(self._places), _encode(value)) for key, value in oldest)
        self._db.executemany(_PUT, rows)  # sorted: neighbours share pages
        for key, _ in oldest:
            slot = hash(key) % _SLOTS
            self._on_disk[slot >> 3] |= 1 << (slot & 7)
            del self._latest[key]
