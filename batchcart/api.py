"""Owns running a job from Python: the same run as the command's, as an iterator of results."""

import asyncio
import contextlib
import queue
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from batchcart.journal.result_line import Result, read_result
from batchcart.journal.summary import Summary
from batchcart.model.errors import UsageError
from batchcart.model.files import create_new, lines_of
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.runner import run_job

_BUFFERED = 1000  # results that may wait for the script before the run waits for it

_SPOOL = "operations.jsonl"

Job = str | Path | Iterable[Mapping[str, Any]]


def run(  # noqa: PLR0913  # the options of `batchcart run`
    job: Job,
    *,
    results: str | Path | None = None,
    config: str | Path | None = None,
    account: str | None = None,
    concurrency: int | None = None,
    patience: float = 30.0,
    stop_after: int = 25,
    processes: int = 1,
    retry_failed: bool = False,
    fresh: bool = False,
    append: bool = False,
    only: Sequence[str] = (),
    limit: int = 0,
    sample: int = 0,
    in_order: bool = False,
    allow_unknown_fields: bool = False,
    log: str | Path | None = None,
    metrics: str | Path | None = None,
) -> "Run":
    """A run of ``job``: the path of a job file, or operations as mappings with the keys of a job line.

    Decimals in the operations reach the shop as they are. For operations ``results`` must be given; the run goes on
    where it stopped if it is called again with equal operations. The other arguments are the options of
    `batchcart run`; ``patience`` is in minutes.
    """
    options = RunOptions(
        job=str(job) if isinstance(job, str | Path) else "",
        results=None if results is None else Path(results),
        config=None if config is None else Path(config),
        account=account,
        concurrency=concurrency,
        patience=patience,
        stop_after=stop_after,
        processes=processes,
        retry_failed=retry_failed,
        fresh=fresh,
        append=append,
        only=(only,) if isinstance(only, str) else tuple(only),
        limit=limit,
        sample=sample,
        in_order=in_order,
        allow_unknown_fields=allow_unknown_fields,
        log=None if log is None else Path(log),
        metrics=None if metrics is None else Path(metrics),
    )
    if isinstance(job, str | Path):
        return Run(options, None)
    if results is None:
        raise UsageError("operations from Python have no name to call the results after; give results=PATH")
    folder = _spool(job)
    return Run(replace(options, job=str(folder / _SPOOL), job_name="operations"), folder)


def read_results(path: str | Path) -> Iterator[Result]:
    """The results in a result file, one by one; raises UsageError at a line that is none."""
    for number, line in enumerate(lines_of(Path(path)), 1):
        try:
            yield read_result(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not a result line: {error}") from None


class Run:
    """A run that is iterated over: every line's result once, in the order they end, those of an earlier start first.

    Raises UsageError where nothing was sent. Leaving the block, or the loop, early stops the run politely: what is in
    flight ends, and the same call goes on. ``summary`` is there once the iteration has ended.
    """

    def __init__(self, options: RunOptions, folder: Path | None) -> None:
        self._options = options
        self._folder = folder
        self._lines: queue.Queue[bytes | BaseException | None] = queue.Queue(_BUFFERED)
        self._monitor = RunMonitor(on_line=self._lines.put, replay=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="batchcart-run", daemon=True)
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """The run's figures; raises RuntimeError while it is not over."""
        if self._summary is None:
            raise RuntimeError("the run is not over: iterate over it to its end first")
        return self._summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Result]:
        if self._thread.ident is not None:
            raise RuntimeError("a run is iterated over once; call batchcart.run again, and it goes on")
        self._thread.start()
        try:
            while (line := self._lines.get()) is not None:
                if isinstance(line, BaseException):
                    raise line
                yield read_result(line)
        finally:
            self.close()

    def close(self) -> None:
        """Stop the run politely, if it is not over; returns when it is."""
        while self._thread.is_alive():
            # Until the thread has begun there is no loop, and once it is over the loop is closed.
            with contextlib.suppress(RuntimeError):
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._monitor.stop)
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=0.05)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _work(self) -> None:
        try:
            self._summary = asyncio.run(self._run())
            self._lines.put(None)
        except BaseException as error:  # noqa: BLE001  # it is raised where the caller iterates
            self._lines.put(error)

    async def _run(self) -> Summary:
        self._loop = asyncio.get_running_loop()
        return await run_job(self._options, self._monitor)


def _spool(operations: Iterable[Mapping[str, Any]]) -> Path:
    """A folder with the operations as a job file; raises UsageError naming the one that is none."""
    folder = Path(tempfile.mkdtemp(prefix="batchcart-"))
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)
    try:
        with create_new(folder / _SPOOL) as file:
            for number, operation in enumerate(operations, 1):
                try:
                    file.write(encoder.encode(operation) + b"\n")
                except (TypeError, ValueError, RecursionError) as error:
                    raise UsageError(f"operations:{number}: not an operation: {error}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
