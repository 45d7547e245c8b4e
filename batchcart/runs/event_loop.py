"""Owns what a process at work runs on: its event loop, allocator and collector; it does not know what the work is."""

import asyncio
import ctypes
import gc
import importlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TypeVar

_Told = TypeVar("_Told")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library
_KEPT, _LARGE = 4 << 20, 1 << 20  # bytes


def run_async(work: Coroutine[object, object, _Told]) -> _Told:
    """Do the work on the fastest event loop that is installed (the extra `speed` brings uvloop); what it tells.

    It changes settings of the whole process, so a program that uses batchcart as a library brings its own loop.
    """
    told: list[_Told] = []

    async def keep() -> None:
        told.append(await work)  # not as the task's result: Python puts that into words where it looks at its signals

    _keep_memory()
    gc.freeze()  # what was imported stays; the collector need not look at it again
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(keep())
    return told[0]


def _keep_memory() -> None:
    """Keep asyncio's receive buffers, 256 KiB for each read, from being given back to the system and asked for again.

    Hub and seats read so, and connections to shops do not. Without this a read costs two page faults more and half as
    much time again (3,000 small reads: 9,058 faults and 0.17 s against 3,099 and 0.12 s). Other C libraries do without.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return asyncio.new_event_loop
    return factory
