"""Owns the times of an account's last sends, over restarts; it does not know what a limit allows.

Times are kept on a clock of the account's own: it runs as the monotonic one does, and goes on over a reboot by the wall
clock, of which it is noted by how much that is ahead. So a restart only reads, whatever the clocks did.
"""

import math
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from batchcart.accounts.send_store import KEY, SendStore, open_store
from batchcart.model.errors import UsageError

if TYPE_CHECKING:
    import mmap

_BOOT, _TIME, _NUMBER = struct.Struct("<16s"), struct.Struct("<d"), struct.Struct("<Q")
_SHIFT_AT, _AHEAD_AT, _CAPACITY_AT, _COUNT_AT, _LEVELS_AT = 16, 24, 32, 40, 48
_BUCKETS = 8
_RING_AT = _LEVELS_AT + _BUCKETS * _TIME.size
_NO_BOOT = bytes(16)


@cache
def boot_id() -> bytes:
    """16 bytes that change when the machine starts anew; zeros where the system does not tell."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return _NO_BOOT


@dataclass(slots=True)
class SendHistory:
    """The times of an account's last sends, in its place of a store that survives the process.

    ``path`` is the store's; without one they last as long as the process. ``key`` is the account's there. Times are
    seconds of the monotonic clock.
    """

    path: Path | None
    capacity: int
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    key: bytes = bytes(KEY)
    count: int = field(init=False, default=0)
    _store: SendStore | None = field(init=False, default=None)
    _map: "mmap.mmap | bytearray" = field(init=False)
    _at: int = field(init=False, default=0)
    _shift: float = field(init=False, default=0.0)  # the account's own clock less the monotonic one
    _ahead_until: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        size = _RING_AT + self.capacity * _TIME.size
        if self.path is None:
            self._map = bytearray(self._lay_out(b"").ljust(size, b"\0"))
        else:
            try:
                self._store = open_store(self.path)
                self._at, size = self._store.place(self.key, size, self._lay_out)
            except OSError as error:
                self.close()
                raise UsageError(
                    f"{self.path} cannot be written: {error.strerror}; it keeps limits across runs. Nothing was sent"
                ) from None
            self._map = self._store.map
        self._begin(size)

    def record(self, moment: float) -> int:
        """Note a send; the number tells it apart for ``update``."""
        number = self.count
        self._write(number, moment)
        self.count += 1
        _NUMBER.pack_into(self._map, self._at + _COUNT_AT, self.count)
        return number

    def record_many(self, count: int, moment: float) -> None:
        """Note so many sends of one moment."""
        self._write_many(self.count, count, moment)
        self.count += count
        _NUMBER.pack_into(self._map, self._at + _COUNT_AT, self.count)

    def update(self, number: int, moment: float) -> None:
        """Note that this send left later than was thought."""
        if self.count - number <= self.capacity:
            self._write(number, moment)

    def update_many(self, number: int, count: int, moment: float) -> None:
        """Note when this send and those after it left, so many in all."""
        skipped = max(0, self.count - self.capacity - number)
        self._write_many(number + skipped, count - skipped, moment)

    def nth_last(self, count: int) -> float:
        """The time of the ``count``-th last send; -inf where there were fewer. ``count`` is at most the capacity."""
        if count > self.count:
            return -math.inf
        offset = self._at + _RING_AT + ((self.count - count) % self.capacity) * 8
        moment: float = _TIME.unpack_from(self._map, offset)[0]
        return moment - self._shift

    def bucket_empty_at(self, bucket: int) -> float:
        """When the bucket will have leaked empty."""
        moment: float = _TIME.unpack_from(self._map, self._at + _LEVELS_AT + bucket * 8)[0]
        return moment - self._shift

    def set_bucket_empty_at(self, bucket: int, moment: float) -> None:
        """Note when the bucket will have leaked empty."""
        _TIME.pack_into(self._map, self._at + _LEVELS_AT + bucket * 8, moment + self._shift)

    def take_over(self, moments: Sequence[float], levels: Sequence[float]) -> None:
        """Take in what an older version kept: times of sends, and when each bucket will be empty."""
        now = self.monotonic()
        self._put(sorted(min(moment, now) for moment in (*self._all(), *moments))[-self.capacity :])
        for bucket, level in enumerate(levels):
            self.set_bucket_empty_at(bucket, max(level, self.bucket_empty_at(bucket)))

    def close(self) -> None:
        """Be done with it; the store's last user writes everything to the disk."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _write(self, number: int, moment: float) -> None:
        if moment > self._ahead_until:
            self._compare_clocks(moment)
        offset = self._at + _RING_AT + (number % self.capacity) * 8
        _TIME.pack_into(self._map, offset, moment + self._shift)

    def _write_many(self, number: int, count: int, moment: float) -> None:
        """As many writes at once as fit between two ends of the ring."""
        if count > 0 and moment > self._ahead_until:
            self._compare_clocks(moment)
        word = _TIME.pack(moment + self._shift)
        while count > 0:
            place = number % self.capacity
            fitting = min(count, self.capacity - place)
            offset = self._at + _RING_AT + place * 8
            self._map[offset : offset + fitting * 8] = word * fitting
            number, count = number + fitting, count - fitting

    def _compare_clocks(self, moment: float) -> None:
        """Note by how much the wall clock is ahead: once a second is enough for it; ``moment`` may be still to come."""
        _TIME.pack_into(self._map, self._at + _AHEAD_AT, self.wall() - self.monotonic() - self._shift)
        self._ahead_until = moment + 1.0

    def _begin(self, size: int) -> None:
        """Go on with what the place holds, in this boot's monotonic time, none of it in the future."""
        if not self._is_sound(size):
            fresh = self._lay_out(b"")
            self._map[self._at : self._at + len(fresh)] = fresh
        (self.capacity,) = _NUMBER.unpack_from(self._map, self._at + _CAPACITY_AT)
        (self.count,) = _NUMBER.unpack_from(self._map, self._at + _COUNT_AT)
        (boot,), (self._shift,) = _BOOT.unpack_from(self._map, self._at), self._number(_SHIFT_AT)
        if boot != boot_id() or boot == _NO_BOOT:
            self._shift = self.wall() - self._number(_AHEAD_AT)[0] - self.monotonic()
            # Without a boot the shift is found anew, if we are killed before all is written.
            _BOOT.pack_into(self._map, self._at, _NO_BOOT)
            _TIME.pack_into(self._map, self._at + _SHIFT_AT, self._shift)
            _BOOT.pack_into(self._map, self._at, boot_id())
        now, found = self.monotonic(), self._all()
        if found != (right := sorted(min(moment, now) for moment in found)):
            self._put(right)

    def _is_sound(self, size: int) -> bool:
        """Whether the place holds what we could have written."""
        (capacity,), (count,) = (_NUMBER.unpack_from(self._map, self._at + at) for at in (_CAPACITY_AT, _COUNT_AT))
        if capacity < self.capacity or _RING_AT + capacity * _TIME.size > size:
            return False
        words = struct.unpack_from(f"<{_BUCKETS + min(count, capacity)}d", self._map, self._at + _LEVELS_AT)
        return all(map(math.isfinite, (*self._number(_SHIFT_AT), *self._number(_AHEAD_AT), *words)))

    def _number(self, at: int) -> tuple[float]:
        found: tuple[float] = _TIME.unpack_from(self._map, self._at + at)
        return found

    def _all(self) -> list[float]:
        return [self.nth_last(count) for count in range(min(self.count, self.capacity), 0, -1)]

    def _put(self, moments: Sequence[float]) -> None:
        """Have these as the last sends; from the last one on, so that a kill in between makes none of them earlier."""
        self.count = max(self.count, len(moments))
        _NUMBER.pack_into(self._map, self._at + _COUNT_AT, self.count)
        for back, moment in enumerate(reversed(moments), 1):
            self._write(self.count - back, moment)

    def _lay_out(self, old: bytes) -> bytes:
        """What a place of our capacity begins with, and what one of a smaller capacity held; no more of it counts."""
        content = bytearray(_RING_AT)
        now = self.monotonic()
        _BOOT.pack_into(content, 0, boot_id())
        _TIME.pack_into(content, _AHEAD_AT, self.wall() - now)
        (capacity,) = _NUMBER.unpack_from(old, _CAPACITY_AT) if len(old) > _RING_AT else (0,)
        if 0 < capacity <= (len(old) - _RING_AT) // _TIME.size:
            (count,) = _NUMBER.unpack_from(old, _COUNT_AT)
            kept = range(max(0, count - capacity), count)
            places = (_RING_AT + (number % capacity) * _TIME.size for number in kept)
            held = b"".join(old[place : place + _TIME.size] for place in places)
            content[:] = old[:_RING_AT] + held
            _NUMBER.pack_into(content, _COUNT_AT, len(kept))
        _NUMBER.pack_into(content, _CAPACITY_AT, self.capacity)
        return bytes(content)
