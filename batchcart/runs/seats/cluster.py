"""Owns seats on a Dask cluster: a task on each worker process that has none; it knows nothing of accounts.

Whoever can speak to a scheduler sees what tasks are given, so they are given where the hub listens and nothing else: a
seat shows the certificate that its worker has.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from batchcart.model.errors import Stopped, UsageError
from batchcart.model.system import allow_many_files
from batchcart.runs.event_loop import run_async
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress, TlsFiles, open_tls

_TICK = 2.0  # seconds between two looks at the workers
_IN_TIME = 10.0  # seconds that the scheduler has for an answer


def sit_on_worker(host: str, port: int, restart_patience: float) -> str:
    """Be a seat of the hub there, in a task of a Dask worker; why it ended early, "" if the hub said good-bye.

    A hub that is gone may be started again there within ``restart_patience`` seconds.
    """
    from distributed import get_worker  # noqa: PLC0415  # only workers have it

    from batchcart.runs.seats.remote_seat import sit_at  # noqa: PLC0415  # reading --cluster needs no engine

    worker = get_worker()
    shown = worker.security.get_tls_config_for_role("worker")
    files = None
    if worker.address.startswith("tls://"):
        files = TlsFiles(Path(shown["ca_file"]), Path(shown["cert"]), Path(shown["key"] or shown["cert"]))
    allow_many_files()
    try:
        run_async(sit_at(HubAddress(host, port, files), asyncio.Event(), restart_patience=restart_patience))
    except (Stopped, UsageError) as error:
        return str(error)
    return ""


async def connect(scheduler: SchedulerAddress) -> Any:
    """Dask's client, to be closed; raises UsageError where the extra is missing or no scheduler answers."""
    try:
        from distributed import Client, Security  # noqa: PLC0415  # an extra
    except ImportError:
        raise UsageError(f"{scheduler} needs an extra; install it with: pip install 'batchcart[cluster]'") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told as the run's own sentence
    shown: dict[str, str] = {}
    if files := scheduler.at.tls:
        open_tls(files, server=False)
        names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
        shown = dict(zip(names, map(str, (files.ca, files.certificate, files.key)), strict=True))
    security = Security(require_encryption=bool(shown), **shown)
    try:
        return await Client(
            str(scheduler), security=security, asynchronous=True, set_as_default=False, timeout=_IN_TIME
        )
    except Exception as error:  # noqa: BLE001  # comms, handshakes and protocols have errors of their own
        why = f"{error.__cause__ or error}".partition("\n")[0]
        raise UsageError(
            f"{scheduler}: no Dask scheduler can be reached there ({why}); is it of this --tls-ca?"
        ) from None


@dataclass(slots=True)
class ClusterSeats:
    """A seat on each worker, as long as they are kept; ``tell`` is given a sentence where one ends early."""

    scheduler: SchedulerAddress
    client: Any
    tell: Callable[[str], None]
    _tasks: dict[str, Any] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def own_host(self) -> str:
        """Where this machine is reached from the scheduler's network."""
        return str(urlsplit(self.client.scheduler_comm.comm.local_address).hostname)

    async def count(self) -> int:
        """How many worker processes there are."""
        return len(await self.client.nthreads())

    async def keep(self, host: str, port: int, restart_patience: float) -> None:
        """Give each worker that has none a seat of the hub there; ask a scheduler that is gone again and again.

        A seat whose hub is gone tries for ``restart_patience`` seconds whether it was started again there.
        """
        while True:
            try:
                if self.client.status == "closed":
                    self.client, self._tasks = await connect(self.scheduler), {}
                await asyncio.wait_for(self._tend(host, port, restart_patience), _IN_TIME)
            except Exception:  # noqa: BLE001  # whatever befalls Dask, the seats that live go on
                self._tell_once(f"the Dask scheduler {self.scheduler} does not answer; seats that live go on")
            await asyncio.sleep(_TICK)

    async def end(self) -> None:
        """Leave the workers to others."""
        await self.client.cancel(list(self._tasks.values()))
        await self.client.close()

    async def _tend(self, host: str, port: int, restart_patience: float) -> None:
        at_work = await self.client.processing()
        for lost in self._tasks.keys() - at_work:
            await self.client.cancel([self._tasks.pop(lost)])
        for worker, keys in at_work.items():
            if worker in self._tasks and self._tasks[worker].key in keys:
                continue
            await self._tell_end(worker)
            given = {"workers": [worker], "allow_other_workers": False, "retries": 0, "pure": False}
            self._tasks[worker] = self.client.submit(sit_on_worker, host, port, restart_patience, **given)

    async def _tell_end(self, worker: str) -> None:
        task = self._tasks.get(worker)
        if task is not None and task.status == "finished" and (why := await task):
            self._tell_once(f"the Dask worker {worker} is not a seat now: {why}")
        elif task is not None and task.status == "error":
            self._tell_once(f"the Dask worker {worker} cannot be a seat: {await task.exception()}")

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self.tell(sentence)


@asynccontextmanager
async def open_cluster(scheduler: SchedulerAddress, tell: Callable[[str], None]) -> AsyncIterator[ClusterSeats]:
    """The seats of a cluster, none yet; their tasks are cancelled at the end, so that the workers are free again.

    Raises UsageError where the extra is missing or no scheduler answers.
    """
    seats = ClusterSeats(scheduler, await connect(scheduler), tell)
    try:
        yield seats
    finally:
        with suppress(Exception):  # a scheduler that is gone needs no good-bye
            await asyncio.wait_for(seats.end(), _IN_TIME)
