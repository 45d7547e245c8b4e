"""Owns what surrounds a command while it talks to shops: signals, open files, progress; not what it does there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from batchcart.cli.terminal.progress import show_progress
from batchcart.cli.terminal.screen import Screen
from batchcart.model.system import STOP_SIGNALS, allow_many_files
from batchcart.runs.monitor import RunMonitor


@asynccontextmanager
async def monitor_run(progress: str, last_words: Callable[[], None] = lambda: None) -> AsyncIterator[RunMonitor]:
    """A watch for one run: its sessions show as progress, and signals stop it.

    ``last_words`` are said before it stops at once.
    """
    monitor, screen = RunMonitor(), Screen()
    allow_many_files()
    with _signals(monitor, screen, last_words):
        async with show_progress(monitor, progress, screen):
            yield monitor


@contextmanager
def _signals(monitor: RunMonitor, screen: Screen, last_words: Callable[[], None]) -> Iterator[None]:
    """A first signal stops the run politely, a second one at once; while the job is still being checked any does.

    The loop's own signal handlers would be called only between two awaits.
    """
    loop, seen = asyncio.get_running_loop(), 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        name = signal.Signals(number).name
        if seen > 1:
            if seen == 2:
                screen.say_now(f"{name} again: stopped at once; the same command goes on")
                last_words()
            os._exit(3)
        if not monitor.at_work:
            screen.say_now(f"{name}: stopped before anything was sent")
            raise KeyboardInterrupt
        screen.say_now(f"{name}: ending with the requests in flight; once more stops at once")
        loop.call_soon_threadsafe(monitor.stop)

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
