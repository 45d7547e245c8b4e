"""Owns a benchmark from its settings to its figures: it lets the ordinary engine run, and watches its requests."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import orjson

from batchcart import __version__
from batchcart.accounts.config import Account
from batchcart.bench.metrics import BenchFigures, RequestTrace, limit_use, service_times, span, times_from_plan
from batchcart.bench.target import BenchTarget
from batchcart.bench.workload import Mix, job_lines
from batchcart.journal.remaining import lines_not_ok
from batchcart.journal.result_line import Result, read_result
from batchcart.journal.summary import Summary
from batchcart.model.files import create_new
from batchcart.model.http import Reply, Request, Response, Sender
from batchcart.model.operation import OperationKind
from batchcart.model.outcome import Status
from batchcart.model.system import cpu_seconds, peak_mib
from batchcart.runs.deps import Deps, open_http_client
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.runner import run_job
from batchcart.runs.status import open_journal_readonly

Watched = Callable[[], AbstractAsyncContextManager[RunMonitor]]
"""Gives a watch for one run, which signals stop and which shows progress."""


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is run: a mix for so many carts."""

    mix: Mix
    carts: int
    product: str
    seed: int
    concurrency: int | None


class BenchReport(msgspec.Struct, frozen=True):
    """A benchmark's settings and figures; ``left`` are the carts that could not be deleted or may have been made."""

    version: str
    settings: dict[str, str | int | None]
    figures: BenchFigures
    deleted: int = 0
    left: int = 0
    stopped: str = ""


@dataclass(slots=True)
class Recorder:
    """Times all requests of a run; ``start`` is when its last account was ready for work."""

    tapes: dict[str, RequestTrace] = field(default_factory=dict)
    start: float = 0.0
    cpu: float = 0.0

    @asynccontextmanager
    async def open_client(self, account: Account) -> AsyncIterator[Sender]:
        """A client over HTTP, its requests timed."""
        async with open_http_client(account) as send:
            yield self._around(account, send)

    def _around(self, account: Account, send: Sender) -> Sender:
        tape = self.tapes[account.name] = RequestTrace(account.limits)
        self.start, self.cpu = time.monotonic(), cpu_seconds()

        async def send_timed(request: Request, leaving: Callable[[], None]) -> Reply:
            number = tape.begin(time.monotonic())
            reply = await send(request, leaving)
            tape.end(number, time.monotonic())
            if isinstance(reply, Response) and reply.status == 429:
                tape.throttled += 1
            return reply

        return send_timed


async def run_bench(settings: BenchSettings, place: BenchTarget, folder: Path, monitored: Watched) -> BenchReport:
    """Run the benchmark in ``folder``; carts of a real shop that its mix leaves there are deleted afterwards."""
    job, results = folder / "job.jsonl", folder / "results.jsonl"
    lines = job_lines(settings.mix, place.accounts, settings.carts, settings.product, settings.seed)
    with create_new(job) as file:
        file.writelines(orjson.dumps(line) + b"\n" for line in lines)
    recorder = Recorder()
    async with monitored() as monitor:
        options = RunOptions(str(job), results=results, config=place.config, concurrency=settings.concurrency)
        summary = await run_job(options, monitor, deps=Deps(open_client=recorder.open_client))
    figures = _figures(recorder, summary)
    deleted = left = 0
    if place.real:
        deleted, left = await _clean_up(results, place, folder, monitored)
    limits = next((", ".join(map(str, tape.limits)) for tape in recorder.tapes.values()), "") or "none"
    return BenchReport(
        __version__, {**_describe_settings(settings, place), "limits": limits}, figures, deleted, left, _stop(summary)
    )


def _stop(summary: Summary) -> str:
    """Why lines are left, "" where none are: a signal, or accounts that were closed."""
    if not summary.totals["not_attempted"]:
        return summary.stopped
    closed = (f"account {name!r}: {account.reason}" for name, account in summary.accounts.items() if account.reason)
    return summary.stopped or "; ".join(closed) or "lines are left"


def _figures(recorder: Recorder, summary: Summary) -> BenchFigures:
    tapes = list(recorder.tapes.values())
    began, ended = span(tapes)
    seconds = max(ended - began, 1e-9)
    operations = summary.lines - summary.totals["not_attempted"]
    requests = sum(len(tape.began) for tape in tapes)
    return BenchFigures(
        seconds=round(ended - began, 3),
        operations=operations,
        not_ok=operations - summary.totals["ok"],
        requests=requests,
        retries=summary.retries,
        throttled=sum(tape.throttled for tape in tapes),
        operations_per_second=round(operations / seconds, 1),
        requests_per_second=round(requests / seconds, 1),
        service_ms=service_times(tapes),
        from_plan_ms=times_from_plan(tapes, recorder.start),
        limit_use=limit_use(tapes),
        cpu_us=round((cpu_seconds() - recorder.cpu) / max(1, operations) * 1e6, 1),
        peak_mib=peak_mib(),
    )


def _describe_settings(settings: BenchSettings, place: BenchTarget) -> dict[str, str | int | None]:
    return {
        "place": f"account {place.accounts[0][0]}" if place.real else "sandbox",
        "platform": place.accounts[0][1],
        "accounts": len(place.accounts),
        "mix": str(settings.mix),
        "carts": settings.carts,
        "seed": settings.seed,
        "concurrency": settings.concurrency,
    }


async def _clean_up(results: Path, place: BenchTarget, folder: Path, monitored: Watched) -> tuple[int, int]:
    """Delete what the benchmark left in the shop: how many carts were deleted, and how many are or may be left."""
    carts, unknown = _find_left_behind(results)
    if not carts:
        return 0, unknown
    job, gone = folder / "cleanup.jsonl", folder / "cleanup.results.jsonl"
    lines = [{"op": "cart.delete", "account": cart.account, "cart_id": cart.cart_id} for cart in carts]
    with create_new(job) as file:
        file.writelines(orjson.dumps(line) + b"\n" for line in lines)
    async with monitored() as monitor:
        summary = await run_job(RunOptions(str(job), results=gone, config=place.config), monitor)
    deleted = summary.totals["ok"]
    return deleted, len(carts) - deleted + unknown


def _find_left_behind(results: Path) -> tuple[Sequence[Result], int]:
    """The carts that were made and not deleted, and how many more there may be."""
    made: dict[str, Result] = {}
    with results.open("rb") as file:
        for result in map(read_result, file):
            match result.op, result.status:
                case OperationKind.CART_CREATE, Status.OK:
                    made[result.cart or ""] = result
                case OperationKind.CART_DELETE, Status.OK:
                    made.pop(result.cart or "", None)
                case _:
                    pass
    with open_journal_readonly(results) as connection:
        doubtful = [line for line in lines_not_ok(connection) if line.in_doubt]
    return list(made.values()), sum(line.kind is OperationKind.CART_CREATE for line in doubtful)
