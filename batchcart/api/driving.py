"""Owns how a call of the interface gets an event loop and is watched; it does not know what the call does.

From Python the work has a thread and a loop of its own, so a loop that the caller runs is never blocked, and a Ctrl-C
in the caller stops the work politely. The command line brings its own way: its loop, its signals, its progress.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from batchcart.accounts.config_table import ConfigSource, ConfigTable
from batchcart.model.events import Event, EventSink, level_of
from batchcart.runs.monitor import RunMonitor

T = TypeVar("T")

Monitoring = Callable[[], AbstractAsyncContextManager[RunMonitor]]
"""Gives a monitor for one run, which shows it and can stop it."""

Config = str | Path | Mapping[str, Any] | None
"""A config: the path of the file, or a mapping with its keys; None looks for batchcart.toml as the commands do."""

LOGGER = logging.getLogger("batchcart")
LOGGER.addHandler(logging.NullHandler())  # who wants to see the events adds a handler
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Driver(Protocol):
    """Does a call's work on an event loop; the work opens a monitor for each of its runs."""

    def __call__(self, work: Callable[[Monitoring], Coroutine[Any, Any, T]]) -> T:
        """What the work gives; raises what it raises."""


def config_source(config: Config) -> ConfigSource | None:
    """The config as the rooms below take it."""
    if isinstance(config, Mapping):
        return ConfigTable(config)
    return None if config is None else Path(config)


def log_event(event: Event) -> None:
    """Tell the logger `batchcart`; the record has the event itself as ``event``."""
    LOGGER.log(_LEVELS[level_of(event)], "%s", event, extra={"event": event})


def add_listeners(monitor: RunMonitor, on_event: EventSink | None) -> RunMonitor:
    """The monitor, which tells the logger and ``on_event`` its events too."""
    monitor.add_sink(log_event)
    if on_event is not None:
        monitor.add_sink(_guard(on_event))
    return monitor


def _guard(on_event: EventSink) -> EventSink:
    """The caller's own function; what it raises is logged and ends no run."""

    def tell(event: Event) -> None:
        try:
            on_event(event)
        except Exception:
            LOGGER.exception("on_event failed at: %s", event)

    return tell


class Beside(Generic[T]):
    """Work in a thread with a loop of its own, until it ends or is stopped politely.

    ``ended`` is called in that thread when it is over, ``new_monitor`` makes the monitor of each of its runs.
    """

    def __init__(
        self,
        work: Callable[[Monitoring], Coroutine[Any, Any, T]],
        ended: Callable[[], None] = lambda: None,
        new_monitor: Callable[[], RunMonitor] = RunMonitor,
    ) -> None:
        self._work = work
        self._ended = ended
        self._new_monitor = new_monitor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._monitors: list[RunMonitor] = []
        self._stopping = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="batchcart-run", daemon=True)

    @property
    def started(self) -> bool:
        """Whether it was begun."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    def stop(self) -> None:
        """Have the work begin nothing more and end with what is in flight; returns at once."""
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is over
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop_monitors)

    def join(self) -> None:
        """Wait for its end."""
        if self.started:
            self._thread.join()

    @property
    def given(self) -> T | None:
        """What the work gave; None where it is not over, or raised."""
        return self._result

    def result(self) -> T:
        """What the work gave, once it is over; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it ended without an error

    def _stop_monitors(self) -> None:
        for monitor in self._monitors:
            monitor.stop()

    def _run(self) -> None:
        try:
            self._result = asyncio.run(self._attend())
        except BaseException as error:  # noqa: BLE001  # it is raised where the caller waits
            self._error = error
        self._ended()

    async def _attend(self) -> T:
        self._loop = asyncio.get_running_loop()
        return await self._work(self._monitoring)

    @contextlib.asynccontextmanager
    async def _monitoring(self) -> AsyncIterator[RunMonitor]:
        monitor = self._new_monitor()
        self._monitors.append(monitor)
        if self._stopping:
            monitor.stop()
        yield monitor


def drive_beside(work: Callable[[Monitoring], Coroutine[Any, Any, T]]) -> T:
    """The driver of calls from Python: in a thread; what interrupts the caller stops the work politely."""
    beside = Beside(work)
    beside.start()
    try:
        beside.join()
    except BaseException:
        beside.stop()
        beside.join()
        raise
    return beside.result()


def drive_one(driver: Driver, work: Callable[[RunMonitor], Coroutine[Any, Any, T]], on_event: EventSink | None) -> T:
    """What a work of one run gives, with its monitor, to which the logger and ``on_event`` listen."""

    async def attend(monitoring: Monitoring) -> T:
        async with listen(monitoring, on_event)() as monitor:
            return await work(monitor)

    return driver(attend)


def listen(monitoring: Monitoring, on_event: EventSink | None) -> Monitoring:
    """The same monitors, with the logger and ``on_event`` as listeners."""

    @contextlib.asynccontextmanager
    async def monitor_too() -> AsyncIterator[RunMonitor]:
        async with monitoring() as monitor:
            yield add_listeners(monitor, on_event)

    return monitor_too
