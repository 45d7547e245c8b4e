"""Owns lock files, and who holds one; it does not know what they stand for."""

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from batchcart.model.errors import UsageError
from batchcart.model.files import open_helper
from batchcart.model.system import is_alive, lock_file, unlink_open

_TRIES = 6  # at a lock whose owner's pid is gone; half a second each


class LockHeld(UsageError):
    """Somebody else holds the lock; the message names the pid."""


@dataclass(slots=True)
class FileLock:
    """A lock file that the system frees when its owner dies, with the pid of the owner's run inside."""

    path: Path
    pid: int = field(default_factory=os.getpid)
    _file: IO[bytes] | None = None

    def acquire(self, what: str) -> None:
        """Take the lock; raises LockHeld, which names ``what`` is held and by which pid."""
        tries = 0
        while self._file is None:
            file = open_helper(self.path)
            try:
                lock_file(file)
            except BlockingIOError:
                pid, tries = _owner(file), tries + 1
                file.close()
                if tries < _TRIES and not _lives(pid):
                    continue  # a run that was killed, whose other processes are just ending
                raise LockHeld(held_text(what, pid)) from None
            except OSError:
                file.close()
                raise
            if _is_at(file, self.path):
                file.truncate(0)
                file.write(str(self.pid).encode())
                self._file = file
            else:
                file.close()  # its owner removed it just now: take the new one

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._file is not None:
            unlink_open(self.path, self._file)
            self._file = None


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def held_text(what: str, pid: str) -> str:
    """That ``what`` is taken, by which process, and what to do; a process is not told to kill itself."""
    if pid == str(os.getpid()):
        return f"{what} is in use by another run (pid {pid}), in this same process; wait for its end, or close it"
    known, target = pid or "unknown", pid or "PID"
    return f"{what} is in use by another run (pid {known}); wait for it to end, or stop it with: kill {target}"


def _owner(file: IO[bytes]) -> str:
    """The pid in a lock file. Its owner writes it just after it took the lock, so it may not be there yet."""
    text = ""
    for _ in range(50):
        file.seek(0)
        text = file.read(32).decode(errors="replace").strip()
        if _lives(text):
            break
        time.sleep(0.01)
    return text or "unknown"


def _lives(pid: str) -> bool:
    return pid.isdecimal() and is_alive(int(pid))


def find_lock_holder(path: Path) -> int | None:
    """The pid of the run that holds this lock file now, found without touching it."""
    try:
        pid, lock = int(path.read_text()), path.stat()
    except (OSError, ValueError):
        return None
    # A lock file that a killed run left may name a pid that another process has now.
    return pid if is_alive(pid) and _has_open(pid, lock) else None


def _has_open(pid: int, file: os.stat_result) -> bool:
    """Whether the process has the file open; True where the system does not tell."""
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return True
    for handle in handles:
        with contextlib.suppress(OSError):  # closed just now
            if os.path.samestat(handle.stat(), file):
                return True
    return False
