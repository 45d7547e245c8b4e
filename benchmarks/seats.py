"""Row: what hub and seats cost: one process, two seats of this machine, two workers of a Dask cluster."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import NamedTuple

import generate
from figures import Figure, Row, Table
from processes import CLIENT_CORE, Process, alive, pin
from workbench import Bench, Run

_DASK = [sys.executable, "-m"]
_AS_DEAR = 1.1  # what Dask's seats may cost, in times of those of this machine
_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """CPU of an operation in µs: of the hub, how much of that before the first request, and of all seats; the rate."""

    hub: float
    planning: float
    seats: float
    rate: float

    @property
    def whole(self) -> float:
        """What all processes take together."""
        return self.hub + self.seats


def measure(bench: Bench) -> Row:
    """All on one core beside the server's; of each way the least disturbed of some rounds, in turns."""
    accounts, lines = bench.size(10, 4), bench.size(40_000, 400)
    config = bench.config(accounts=accounts, concurrency=8)
    jobs = bench.job(generate.Job(lines // 4, accounts=accounts)), bench.job(generate.Job(lines, accounts=accounts))
    ways: dict[str, list[Cost]] = {"one process": [], "2 seats of this machine": []}
    with ExitStack() as stack:
        more = {"one process": [], "2 seats of this machine": ["--processes=2"]}
        workers: Sequence[int] = ()
        if find_spec("distributed"):
            address, workers = stack.enter_context(_cluster(bench.folder))
            ways["2 Dask workers"], more["2 Dask workers"] = [], [f"--cluster={address}"]
        for _ in range(bench.size(3, 1)):
            for way, costs in ways.items():
                costs.append(_cost(bench, jobs, config, more[way], workers if "Dask" in way else ()))
    best = {way: min(costs, key=lambda cost: cost.whole) for way, costs in ways.items()}
    rows = [[way, f"{hub:.0f} µs", f"{planning:.0f} µs", f"{seats:.0f} µs", f"{rate:,.0f}/s"]
            for way, (hub, planning, seats, rate) in best.items()]  # fmt: skip
    head = ["who sends", "CPU of the hub per operation", "check and plan in it", "CPU of the seats", "operations"]
    return Row("seats", "Hub and seats", list(_figures(best)), [Table("", head, rows)])


def _figures(best: dict[str, Cost]) -> Iterator[Figure]:
    local = best["2 seats of this machine"]
    detail = f"{local.planning:.0f} µs of it check and plan a line"
    yield Figure("CPU of the hub per operation", "<= 30 µs", local.hub, "µs", bound=30.0, greater=False, detail=detail)
    yield Figure("CPU of hub and 2 seats against one process", "", local.whole / best["one process"].whole, "times")
    if "2 Dask workers" in best:
        times = best["2 Dask workers"].whole / local.whole
        what = "CPU of hub and 2 Dask workers against 2 seats of this machine"
        yield Figure(what, f"<= {_AS_DEAR:g} times", times, "times", bound=_AS_DEAR, greater=False)


def _cost(bench: Bench, jobs: tuple[Path, Path], config: Path, more: Sequence[str], workers: Sequence[int]) -> Cost:
    """What the longer job takes more than the shorter one: starting up is no part of an operation."""
    (short, *small), (long, *large) = (_spend(bench, job, config, more, workers) for job in jobs)
    spent = ((most - least) / (long.lines - short.lines) * 1e6 for least, most in zip(small, large, strict=True))
    hub, planning, seats = spent
    return Cost(hub, planning, seats, long.rate)


def _spend(
    bench: Bench, job: Path, config: Path, more: Sequence[str], workers: Sequence[int]
) -> tuple[Run, float, float, float]:
    """The run, and the seconds of CPU that its hub took, those before its first request, and those of its seats."""
    before = sum(map(_cpu, workers))
    seen: list[tuple[float, float]] = []

    def look(process: Process) -> None:
        while alive(process.pid):
            seen.append((time.time(), _cpu(process.pid)))
            time.sleep(0.01)

    run = bench.run(job, config, more=more, meanwhile=look)
    hub = seen[-1][1]
    planning = max((spent for at, spent in seen if at <= run.began), default=0.0)
    return run, hub, planning, run.ended.cpu - hub if not workers else sum(map(_cpu, workers)) - before


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has taken, without its children."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The address of a scheduler of this machine, and the pids of its two workers, on the clients' core."""
    from distributed import Client  # noqa: PLC0415  # an extra

    file = folder / "scheduler.json"
    with ExitStack() as stack:

        def start(role: str, *words: str) -> int:
            command = [*_DASK, f"distributed.cli.dask_{role}", *words, "--no-dashboard", f"--scheduler-file={file}"]
            process = stack.enter_context(Popen(command, cwd=folder, stdout=DEVNULL, stderr=DEVNULL))
            stack.callback(process.kill)
            pin(process.pid, CLIENT_CORE)
            return process.pid

        start("scheduler", "--host=127.0.0.1", "--port=0")
        workers = [start("worker", "--host=127.0.0.1", "--nthreads=1", "--no-nanny") for _ in range(2)]
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(len(workers), timeout=60)
            address = client.scheduler.address
        yield address, workers
