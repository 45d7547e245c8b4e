"""Owns watching a run from beside it: where it stands, read from its journal again and again; it changes nothing."""

import time
from collections.abc import Sequence
from pathlib import Path

from batchcart.cli.summary_text import counts_text
from batchcart.cli.terminal.screen import Screen, drawable, size
from batchcart.cli.terminal.throughput import Throughput
from batchcart.cli.terminal.wait_text import held_up_texts, time_left_text
from batchcart.journal.summary import Summary
from batchcart.model.text import plural
from batchcart.runs.snapshot import AccountSnapshot, Waiting
from batchcart.runs.status import lock_holder, read_summary

_TICK, _PLAIN_TICK = 1.0, 10.0
_SHARE = 10  # times as long as a reading takes, it rests: a large journal must not be read all the time


def watch_run(results: Path) -> None:
    """Show where the run stands until it ends, or until Ctrl-C: drawn on a terminal, elsewhere a line now and then."""
    screen, pace, said = Screen(), Throughput(), 0.0
    try:
        while (pid := lock_holder(results)) is not None:
            began, now, summary = time.monotonic(), time.time(), read_summary(results)
            snapshots = _take_snapshots(summary)
            pace.take(now, snapshots)
            head = _head(summary, pace, snapshots, now)
            if drawable():
                screen.paint(_draw(head, held_up_texts(snapshots, now), summary, snapshots, f"{results}, pid {pid}"))
            elif began - said >= _PLAIN_TICK:
                said = began
                screen.say("; ".join([" · ".join(head), *held_up_texts(snapshots, now)]))
            time.sleep(max(_TICK, _SHARE * (time.monotonic() - began)))
    except KeyboardInterrupt:
        pass
    finally:
        screen.clear()


def _take_snapshots(summary: Summary) -> list[AccountSnapshot]:
    """Each account as its journal shows it; what was sent is not known from there, so lines are counted for it."""
    found = []
    for name, one in summary.accounts.items():
        ended = {status: count for status, count in one.counts.items() if status != "not_attempted"}
        waiting: Waiting = ""
        if one.state == "down":
            waiting = "unreachable"
        elif one.state not in {"open", "done"}:
            waiting = "closed"
        lines, done = sum(one.counts.values()), sum(ended.values())
        found.append(AccountSnapshot(name, "", lines, ended, sent=done, waiting=waiting))
    return found


def _head(summary: Summary, pace: Throughput, snapshots: Sequence[AccountSnapshot], now: float) -> list[str]:
    done = summary.lines - summary.totals["not_attempted"]
    left = pace.estimate_seconds(snapshots, now)
    parts = [
        f"{done:,} of {plural(summary.lines, 'line')}"
        + (f" ({100 * done / summary.lines:.1f} %)" if summary.lines else ""),
        "" if left is None else time_left_text(left, snapshots),
        f"{sum(map(pace.rate, snapshots)):.1f} lines/s",
    ]
    return list(filter(None, parts))


def _draw(
    head: list[str], held_up: list[str], summary: Summary, snapshots: Sequence[AccountSnapshot], whose: str
) -> list[str]:
    from rich.console import Console  # noqa: PLC0415  # importing rich takes 0.1 s that only a terminal needs

    from batchcart.cli.terminal.bar import bar_text  # noqa: PLC0415

    width, rows = size()[0] - 1, size()[1]
    console = Console(stderr=True, highlight=False)
    with console.capture() as captured:
        console.print(bar_text(snapshots, min(width, 100)), width=width + 1, no_wrap=True, overflow="ignore", end="")
    foot = [*held_up, f"{whose}; Ctrl-C ends only the watching"]
    table = counts_text(summary).splitlines()
    room = max(1, rows - 3 - len(foot))
    if len(table) > room:
        table = [*table[: room - 1], table[-1]]
    fitting = (" · ".join(head[:count]) for count in range(len(head), 0, -1))
    first = next((text for text in fitting if len(text) <= width), head[0][:width])
    return [first, captured.get(), *(line[:width] for line in [*table, *foot])]
