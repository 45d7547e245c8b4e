"""Owns the times of an account's last sends, over restarts; it does not know what a limit allows."""

import math
import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batchcart.model.errors import UsageError
from batchcart.model.files import replacing

_HEADER = struct.Struct("<8s16sQQ")  # magic, boot, capacity, sends so far
_COUNT = struct.Struct("<Q")
_MAGIC = b"bcsends1"
_LEVELS = struct.Struct("<dd")  # of each bucket: when it will be empty, monotonic and wall clock
_BUCKETS = 8
_RECORD = struct.Struct("<dd")  # of each send: monotonic and wall clock
_START = _HEADER.size + _BUCKETS * _LEVELS.size


def boot_id() -> bytes:
    """16 bytes that change when the machine starts anew; zeros where the system does not tell."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


@dataclass(slots=True)
class SendHistory:
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
            self.set_bucket_empty_at(index, level)
        for moment in history[-self.capacity :]:
            self.record(moment)
        if self.path is not None:
            try:
                # A file without a past is worth no wait for the disk, and a thousand accounts would wait long.
                with replacing(self.path, durable=bool(history)) as file:
                    file.write(self._map)
                    file.flush()
                    self._map = mmap.mmap(file.fileno(), len(self._map))
            except OSError as error:
                raise UsageError(
                    f"{self.path} cannot be written: {error.strerror}; it keeps limits across runs. Nothing was sent"
                ) from None

    def record(self, moment: float) -> int:
        """Note a send; the number tells it apart for ``update``."""
        number = self.count
        self._write(number, moment)
        self.count += 1
        _COUNT.pack_into(self._map, _HEADER.size - _COUNT.size, self.count)
        return number

    def update(self, number: int, moment: float) -> None:
        """Note that this send left later than was thought."""
        if self.count - number <= self.capacity:
            self._write(number, moment)

    def nth_last(self, count: int) -> float:
        """The time of the ``count``-th last send; -inf where there were fewer. ``count`` is at most the capacity."""
        if count > self.count:
            return -math.inf
        offset = _START + ((self.count - count) % self.capacity) * _RECORD.size
        moment: float = _RECORD.unpack_from(self._map, offset)[0]
        return moment

    def bucket_empty_at(self, bucket: int) -> float:
        """When the bucket will have leaked empty."""
        moment: float = _LEVELS.unpack_from(self._map, _HEADER.size + bucket * _LEVELS.size)[0]
        return moment

    def set_bucket_empty_at(self, bucket: int, moment: float) -> None:
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
