"""Owns running a job from Python: the same run as the command's, as an iterator of results, in a loop or without."""

import asyncio
import contextlib
import queue
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from batchcart.api.driving import Beside, Config, Driver, Monitoring, drive_beside, drive_one, listen
from batchcart.api.job import Job, RunKeywords, run_options, spool
from batchcart.api.notebook import Display
from batchcart.journal.result_line import Result, read_result
from batchcart.journal.summary import Summary
from batchcart.model.errors import UsageError
from batchcart.model.events import EventSink
from batchcart.model.files import lines_of
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import MOST_PROCESSES, RunOptions
from batchcart.runs.runner import run_job
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress

__all__ = ["MOST_PROCESSES", "AsyncRun", "Run", "arun", "read_results", "run"]

_BUFFERED = 1000  # results that may wait for the script before the run waits for it
_TICK = 0.1  # seconds between two looks whether anybody still waits for results


def run(  # noqa: PLR0913  # the options of `batchcart run`
    job: Job,
    *,
    results: str | Path | None = None,
    config: Config = None,
    account: str | None = None,
    concurrency: int | None = None,
    patience: float = 30.0,
    stop_after: int = 25,
    processes: int = 1,
    seats_at: HubAddress | None = None,
    cluster: SchedulerAddress | None = None,
    retry_failed: bool = False,
    fresh: bool = False,
    append: bool = False,
    only: str | Sequence[str] = (),
    limit: int = 0,
    sample: int = 0,
    in_order: bool = False,
    allow_unknown_fields: bool = False,
    log: str | Path | None = None,
    metrics: str | Path | None = None,
    on_event: EventSink | None = None,
) -> "Run":
    """A run of ``job``: the path of a job file, or operations as mappings with the keys of a job line.

    Decimals in the operations reach the shop as they are. For operations ``results`` must be given; the run goes on
    where it stopped if it is called again with equal operations. The other arguments are the options of
    `batchcart run`; ``patience`` is in minutes. ``on_event`` is told what a person must see, in the run's thread.

    Raises UsageError where an option is out of range or an operation is none; the rest where the run is iterated over.
    """
    keywords = RunKeywords(
        results=results,
        config=config,
        account=account,
        concurrency=concurrency,
        patience=patience,
        stop_after=stop_after,
        processes=processes,
        seats_at=seats_at,
        cluster=cluster,
        retry_failed=retry_failed,
        fresh=fresh,
        append=append,
        only=only,
        limit=limit,
        sample=sample,
        in_order=in_order,
        allow_unknown_fields=allow_unknown_fields,
        log=log,
        metrics=metrics,
    )
    return Run(*spool(job, run_options(job, keywords)), on_event)


def arun(job: Job, *, on_event: EventSink | None = None, **options: Unpack[RunKeywords]) -> "AsyncRun":
    """The same run for those who are in an event loop already: ``async for result in batchcart.arun(...)``.

    The work has a thread of its own, so files, journal and checks never block the caller's loop. Leaving the
    ``async for``, ``aclose()`` and a cancelled task stop the run politely, as a first Ctrl-C does: what is in flight
    ends, nothing is lost, and the same call resumes. It has the arguments of ``run``, and raises as that does.
    """
    return AsyncRun(job, run_options(job, options), on_event)


