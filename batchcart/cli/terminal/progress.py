"""Owns showing a run while it is alive, on stderr, from counters that are read at a tick; it changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from batchcart.cli.terminal.check_progress import checking_shown
from batchcart.cli.terminal.screen import Screen, drawable, size
from batchcart.cli.terminal.throughput import Pace
from batchcart.cli.terminal.wait_text import brief, wait_text
from batchcart.model.events import Event, is_aloud
from batchcart.runs.context import Watch

_TICK, _PLAIN_TICK = 0.22, 10.0


@asynccontextmanager
async def shown(watch: Watch, how: str, screen: Screen) -> AsyncIterator[None]:
    """Say events and show progress as long as the block runs.

    "auto" draws on a terminal, "plain" writes a line now and then, "none" only says events.
    """

    def say(event: Event) -> None:
        if is_aloud(event):
            screen.say(str(event))

    watch.sinks.append(say)
    with checking_shown(how, screen) as watch.checking:
        if how == "plain":
            work = _write(watch, screen)
        elif how == "auto" and drawable():
            work = _draw(watch, screen)
        else:
            yield
            return
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _write(watch: Watch, screen: Screen) -> None:
    pace, said = Pace(), time.monotonic()
    while True:
        pace.take(time.time(), watch.glances())
        if time.monotonic() - said >= _PLAIN_TICK:
            said = time.monotonic()
            screen.say(plain_line(watch, pace, time.time()))
        await asyncio.sleep(1)


def plain_line(watch: Watch, pace: Pace, now: float) -> str:
    """The run in one line: lines done, requests a second, what went wrong, time left, who waits."""
    glances, totals = watch.glances(), watch.totals()
    parts = [f"{sum(totals.values()):,} of {sum(watch.planned.values()):,} lines"]
    parts.append(f"{sum(map(pace.rate, glances)):.1f} requests/s")
    parts += [f"{count:,} {status.replace('_', ' ')}" for status, count in totals.items() if status != "ok" and count]
    if (left := pace.left(glances, now)) is not None:
        parts.append(f"about {brief(left)} left")
    waiting = [f"{one.account}: {wait_text(one, now)}" for one in glances if one.waiting]
    if len(waiting) > 5:
        waiting = [*waiting[:5], f"{len(waiting) - 5} more accounts wait"]
    return "; ".join([", ".join(parts), *waiting])


async def _draw(watch: Watch, screen: Screen) -> None:
    from batchcart.cli.terminal.dashboard import Dashboard  # noqa: PLC0415  # importing rich takes 0.1 s that only a terminal needs

    dashboard, pace, began = Dashboard(), Pace(), time.time()
    while True:
        now, glances = time.time(), watch.glances()
        pace.take(now, glances)
        if glances:
            screen.paint(dashboard.lines(glances, pace, now, began, size()))
        await asyncio.sleep(_TICK)
