"""Owns the look at a Dask cluster before a run: versions, TLS, clocks, open files of each worker; it starts no seat."""

import asyncio
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from batchcart import __version__
from batchcart.accounts.diagnostics import Check, report_ok, report_problem
from batchcart.model.errors import UsageError
from batchcart.model.system import most_open_files
from batchcart.runs.deps import WORLD
from batchcart.runs.probe import CLOCK_MAY_DIFFER
from batchcart.runs.seats.cluster import connect
from batchcart.runs.seats.secured import SchedulerAddress

LEAST_FILES = 4096
"""Open files below which a worker has too few: an account in flight takes some ten."""

_IN_TIME = 20.0  # seconds that the workers have for an answer


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker process says of itself; ``files`` is how many it may open, None for any number."""

    batchcart: str
    python: str
    distributed: str
    wall: float
    files: int | None


def look_around() -> WorkerState:
    """What there is to say of the process that this is called in."""
    return WorkerState(__version__, platform.python_version(), version("distributed"), WORLD.wall(), most_open_files())


async def check_cluster(scheduler: SchedulerAddress) -> list[Check]:
    """What there is to say of the scheduler and each of its workers."""
    about = f"cluster {scheduler}"
    try:
        client = await connect(scheduler)
    except UsageError as error:
        return [report_problem("cluster", str(error))]
    try:
        asked = WORLD.wall()
        async with asyncio.timeout(_IN_TIME):
            answers: Mapping[str, Any] = await client.run(look_around, on_error="return")
        here, answered = look_around(), WORLD.wall()
    except Exception as error:  # noqa: BLE001  # Dask's own errors are many
        return [report_problem("cluster", f"{about}: its workers did not answer ({error}); look at its log")]
    finally:
        await client.close()
    secured = "TLS with certificates on both sides" if scheduler.at.tls else "no TLS, on this machine only"
    findings = [report_ok("cluster", f"{scheduler} answers; {secured}")]
    if not answers:
        findings.append(report_problem("cluster", f"{scheduler} has no workers; start some: dask worker {scheduler} …"))
    for worker, found in sorted(answers.items()):
        findings += describe_worker(f"worker {worker}", found, here, answered - asked)
    return findings


def describe_worker(about: str, found: object, here: WorkerState, took: float) -> Iterator[Check]:
    """What there is to say of one worker, which was asked ``took`` seconds before the state of ``here`` was taken."""
    if not isinstance(found, WorkerState):
        yield report_problem(about, f"it cannot be a seat: {found}; install 'batchcart[cluster]' {__version__} there")
        return
    if found.batchcart != here.batchcart:
        yield report_problem(
            about, f"it has batchcart {found.batchcart}, and this machine {here.batchcart}; install the same on both"
        )
    minor = [text.rpartition(".")[0] for text in (found.python, here.python)]
    if minor[0] != minor[1] or found.distributed != here.distributed:
        yield report_problem(
            about,
            f"it has Python {found.python} with distributed {found.distributed}, and this machine {here.python} with "
            f"{here.distributed}; Dask wants the same on both",
        )
    else:
        yield report_ok(about, f"batchcart {found.batchcart}, Python {found.python}, distributed {found.distributed}")
    clock_skew = found.wall - here.wall
    if not -took - CLOCK_MAY_DIFFER <= clock_skew <= CLOCK_MAY_DIFFER:
        yield report_problem(
            about,
            f"its clock is {clock_skew:+.0f} s from this machine's, and certificates are judged by it; set both by NTP",
        )
    if found.files is not None and found.files < LEAST_FILES:
        yield report_problem(
            about,
            f"it may open {found.files:,} files, and each account at work takes some ten; raise it to {LEAST_FILES:,} "
            "or more (ulimit -Hn, or LimitNOFILE= of its unit)",
        )
