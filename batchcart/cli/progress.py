"""Owns showing a run while it is alive, on stderr, from counters that are read at a tick; it changes nothing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from batchcart.cli.output import say
from batchcart.lanes import Watch

_TICK, _PLAIN_TICK = 0.25, 10.0


@asynccontextmanager
async def shown(watch: Watch, how: str) -> AsyncIterator[None]:
    """Show progress as long as the block runs: "auto" draws on a terminal, "plain" writes a line now and then."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None: the caller closed it
    if how == "none" or (how == "auto" and not terminal):
        yield
        return
    task = asyncio.create_task(_draw(watch) if how == "auto" else _write(watch))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _write(watch: Watch) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(_PLAIN_TICK)
        done, lines = _done(watch), sum(watch.planned.values())
        rate = sum(lane.counters.sent for lane in watch.lanes) / (time.monotonic() - began)
        bad = ", ".join(f"{count} {status}" for status, count in _totals(watch).items() if status != "ok" and count)
        say(f"{done:,} of {lines:,} lines, {rate:.1f} requests/s{f', {bad}' if bad else ''}")


async def _draw(watch: Watch) -> None:
    from rich.console import Console  # noqa: PLC0415  # 0.1 s that only a terminal needs
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        bars: dict[str, TaskID] = {}
        while True:
            for lane in watch.lanes:
                name = lane.account.name
                if name not in bars and len(bars) < 30:
                    bars[name] = progress.add_task(name, total=watch.planned.get(name, 0), note="")
                if name in bars:
                    done = sum(watch.ended.get(name, {}).values())
                    progress.update(bars[name], completed=done, note=_note(watch, name))
            progress.refresh()
            await asyncio.sleep(_TICK)


def _note(watch: Watch, name: str) -> str:
    lane = next(lane for lane in watch.lanes if lane.account.name == name)
    words = [f"{count} {status}" for status, count in watch.ended.get(name, {}).items() if status != "ok" and count]
    if lane.closed:
        words.append(lane.state)
    elif lane.limiter.held_for > 0:
        words.append(f"the shop asked to wait {lane.limiter.held_for:.0f} s")
    return ", ".join(words)


def _done(watch: Watch) -> int:
    return sum(_totals(watch).values())


def _totals(watch: Watch) -> dict[str, int]:
    totals: dict[str, int] = {}
    for ended in watch.ended.values():
        for status, count in ended.items():
            totals[status] = totals.get(status, 0) + count
    return totals
