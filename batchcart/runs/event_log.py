"""Owns the log file: one JSON line for each event that a person must see; it does not know who else is told."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
from msgspec import structs

from batchcart.model.errors import UsageError
from batchcart.model.events import Event, EventSink, kind_of, level_of, map_text, printable
from batchcart.model.files import open_appending
from batchcart.model.system import read_at
from batchcart.model.text import format_timestamp

_MOMENTS = ("since", "until", "asked_at", "given_up_at")


@contextmanager
def open_event_log(path: Path, results: Path, wall: Callable[[], float] = time.time) -> Iterator[EventSink]:
    """What appends events to the log at ``path``; raises UsageError where that cannot be written.

    A line is one write at the file's end, so that a kill tears none, and several runs may share a log. What the disk
    does not take later is lost: a log must not end a run.
    """
    try:
        log = open_appending(path)
    except OSError as error:
        raise UsageError(f"the log {path} cannot be written: {error.strerror}; choose another with --log") from None
    try:
        with suppress(OSError):
            _begin_a_line(log)

        def tell(event: Event) -> None:
            with suppress(OSError):
                os.write(log, log_line(event, wall(), results))

        yield tell
    finally:
        os.close(log)


def log_line(event: Event, at: float, results: Path) -> bytes:
    """The event as a line of the log."""
    event = map_text(event, printable)
    fields = structs.asdict(event)
    written = {name: format_timestamp(value) if name in _MOMENTS else value for name, value in fields.items()}
    head = {"time": format_timestamp(at), "level": level_of(event), "event": kind_of(event), "message": str(event)}
    return orjson.dumps({**head, "results": printable(str(results)), **written}, option=orjson.OPT_APPEND_NEWLINE)


def _begin_a_line(log: int) -> None:
    """A line that a full disk cut short stays alone."""
    size = os.fstat(log).st_size
    if size and read_at(log, 1, size - 1) != b"\n":
        os.write(log, b"\n")