def read_results(path: str | Path) -> Iterator[Result]:
    """The results in a result file, one by one; raises UsageError where there is none, and at a line that is none."""
    if not Path(path).exists():
        raise UsageError(f"{path} does not exist; give the result file of a run")
    for number, line in enumerate(lines_of(Path(path)), 1):
        try:
            yield read_result(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not a result line: {error}") from None


class _Lines:
    """Result lines on the way from the run's thread to who reads them; ``arrived`` is called for each, and at the end.

    Where nobody takes them the run waits, until somebody says that nobody will.
    """

    def __init__(self, arrived: Callable[[], None] = lambda: None) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(_BUFFERED)
        self._arrived = arrived
        self._abandoned = False

    def put(self, line: bytes | None) -> None:
        """Hand a line on; None is the end."""
        while not self._abandoned:
            with contextlib.suppress(queue.Full):
                self._queue.put(line, timeout=_TICK)
                break
        self._arrived()

    def get(self) -> bytes | None:
        """The next line, once there is one; None at the end."""
        return self._queue.get()

    def get_nowait(self) -> bytes | None:
        """The next line; raises queue.Empty where there is none yet."""
        return self._queue.get_nowait()

    def abandon(self) -> None:
        """Nobody takes any more."""
        self._abandoned = True


async def _run(options: RunOptions, monitoring: Monitoring) -> Summary:
    async with monitoring() as monitor:
        return await run_job(options, monitor)


class Run:
    """A run that is iterated over: every line's result once, in the order they end, those of an earlier start first.

    Raises UsageError where nothing was sent. Leaving the block, or the loop, early stops the run politely: what is in
    flight ends, and the same call resumes. ``summary`` is there once it is over, also where it was stopped.
    """

    def __init__(self, options: RunOptions, folder: Path | None, on_event: EventSink | None = None) -> None:
        self._options = options
        self._folder = folder
        self._on_event = on_event
        self._lines = _Lines()
        self._beside: Beside[Summary] | None = None
        self._begun = False
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """The run's figures; raises RuntimeError while it is not over."""
        if self._summary is None:
            raise RuntimeError("the run is not over: iterate over it to its end, or close it, first")
        return self._summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Result]:
        self._check_unused()
        display = Display()
        self._beside = Beside(
            lambda monitoring: _run(self._options, listen(monitoring, self._on_event)),
            lambda: self._lines.put(None),
            lambda: RunMonitor(on_line=self._lines.put, replay=True),
        )
        self._beside.start()
        try:
            while (line := self._lines.get()) is not None:
                result = read_result(line)
                display.count(result)
                yield result
            display.finish(self._beside.result())
        finally:
            self.close()

    @property
    def results(self) -> Path:
        """The result file."""
        return self._options.results_path

    def finish(self, *, driver: Driver = drive_beside) -> Summary:
        """Do the run to its end without looking at each result; its figures. Raises as iterating over it does.

        ``driver`` brings an event loop and what watches the run, as the command line does.
        """
        self._check_unused()
        try:
            self._summary = drive_one(driver, lambda monitor: run_job(self._options, monitor), self._on_event)
        finally:
            self.close()
        return self._summary

    def close(self) -> None:
        """Stop the run politely, if it is not over; returns when it is."""
        if self._beside is not None:
            self._lines.abandon()
            self._beside.stop()
            self._beside.join()
            self._summary = self._beside.given
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check_unused(self) -> None:
        if self._begun:
            raise RuntimeError("a run is iterated over once; call batchcart.run again to resume")
        self._begun = True


class AsyncRun:
    """A run in an event loop that the caller runs: as Run, with ``async for``, ``async with`` and ``aclose``."""

    def __init__(self, job: Job, options: RunOptions, on_event: EventSink | None = None) -> None:
        self._job = job
        self._options = options
        self._on_event = on_event
        self._begun = False
        self._beside: Beside[Summary] | None = None
        self._over = asyncio.Event()
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """The run's figures; raises RuntimeError while it is not over."""
        if self._summary is None:
            raise RuntimeError("the run is not over: iterate over it to its end, or close it, first")
        return self._summary

    @property
    def results(self) -> Path:
        """The result file."""
        return self._options.results_path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[Result]:
        if self._begun:
            raise RuntimeError("a run is iterated over once; call batchcart.arun again, and it goes on")
        self._begun = True
        arrived, display = asyncio.Event(), Display()
        lines = self._begin(arrived)
        try:
            while (line := await _take(lines, arrived)) is not None:
                result = read_result(line)
                display.count(result)
                yield result
            display.finish(self._result())
        finally:
            lines.abandon()
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the run politely, if it is not over; returns when it is. Its results stand in the result file."""
        if self._beside is not None:
            self._beside.stop()
            try:
                await self._over.wait()
            except asyncio.CancelledError:  # so a loop ends what is left in it: a second time it is not waited for
                await self._over.wait()
                raise
            finally:
                if self._over.is_set():
                    self._beside.join()  # it has said its last word
                    self._summary = self._beside.given

    def _begin(self, arrived: asyncio.Event) -> _Lines:
        loop = asyncio.get_running_loop()

        def say(event: asyncio.Event) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                loop.call_soon_threadsafe(event.set)

        def end() -> None:
            lines.put(None)
            say(self._over)

        lines = _Lines(lambda: say(arrived))
        self._beside = Beside(
            lambda monitoring: _run_spooled(self._job, self._options, listen(monitoring, self._on_event)),
            end,
            lambda: RunMonitor(on_line=lines.put, replay=True),
        )
        self._beside.start()
        return lines

    def _result(self) -> Summary:
        assert self._beside is not None
        return self._beside.result()


async def _run_spooled(job: Job, options: RunOptions, monitoring: Monitoring) -> Summary:
    options, folder = spool(job, options)
    try:
        return await _run(options, monitoring)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


async def _take(lines: _Lines, arrived: asyncio.Event) -> bytes | None:
    """The next line, once there is one; None at the end."""
    while True:
        arrived.clear()
        with contextlib.suppress(queue.Empty):
            return lines.get_nowait()
        await arrived.wait()
