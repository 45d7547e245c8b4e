"""Owns what an account must remember between runs: its last sends, its renewed tokens, and who works on it now.

It does not know what a limit allows; it lives in the state folder, one folder an account, mode 0700.
"""

import fcntl
import hashlib
import math
import mmap
import os
import re
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
import platformdirs

from batchcart.errors import UsageError

_HEADER = struct.Struct("<8s16sQQ")  # magic, boot, capacity, sends so far
_COUNT = struct.Struct("<Q")
_MAGIC = b"bcsends1"
_LEVELS = struct.Struct("<dd")  # of each bucket: when it will be empty, monotonic and wall clock
_BUCKETS = 8
_RECORD = struct.Struct("<dd")  # of each send: monotonic and wall clock
_TRIES = 6  # at a lock whose owner's pid is gone; half a second each
_START = _HEADER.size + _BUCKETS * _LEVELS.size


def state_place() -> Path:
    """Where the folder that outlives runs lies, or will lie."""
    return Path(platformdirs.user_state_dir("batchcart"))


def state_folder() -> Path:
    """The folder that outlives runs, made with mode 0700; raises UsageError where it cannot be made."""
    return _private(state_place())


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
    """A lock file that the system frees when its owner dies, with the pid of the owner's run inside."""

    path: Path
    pid: int = field(default_factory=os.getpid)
    _file: IO[bytes] | None = None

    def acquire(self, what: str) -> None:
        """Take the lock; raises Locked, which names ``what`` is held and by which pid."""
        tries = 0
        while self._file is None:
            file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid, tries = _owner(file), tries + 1
                file.close()
                if tries < _TRIES and not Path("/proc", pid).exists():
                    continue  # a run that was killed, whose other processes are just ending
                raise Locked(
                    f"{what} is in use by another run (pid {pid}); wait for it to end, or stop it with: kill {pid}"
                ) from None
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
            self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _owner(file: IO[bytes]) -> str:
    """The pid in a lock file. Its owner writes it just after it took the lock, so it may not be there yet."""
    text = ""
    for _ in range(50):
        file.seek(0)
        text = file.read(32).decode(errors="replace").strip()
        if text.isdecimal() and Path("/proc", text).exists():
            break
        time.sleep(0.01)
    return text or "unknown"


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
    _ahead: float = field(init=False)
    _ahead_until: float = field(init=False)

    def __post_init__(self) -> None:
        self._compare_clocks()
        history, levels = self._old()
        self._map = bytearray(_START + self.capacity * _RECORD.size)
        _HEADER.pack_into(self._map, 0, _MAGIC, boot_id(), self.capacity, 0)
        for index, level in enumerate(levels):
            self.set_level(index, level)
        for moment in history[-self.capacity :]:
            self.append(moment)
        if self.path is not None:
            try:
                # A file without a past is worth no wait for the disk, and a thousand accounts would wait long.
                with _replaced(self.path, bytes(self._map), durably=bool(history)) as file:
                    self._map = mmap.mmap(file.fileno(), len(self._map))
            except OSError as error:
                raise UsageError(
                    f"{self.path} cannot be written: {error.strerror}; it keeps limits across runs. Nothing was sent"
                ) from None

    def append(self, moment: float) -> int:
        """Note a send; the number tells it apart for ``restamp``."""
        number = self.count
        self._write(number, moment)
        self.count += 1
        _COUNT.pack_into(self._map, _HEADER.size - _COUNT.size, self.count)
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
        _LEVELS.pack_into(self._map, _HEADER.size + bucket * _LEVELS.size, moment, moment + self._ahead)

    def close(self) -> None:
        """Write everything to the disk."""
        if isinstance(self._map, mmap.mmap) and not self._map.closed:
            self._map.flush()
            self._map.close()

    def _write(self, number: int, moment: float) -> None:
        if moment > self._ahead_until:
            self._compare_clocks()
        _RECORD.pack_into(self._map, _START + (number % self.capacity) * _RECORD.size, moment, moment + self._ahead)

    def _compare_clocks(self) -> None:
        """See by how much the wall clock is ahead of the monotonic one: once a second is enough for it."""
        now = self.monotonic()
        self._ahead, self._ahead_until = self.wall() - now, now + 1.0

    def _old(self) -> tuple[list[float], list[float]]:
        """The sends and levels of earlier runs, in this boot's monotonic time, none of them in the future."""
        if self.path is None:
            return [], []
        try:
            old = self.path.read_bytes()
            magic, boot, capacity, count = _HEADER.unpack_from(old)
        except (OSError, struct.error):
            return [], []
        if magic != _MAGIC or capacity == 0 or len(old) != _START + capacity * _RECORD.size:
            return [], []
        kept = range(max(0, count - capacity), count)
        records = [_RECORD.unpack_from(old, _START + (number % capacity) * _RECORD.size) for number in kept]
        levels = [_LEVELS.unpack_from(old, _HEADER.size + bucket * _LEVELS.size) for bucket in range(_BUCKETS)]
        if not all(math.isfinite(moment) for pair in (*records, *levels) for moment in pair):
            return [], []
        self.capacity = max(self.capacity, capacity)  # what a shorter limit no longer needs may be needed again
        same_boot = boot == boot_id() != bytes(16)
        now, wall = self.monotonic(), self.wall()

        def here(monotonic: float, then: float) -> float:
            return monotonic if same_boot else now - (wall - then)

        return sorted(min(now, here(*record)) for record in records), [here(*level) for level in levels]


