"""Owns what surrounds a command while it talks to shops: signals, open files, progress; not what it does there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import FrameType
from typing import Any, TypeVar

from batchcart.api.driving import Driver, Monitoring
from batchcart.cli.terminal.progress import show_progress
from batchcart.cli.terminal.screen import Screen
from batchcart.model.events import EventSink
from batchcart.model.system import STOP_SIGNALS, allow_many_files
from batchcart.runs.event_loop import run_async
from batchcart.runs.monitor import RunMonitor

T = TypeVar("T")


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


def drive_here(progress: str, last_words: Callable[[], None] = lambda: None, *, steps: bool = False) -> Driver:
    """Does a call's work on a loop of this thread, with signals and progress; ``steps`` has signals between its runs.

    ``last_words`` are said before it stops at once.
    """

    def drive(work: Callable[[Monitoring], Coroutine[Any, Any, T]]) -> T:
        return run_async(_attend(work))

    async def _attend(work: Callable[[Monitoring], Coroutine[Any, Any, T]]) -> T:
        async with AsyncExitStack() as stack:
            if steps:
                (await stack.enter_async_context(monitor_run("none"))).end_reads()
            return await work(lambda: monitor_run(progress, last_words))

    return drive


def drive_quietly(sink: EventSink) -> Driver:
    """Does a call's work without progress; the sink is told its events, and a signal ends it at once."""

    @asynccontextmanager
    async def monitor() -> AsyncIterator[RunMonitor]:
        yield RunMonitor(sinks=[sink])

    def drive(work: Callable[[Monitoring], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(work(monitor))

    return drive


@contextmanager
def _signals(monitor: RunMonitor, screen: Screen, last_words: Callable[[], None]) -> Iterator[None]:
    """A first signal stops the run politely, a second one at once; any does while no shop is asked.

    The loop's own signal handlers would be called only between two awaits.
    """
    loop, seen = asyncio.get_running_loop(), 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        name = signal.Signals(number).name
        if seen > 1:
            if seen == 2:
                screen.say_now(f"{name} again: stopped at once; run the same command again to resume")
                last_words()
            os._exit(3)
        if not monitor.at_work:
            so_far = "; run the same command again to resume" if monitor.reads_over else " before anything was sent"
            screen.say_now(f"{name}: stopped{so_far}")
            raise KeyboardInterrupt
        screen.say_now(f"{name}: ending with the requests in flight; once more stops at once")
        loop.call_soon_threadsafe(monitor.stop)

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
