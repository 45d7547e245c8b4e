"""Owns who else sees a run: its log and its metrics, and its first and last word; it does not know how it works."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from batchcart.model.errors import UsageError
from batchcart.model.events import RunBegan, RunFinished, RunRefused, RunResumed, RunStopped
from batchcart.runs.context import Watch, journal_path
from batchcart.runs.event_log import appending
from batchcart.runs.metrics import measured


@asynccontextmanager
async def told(watch: Watch, log: Path | None, metrics: Path | None, job: Path, results: Path) -> AsyncIterator[None]:
    """The log and the metrics are kept as long as the block runs; a refusal is an event as well.

    Raises UsageError where one of the two cannot be written.
    """
    async with AsyncExitStack() as stack:
        for option, path in (("--log", log), ("--metrics", metrics)):
            _check_own(option, path, job, results)
        if log is not None:
            watch.sinks.append(stack.enter_context(appending(log, results)))
        if metrics is not None:
            await stack.enter_async_context(measured(metrics, watch.glances))
        try:
            yield
        except UsageError as error:
            first, *more = str(error).splitlines()
            watch.tell(RunRefused(first, len(more)))
            raise


def _check_own(option: str, path: Path | None, job: Path, results: Path) -> None:
    others = {"job": job, "result file": results, "journal": journal_path(results)}
    for name, other in others.items():
        if path is not None and path.resolve() == other.resolve():
            raise UsageError(f"{option} {path} is the run's {name}; choose another file")


def first_word(watch: Watch, job: str, *, resumed: bool) -> RunBegan | RunResumed:
    """The first word of a run that is about to send."""
    lines = sum(watch.planned.values())
    if resumed:
        return RunResumed(job, lines, sum(watch.totals().values()))
    return RunBegan(job, lines, len(watch.planned))


def last_word(watch: Watch) -> RunFinished | RunStopped:
    """The last word of a run that sends no more."""
    lines, totals = sum(watch.planned.values()), watch.totals()
    if left := lines - sum(totals.values()):
        return RunStopped(lines, left, why_stopped(watch, left), **totals)
    return RunFinished(lines, **totals)


def why_stopped(watch: Watch, left: int) -> str:
    """Why the run has ended with ``left`` lines open; empty where an account's own reason says it."""
    if watch.failure is not None:
        return str(watch.failure)
    if not left:
        return ""
    return "; ".join(watch.lost) or ("by a signal" if watch.stopping else "")
