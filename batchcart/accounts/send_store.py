"""Owns one file with the sends of all accounts of a state folder: a place in it for each, mapped into memory.

What is written to a place is the system's at once, and outlives the process, however that ends; not the machine's last
second. The disk's room for a place is taken when the place is made, so that no full disk is met later. Places are made
under the file's lock, each whole before its mark is set, and stay where they are: other processes that have the file
open find them behind those that they know. An account that needs a larger place gets a new one; the last one counts.
"""

import mmap
import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from batchcart.model.files import open_helper
from batchcart.model.system import hold_file, read_at, take_room

KEY = 16
"""Bytes of an account's key."""

_MAGIC, _MARK = b"bcsends2", b"acct"
_START = 64
_HEAD = struct.Struct("<4sI16s")  # mark, bytes of the whole place, key
_FIRST = 1 << 14  # bytes of a new file; what is not used takes no room
_GROWTH = 1 << 20  # bytes by which the map grows at most beyond what is needed; before that it doubles
_LARGEST = 1 << 30

_guard = threading.Lock()
_open: dict[Path, "SendStore"] = {}


@dataclass(slots=True)
class SendStore:
    """The file, as long as anybody in this process uses it. ``map`` is all of it."""

    path: Path
    handle: int
    map: mmap.mmap
    users: int = 0
    _places: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    _end: int = _START

    def place(self, key: bytes, size: int, lay_out: Callable[[bytes], bytes]) -> tuple[int, int]:
        """Where the account's own bytes begin, and how many they are: ``size`` at the least.

        A new place begins with what ``lay_out`` makes of the smaller one's bytes, b"" where there was none; the rest of
        it is not touched, so that it takes no memory before it is used. Raises OSError.
        """
        with _guard, hold_file(self.handle):
            self._look_for_more()
            old = self._places.get(key)
            if old is not None and old[1] >= size:
                return old
            content = lay_out(b"" if old is None else self.map[old[0] : sum(old)])
            start, whole = self._end, _HEAD.size + size
            take_room(self.handle, start, whole)
            self._map_up_to(start + whole + _HEAD.size)
            laid_out = _HEAD.pack(bytes(len(_MARK)), whole, key) + content
            self.map[start : start + len(laid_out)] = laid_out
            self.map[start : start + len(_MARK)] = _MARK
            self._look_for_more()
            return self._places[key]

    def close(self) -> None:
        """One user less; with the last one all is written to the disk."""
        with _guard:
            self.users -= 1
            if self.users == 0:
                if _open.get(self.path) is self:
                    del _open[self.path]
                self.map.flush()
                self.map.close()
                os.close(self.handle)

    def _look_for_more(self) -> None:
        """Find the places that were made since, here or by another process."""
        self._map_up_to(os.fstat(self.handle).st_size)
        while self._end + _HEAD.size <= len(self.map):
            mark, whole, key = _HEAD.unpack_from(self.map, self._end)
            if mark != _MARK or whole < _HEAD.size or self._end + whole > len(self.map):
                return
            self._places[key] = self._end + _HEAD.size, whole - _HEAD.size
            self._end += whole

    def _map_up_to(self, size: int) -> None:
        if size > len(self.map):
            there = os.fstat(self.handle).st_size
            self.map.resize(there if there >= size else max(size, there + min(there, _GROWTH)))


def open_store(path: Path) -> SendStore:
    """The file's store, with one user more; raises OSError where it cannot be made or is no such file's."""
    with _guard:
        store = _open.get(path)
        if store is None or not _is_at(store.handle, path):
            store = _open[path] = _open_file(path)
        store.users += 1
        return store


def _open_file(path: Path) -> SendStore:
    with open_helper(path) as file:
        handle = os.dup(file.fileno())
    try:
        with hold_file(handle):
            size = os.fstat(handle).st_size
            if not _START + _HEAD.size <= size <= _LARGEST or read_at(handle, len(_MAGIC), 0) != _MAGIC:
                os.ftruncate(handle, 0)
                os.lseek(handle, 0, os.SEEK_SET)
                os.write(handle, _MAGIC.ljust(_START, b"\0"))
                os.ftruncate(handle, _FIRST)
            return SendStore(path, handle, mmap.mmap(handle, 0))
    except BaseException:
        os.close(handle)
        raise


def _is_at(handle: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False
