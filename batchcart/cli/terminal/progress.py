"""Owns showing a run while it is alive, on stderr, from counters that are read at a tick; it changes nothing."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from batchcart.cli.terminal.check_progress import show_check_progress
from batchcart.cli.terminal.live_reasons import LiveReasons
from batchcart.cli.terminal.screen import Screen, drawable, size
from batchcart.cli.terminal.throughput import Throughput
from batchcart.cli.terminal.wait_text import held_up_texts, time_left_text, wait_text
from batchcart.engine.ticker import every
from batchcart.model.events import Event, is_urgent
from batchcart.model.text import plural
from batchcart.runs.monitor import RunMonitor

_TICK, _PLAIN_TICK = 0.22, 1.0
_LINE_EVERY = 10.0  # seconds between two lines where nothing is drawn


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
            tick, show = _PLAIN_TICK, _plain_writer(monitor, screen, reasons)
        elif how == "auto" and drawable():
            tick, show = _TICK, _dashboard_painter(monitor, screen, reasons)
        else:
            yield
            return
        monitor.show_lines(reasons.take)
        show()
        async with every(tick, show):
            yield


def _plain_writer(monitor: RunMonitor, screen: Screen, reasons: LiveReasons) -> Callable[[], None]:
    pace, said = Throughput(), time.monotonic()

    def show() -> None:
        nonlocal said
        pace.take(time.time(), monitor.snapshots())
        reasons.read()
        if time.monotonic() - said >= _LINE_EVERY:
            said = time.monotonic()
            screen.say(plain_line(monitor, pace, time.time(), reasons))

    return show


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


def _dashboard_painter(monitor: RunMonitor, screen: Screen, reasons: LiveReasons) -> Callable[[], None]:
    from batchcart.cli.terminal.dashboard import Dashboard  # noqa: PLC0415  # importing rich takes 0.1 s that only a terminal needs

    dashboard, pace, began = Dashboard(), Throughput(), time.time()

    def show() -> None:
        now, snapshots = time.time(), monitor.snapshots()
        pace.take(now, snapshots)
        if snapshots:
            why = reasons.sentences(3, several=len(snapshots) > 1)
            screen.paint(dashboard.lines(snapshots, pace, now, began, size(), why))

    return show
