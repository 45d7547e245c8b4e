"""Owns showing how far the checking of a job has come, on stderr; it does not know what is checked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchcart.cli.terminal.screen import Screen, drawable

_TICK, _PLAIN_TICK = 0.22, 10.0


@contextmanager
def show_check_progress(how: str, screen: Screen) -> Iterator[Callable[[int], None] | None]:
    """What shows the number of the line that is checked; None if it is not shown."""
    if how == "none" or (how == "auto" and not drawable()):
        yield None
        return
    last = time.monotonic()

    def checking(line: int) -> None:
        nonlocal last
        now, text = time.monotonic(), f"checking line {line:,} …"
        if how == "plain" and now - last >= _PLAIN_TICK:
            screen.say(text)
        elif how == "auto" and now - last >= _TICK:
            screen.paint([text])
        else:
            return
        last = now

    try:
        yield checking
    finally:
        screen.clear()
