"""Owns what an account must remember between runs: its last sends, its renewed tokens, and who works on it now.

It does not know what a limit allows; it lives in the state folder, one folder an account, mode 0700.
"""

import fcntl
import hashlib
import json
import math
import mmap
import os
import re
import struct
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import platformdirs

from batchcart.errors import UsageError

_HEADER = struct.Struct("<8s16sQQ")  # magic, boot, capacity, sends so far
_MAGIC = b"bcsends1"
_LEVELS = struct.Struct("<dd")  # of each bucket: when it will be empty, monotonic and wall clock
_BUCKETS = 8
_RECORD = struct.Struct("<dd")  # of each send: monotonic and wall clock
_START = _HEADER.size + _BUCKETS * _LEVELS.size


def state_folder() -> Path:
    """The folder that outlives runs, made with mode 0700; raises UsageError where it cannot be made."""
    folder = Path(platformdirs.user_state_dir("batchcart"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the state folder {folder} cannot be made: {error.strerror}; it keeps limits across runs. "
            "Set XDG_STATE_HOME to a folder you can write to"
        ) from None
    return folder


def boot_id() -> bytes:
    """16 bytes that change when the machine starts anew; zeros where the system does not tell."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


class Locked(UsageError):
    """Somebody else holds the lock; the message names the pid."""


@dataclass(slots=True)
class Lock:
    """A lock file that the system frees when its owner dies, with the owner's pid inside."""

    path: Path
    _file: IO[bytes] | None = None

    def acquire(self, what: str) -> None:
        """Take the lock; raises Locked, which names ``what`` is held and by which pid."""
        while True:
            file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid = file.read(32).decode(errors="replace").strip() or "unknown"
                file.close()
                raise Locked(
                    f"{what} is in use by another run (pid {pid}); wait for it to end, or stop it with: kill {pid}"
                ) from None
            if self.path.exists() and os.fstat(file.fileno()).st_ino == self.path.stat().st_ino:
                break
            file.close()  # its owner removed it just now: take the new one
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


@dataclass(slots=True)
class Sends:
    """The times of an account's last sends, in a file that survives the process (not the machine's last second).

    Times are seconds of the monotonic clock. The file holds the wall clock too, for the time after a reboot.
    Without a path they last as long as the process.
    """

    path: Path | None
    capacity: int
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _map: "mmap.mmap | bytearray" = field(init=False)
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        history, levels = self._old()
        self._map = bytearray(_START + self.capacity * _RECORD.size)
        _HEADER.pack_into(self._map, 0, _MAGIC, boot_id(), self.capacity, 0)
        for index, level in enumerate(levels):
            self.set_level(index, level)
        for moment in history[-self.capacity :]:
            self.append(moment)
        if self.path is not None:
            self._map = _placed(self.path, bytes(self._map))

    def append(self, moment: float) -> int:
        """Note a send; the number tells it apart for ``restamp``."""
        number = self.count
        self._write(number, moment)
        self.count += 1
        struct.pack_into("<Q", self._map, _HEADER.size - 8, self.count)
        return number

    def restamp(self, number: int, moment: float) -> None:
        """Note that this send left later than was thought."""
        if self.count - number <= self.capacity:
            self._write(number, moment)

    def back(self, count: int) -> float:
        """The time of the ``count``-th last send; -inf where there were fewer. ``count`` is at most the capacity."""
        if count > self.count:
            return -math.inf
        offset = _START + ((self.count - count) % self.capacity) * _RECORD.size
        moment: float = _RECORD.unpack_from(self._map, offset)[0]
        return moment

    def level(self, bucket: int) -> float:
        """When the bucket will have leaked empty."""
        moment: float = _LEVELS.unpack_from(self._map, _HEADER.size + bucket * _LEVELS.size)[0]
        return moment

    def set_level(self, bucket: int, moment: float) -> None:
        """Note when the bucket will have leaked empty."""
        wall = moment - self.monotonic() + self.wall()
        _LEVELS.pack_into(self._map, _HEADER.size + bucket * _LEVELS.size, moment, wall)

    def close(self) -> None:
        """Write everything to the disk."""
        if isinstance(self._map, mmap.mmap):
            self._map.flush()
            self._map.close()

    def _write(self, number: int, moment: float) -> None:
        wall = moment - self.monotonic() + self.wall()
        _RECORD.pack_into(self._map, _START + (number % self.capacity) * _RECORD.size, moment, wall)

    def _old(self) -> tuple[list[float], list[float]]:
        """The sends and levels of earlier runs, in this boot's monotonic time, none of them in the future."""
        if self.path is None:
            return [], []
        try:
            old = self.path.read_bytes()
            magic, boot, capacity, count = _HEADER.unpack_from(old)
        except (OSError, struct.error):
            return [], []
        if magic != _MAGIC or len(old) < _START + capacity * _RECORD.size:
            return [], []
        same_boot = boot == boot_id() != bytes(16)
        now, wall = self.monotonic(), self.wall()

        def here(monotonic: float, then: float) -> float:
            return monotonic if same_boot else now - (wall - then)

        self.capacity = max(self.capacity, capacity)  # what a shorter limit no longer needs may be needed again
        kept = range(max(0, count - capacity), count)
        records = [_RECORD.unpack_from(old, _START + (number % capacity) * _RECORD.size) for number in kept]
        levels = [_LEVELS.unpack_from(old, _HEADER.size + bucket * _LEVELS.size) for bucket in range(_BUCKETS)]
        return sorted(min(now, here(*record)) for record in records), [here(*level) for level in levels]


def _placed(path: Path, content: bytes) -> mmap.mmap:
    # The new file takes the old one's place in one step, so that a crash here loses no memory of sends.
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "r+b") as file:
        file.write(content)
        file.flush()
        Path(name).replace(path)
        return mmap.mmap(file.fileno(), len(content))


@dataclass(slots=True)
class Ledger:
    """One account's memory. ``folder`` is None for accounts that end with the run, as the embedded sandbox's do."""

    folder: Path | None
    lock: Lock | None = None

    @classmethod
    def of(cls, name: str, identity: str) -> "Ledger":
        """The memory of the account ``name`` at the address that ``identity`` tells."""
        slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        digest = hashlib.blake2b(f"{name}\n{identity}".encode(), digest_size=6).hexdigest()
        folder = state_folder() / f"{slug}-{digest}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the state folder {folder} cannot be made: {error.strerror}") from None
        ledger = cls(folder, Lock(folder / "lock"))
        assert ledger.lock is not None
        ledger.lock.acquire(f"account {name!r}")
        return ledger

    def sends(self, capacity: int) -> Sends:
        """The account's last sends, at least ``capacity`` of them."""
        return Sends(self.folder / "sends" if self.folder else None, capacity)

    def tokens(self, origin: str) -> Mapping[str, str]:
        """The last renewed tokens, if they descend from the config's own: ``origin`` is a fingerprint of those."""
        if self.folder is None:
            return {}
        try:
            kept = json.loads((self.folder / "tokens.json").read_text())
        except (OSError, ValueError):
            return {}
        return kept["tokens"] if kept.get("origin") == origin else {}

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> None:
        """Put renewed tokens on the disk, durably; raises OSError where that fails."""
        if self.folder is None:
            return
        handle, name = tempfile.mkstemp(dir=self.folder)  # mkstemp makes it with mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump({"origin": origin, "tokens": dict(tokens)}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self.folder / "tokens.json")
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let the next run have the account."""
        if self.lock is not None:
            self.lock.release()
