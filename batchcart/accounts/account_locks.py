"""Owns who works on an account now: one file for all accounts of a state folder, a byte's lock in it for each.

The system keeps the locks and frees them when their process dies, and it tells whose they are; the file stays empty.
Locks of this kind are a process's, and go when it closes the file anywhere. So a process has the file open once, as
long as it has any lock, and remembers by itself what it holds.
"""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from batchcart.accounts.locks import LockHeld, held_text
from batchcart.model.files import open_helper
from batchcart.model.system import find_byte_owner, is_alive, lock_byte, unlock_byte

_TRIES = 100  # at a lock whose owner is just ending; 10 ms each

_guard = threading.Lock()
_open: dict[Path, "_LockFile"] = {}


@dataclass(slots=True)
class _LockFile:
    file: IO[bytes]
    held: set[int] = field(default_factory=set)


class AccountLock(msgspec.Struct, frozen=True):
    """One account's lock: its number's byte of the file at ``path``."""

    path: Path
    number: int

    def acquire(self, what: str) -> None:
        """Take the lock; raises LockHeld, which names ``what`` is held and by which pid, and OSError."""
        pid: int | None = None
        for _ in range(_TRIES):
            if self._take():
                return
            pid = self.holder()
            if pid is not None and is_alive(pid):
                break
            time.sleep(0.01)  # its owner is just ending
        raise LockHeld(held_text(what, str(pid or "")))

    def _take(self) -> bool:
        with _guard:
            found = _open.get(self.path)
            if found is None:
                found = _open[self.path] = _LockFile(open_helper(self.path))
            if self.number in found.held:
                return False
            if not lock_byte(found.file, self.number):
                _close_unused(self.path)
                return False
            found.held.add(self.number)
            return True

    def release(self) -> None:
        """Give the lock back."""
        with _guard:
            found = _open.get(self.path)
            if found is not None and self.number in found.held:
                found.held.remove(self.number)
                unlock_byte(found.file, self.number)
                _close_unused(self.path)

    def holder(self) -> int | None:
        """The pid of the process that holds the lock now; None where nobody does."""
        with _guard:
            found = _open.get(self.path)
            if found is not None:
                return os.getpid() if self.number in found.held else find_byte_owner(found.file, self.number)
            try:
                with self.path.open("rb") as file:
                    return find_byte_owner(file, self.number)
            except OSError:
                return None


def _close_unused(path: Path) -> None:
    if not _open[path].held:
        _open.pop(path).file.close()
