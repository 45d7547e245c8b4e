"""One run on two hosts whose seats a Dask cluster starts, when parts of it are killed, frozen and cut off.

On demand, where the extra is installed: pytest -m cluster tests/chaos/test_two_hosts_cluster.py
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cable import FAR, NEAR
from cli_harness import pids_below
from test_cluster import dask
from test_two_hosts import cut_for, freeze
from test_two_hosts import kill_hub as kill_hub_of
from two_hosts import TwoHosts, look_at, strike, two_hosts

pytestmark = [pytest.mark.cluster, pytest.mark.posix, pytest.mark.timeout(600)]
pytest.importorskip("distributed")

SCHEDULER = 8786


@dataclass
class Cluster:
    """A scheduler at the near host, and at both a nanny with a worker."""

    hosts: TwoHosts
    scheduler: subprocess.Popen[bytes]
    nannies: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_scheduler(self) -> None:
        self.scheduler = _start_scheduler(self.hosts)

    def start_nanny(self, where: int, address: str) -> None:
        folder = self.hosts.folder / f"dask-{address}"
        words = [f"tls://{NEAR}:{SCHEDULER}", f"--host={address}", "--nthreads=1", f"--local-directory={folder}"]
        self.nannies.append(self.hosts.start(where, "workers", *dask("worker", *words, tls=_files(self.hosts))))

    def start_nannies(self) -> None:
        self.start_nanny(self.hosts.net.near, NEAR)
        self.start_nanny(self.hosts.net.far, FAR)

    def worker(self, nanny: int) -> int:
        """The pid of a nanny's worker."""
        return max(pids_below(self.nannies[nanny].pid))


def _files(hosts: TwoHosts) -> tuple[str, ...]:
    return tuple(word.partition("=")[2] for word in hosts.tls)


def _start_scheduler(hosts: TwoHosts) -> subprocess.Popen[bytes]:
    words = (f"--host={NEAR}", f"--port={SCHEDULER}")
    return hosts.start(hosts.net.near, "scheduler", *dask("scheduler", *words, tls=_files(hosts)))


@contextmanager
def cluster(hosts: TwoHosts) -> Iterator[Cluster]:
    made = Cluster(hosts, _start_scheduler(hosts))
    try:
        made.start_nannies()
        hosts.until(lambda: hosts.said("scheduler").count("Register worker") == 2)
        yield made
    finally:
        for process in (*made.nannies, made.scheduler):
            for pid in pids_below(process.pid):
                strike(pid, signal.SIGKILL)
            process.kill()
            process.wait()


def kill_worker(of: Cluster) -> None:
    strike(of.worker(0), signal.SIGKILL)


def freeze_worker(of: Cluster) -> None:
    freeze(of.worker(0), 8)


def kill_nanny(of: Cluster) -> None:
    of.nannies[0].kill()
    of.nannies[0].wait()


def kill_scheduler(of: Cluster) -> None:
    of.scheduler.kill()
    of.scheduler.wait()
    time.sleep(4)
    of.start_scheduler()
    of.start_nannies()  # those that lost their scheduler end within half a minute


def freeze_scheduler(of: Cluster) -> None:
    freeze(of.scheduler.pid, 20)


def kill_hub(of: Cluster) -> None:
    kill_hub_of(of.hosts)


def cut_hub(of: Cluster) -> None:
    cut_for("hub", 8)(of.hosts)


def cut_cable(of: Cluster) -> None:
    cut_for("cable", 12)(of.hosts)


EVENTS: list[Callable[[Cluster], None]] = [
    kill_worker, freeze_worker, kill_nanny, kill_scheduler, freeze_scheduler, kill_hub, cut_cable, cut_hub,
]  # fmt: skip


@pytest.mark.parametrize("befall", EVENTS, ids=lambda event: event.__name__)
def test_nothing_happens_twice_or_is_lost_on_a_cluster(tmp_path: Path, befall: Callable[[Cluster], None]) -> None:
    with two_hosts(tmp_path, seed=EVENTS.index(befall), carts=270, limit="20/s") as hosts, cluster(hosts) as of:
        hosts.begin(f"--cluster=tls://{NEAR}:{SCHEDULER}", near=0, far=0)
        hosts.until(lambda: hosts.count() > 100, 240)
        befall(of)
        assert hosts.wait() in {0, 1}, hosts.said()
        assert "Traceback" not in hosts.said()
        assert look_at(hosts).faults == []