def _replaced(path: Path, content: bytes, *, durably: bool = True) -> IO[bytes]:
    """Put ``content`` in the place of what is at ``path``, in one step; the new file, open."""
    fresh = path.with_name(f"{path.name}.new")
    file = os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b")
    try:
        file.write(content)
        file.flush()
        if durably:
            os.fsync(file.fileno())
        fresh.replace(path)
        if durably:
            sync_folder(path.parent)
    except OSError:
        file.close()
        raise
    return file


def sync_folder(path: Path) -> None:
    """Put on the disk which files the folder holds; raises OSError where that fails."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _private(folder: Path) -> Path:
    """The folder, made if it is not there, for its owner alone; raises UsageError where that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"the state folder {folder} cannot be made: {error.strerror}; it keeps limits across runs. "
            "Set XDG_STATE_HOME to a folder you can write to"
        ) from None
    return folder


class _Tokens(msgspec.Struct):
    """What tokens.json holds."""

    origin: str
    tokens: dict[str, str]


@dataclass(slots=True)
class Ledger:
    """One account's memory. ``folder`` is None for accounts that end with the run, as the embedded sandbox's do."""

    folder: Path | None
    lock: Lock | None = None

    @classmethod
    def of(cls, name: str, identity: str, pid: int | None = None) -> "Ledger":
        """The memory of the account ``name`` at the address that ``identity`` tells, locked for the run ``pid``."""
        slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        digest = hashlib.blake2b(f"{name}\n{identity}".encode(), digest_size=6).hexdigest()
        folder = _private(state_folder() / f"{slug}-{digest}")
        lock = Lock(folder / "lock", os.getpid() if pid is None else pid)
        try:
            lock.acquire(f"account {name!r}")
        except OSError as error:
            raise UsageError(f"{lock.path} cannot be locked: {error.strerror}; is it somebody else's?") from None
        return cls(folder, lock)

    def sends(self, capacity: int) -> Sends:
        """The account's last sends, at least ``capacity`` of them."""
        return Sends(self.folder / "sends" if self.folder else None, capacity)

    def tokens(self, origin: str) -> Mapping[str, str]:
        """The last renewed tokens, if they descend from the config's own: ``origin`` is a fingerprint of those."""
        if self.folder is None:
            return {}
        try:
            kept = msgspec.json.decode((self.folder / "tokens.json").read_bytes(), type=_Tokens)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return kept.tokens if kept.origin == origin else {}

    def keep_tokens(self, origin: str, tokens: Mapping[str, str]) -> None:
        """Put renewed tokens on the disk, durably; raises OSError where that fails."""
        if self.folder is not None:
            kept = msgspec.json.encode(_Tokens(origin, dict(tokens)))
            _replaced(self.folder / "tokens.json", kept).close()

    def close(self) -> None:
        """Let the next run have the account."""
        if self.lock is not None:
            self.lock.release()
