"""Owns showing a run while it is alive, on stderr, from counters that are read at a tick; it changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from batchcart.cli.terminal.check_progress import show_check_progress
from batchcart.cli.terminal.live_reasons import LiveReasons
from batchcart.cli.terminal.screen import Screen, drawable, size
from batchcart.cli.terminal.throughput import Throughput
from batchcart.cli.terminal.wait_text import held_up_texts, time_left_text, wait_text
from batchcart.model.events import Event, is_urgent
from batchcart.model.text import plural
from batchcart.runs.monitor import RunMonitor

_TICK, _PLAIN_TICK = 0.22, 10.0


@asynccontextmanager
async def show_progress(monitor: RunMonitor, how: str, screen: Screen) -> AsyncIterator[None]:
    """Say events and show progress as long as the block runs.

    "auto" draws on a terminal, "plain" writes a line now and then, "none" only says events.
    """

    def say(event: Event) -> None:
        if is_urgent(event):
            screen.say(str(event))

    monitor.add_sink(say)
    reasons = LiveReasons()
    with show_check_progress(how, screen) as checking:
        monitor.show_checking(checking)
        if how == "plain":
            work = _write(monitor, screen, reasons)
        elif how == "auto" and drawable():
            work = _draw(monitor, screen, reasons)
        else:
            yield
            return
        monitor.show_lines(reasons.take)
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _write(monitor: RunMonitor, screen: Screen, reasons: LiveReasons) -> None:
    pace, said = Throughput(), time.monotonic()
    while True:
        pace.take(time.time(), monitor.snapshots())
        if time.monotonic() - said >= _PLAIN_TICK:
            said = time.monotonic()
            screen.say(plain_line(monitor, pace, time.time(), reasons))
        await asyncio.sleep(1)


def plain_line(monitor: RunMonitor, pace: Throughput, now: float, reasons: LiveReasons) -> str:
    """The run in one line: lines done, requests a second, what went wrong, time left, who waits, the first reason."""
    snapshots, totals = monitor.snapshots(), monitor.totals()
    parts = [f"{sum(totals.values()):,} of {plural(sum(monitor.planned.values()), 'line')}"]
    parts.append(f"{sum(map(pace.rate, snapshots)):.1f} requests/s")
    parts += [f"{count:,} {status.replace('_', ' ')}" for status, count in totals.items() if status != "ok" and count]
    if (left := pace.estimate_seconds(snapshots, now)) is not None:
        parts.append(time_left_text(left, snapshots))
    waiting = [f"{one.account}: {wait_text(one, now)}" for one in snapshots if one.waiting]
    if len(waiting) > 5:
        waiting = [*waiting[:5], plural(len(waiting) - 5, "more account waits", "more accounts wait")]
    because = reasons.sentences(1, several=len(snapshots) > 1)
    return "; ".join(filter(None, [", ".join(parts), *held_up_texts(snapshots, now), *waiting, *because]))


async def _draw(monitor: RunMonitor, screen: Screen, reasons: LiveReasons) -> None:
    from batchcart.cli.terminal.dashboard import Dashboard  # noqa: PLC0415  # importing rich takes 0.1 s that only a terminal needs

    dashboard, pace, began = Dashboard(), Throughput(), time.time()
    while True:
        now, snapshots = time.time(), monitor.snapshots()
        pace.take(now, snapshots)
        if snapshots:
            screen.paint(
                dashboard.lines(snapshots, pace, now, began, size(), reasons.sentences(3, several=len(snapshots) > 1))
            )
        await asyncio.sleep(_TICK)
