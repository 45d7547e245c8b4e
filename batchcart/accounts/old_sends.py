"""Owns reading the files in which versions up to 0.1 kept an account's sends, one for each account; it writes none."""

import math
import struct
import time
from pathlib import Path

from batchcart.accounts.send_history import boot_id

_HEADER = struct.Struct("<8s16sQQ")  # magic, boot, capacity, sends so far
_MAGIC = b"bcsends1"
_PAIR = struct.Struct("<dd")  # monotonic and wall clock: of each bucket when it will be empty, then of each send
_BUCKETS = 8
_START = _HEADER.size + _BUCKETS * _PAIR.size


def read_old_sends(path: Path) -> tuple[list[float], list[float]] | None:
    """The moments of sends and the buckets' levels in this boot's monotonic time; None where there are none."""
    try:
        old = path.read_bytes()
        magic, boot, capacity, count = _HEADER.unpack_from(old)
    except (OSError, struct.error):
        return None
    if magic != _MAGIC or capacity == 0 or len(old) != _START + capacity * _PAIR.size:
        return None
    kept = range(max(0, count - capacity), count)
    records = [_PAIR.unpack_from(old, _START + (number % capacity) * _PAIR.size) for number in kept]
    levels = [_PAIR.unpack_from(old, _HEADER.size + bucket * _PAIR.size) for bucket in range(_BUCKETS)]
    if not all(math.isfinite(moment) for pair in (*records, *levels) for moment in pair):
        return None
    same_boot = boot == boot_id() != bytes(16)
    ahead = time.time() - time.monotonic()
    index = 0 if same_boot else 1
    return [pair[index] - index * ahead for pair in records], [pair[index] - index * ahead for pair in levels]
