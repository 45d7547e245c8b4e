"""Owns who else sees a run: its log and its metrics, and its first and last word; it does not know how it works."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from batchcart.model.errors import UsageError
from batchcart.model.events import RunFinished, RunRefused, RunResumed, RunStarted, RunStopped
from batchcart.model.files import is_same_place
from batchcart.runs.event_log import open_event_log
from batchcart.runs.metrics import metrics_file
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path


@asynccontextmanager
async def event_sinks(
    monitor: RunMonitor, wall: Callable[[], float], log: Path | None, metrics: Path | None, job: Path, results: Path
) -> AsyncIterator[None]:
    """The log and the metrics are kept as long as the block runs; a refusal is an event as well.

    Raises UsageError where one of the two cannot be written.
    """
    async with AsyncExitStack() as stack:
        for option, path in (("--log", log), ("--metrics", metrics)):
            _check_own(option, path, job, results)
        if log is not None:
            monitor.add_sink(stack.enter_context(open_event_log(log, results, wall)))
        if metrics is not None:
            await stack.enter_async_context(metrics_file(metrics, monitor.snapshots, wall))
        try:
            yield
        except UsageError as error:
            first, *more = str(error).splitlines()
            monitor.emit(RunRefused(first, len(more)))
            raise


def _check_own(option: str, path: Path | None, job: Path, results: Path) -> None:
    others = {"job": job, "result file": results, "journal": journal_path(results)}
    for name, other in others.items():
        if path is not None and is_same_place(path, other):
            raise UsageError(f"{option} {path} is the run's {name}; choose another file")


def started_event(monitor: RunMonitor, job: str, *, resumed: bool) -> RunStarted | RunResumed:
    """The first word of a run that is about to send."""
    lines = sum(monitor.planned.values())
    if resumed:
        return RunResumed(job, lines, sum(monitor.totals().values()))
    return RunStarted(job, lines, len(monitor.planned))


def finished_event(monitor: RunMonitor) -> RunFinished | RunStopped:
    """The last word of a run that sends no more."""
    lines, totals = sum(monitor.planned.values()), monitor.totals()
    if left := lines - sum(totals.values()):
        return RunStopped(lines, left, stop_reason(monitor, left), **totals)
    return RunFinished(lines, **totals)


def stop_reason(monitor: RunMonitor, left: int) -> str:
    """Why the run has ended with ``left`` lines open; empty where an account's own reason says it."""
    if monitor.failure is not None:
        return str(monitor.failure)
    if not left:
        return ""
    return "; ".join(monitor.lost) or ("by a signal" if monitor.stopping else "")
