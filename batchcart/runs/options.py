"""Owns what a run may be asked to do, and refuses what nobody can mean; it does none of it."""

from pathlib import Path

import msgspec

from batchcart.accounts.config_table import ConfigSource
from batchcart.model.errors import UsageError
from batchcart.model.system import HAS_UNIX_SOCKETS, NOT_HERE
from batchcart.runs.choice import Choice
from batchcart.runs.commands import default_results
from batchcart.runs.seats.secured import HubAddress, SchedulerAddress

MOST_PROCESSES = 256
MOST_PATIENCE = 525_600.0
"""Minutes, a year: when a shop is given up is told as a date."""


class RunOptions(msgspec.Struct, frozen=True):
    """What a run is asked to do. ``patience`` is in minutes; ``concurrency`` overrides every account's own.

    ``append`` takes up the lines that were appended to the job since the run began; ``only``, ``limit``, ``sample`` and
    ``under_way`` choose which open lines are done now, as in Choice. ``stop_after`` lines in a row that do not end ok
    for the same reason stop their account; with 0 none do. At ``seats_at`` seats may
    come that others started; those of a ``cluster`` are started by Dask.
    """

    job: str
    job_name: str = ""
    results: Path | None = None
    config: ConfigSource | None = None
    account: str | None = None
    concurrency: int | None = None
    patience: float = 30.0
    stop_after: int = 25
    retry_failed: bool = False
    fresh: bool = False
    in_order: bool = False
    allow_unknown_fields: bool = False
    append: bool = False
    only: tuple[str, ...] = ()
    limit: int = 0
    sample: int = 0
    under_way: bool = False
    processes: int = 1
    seats_at: HubAddress | None = None
    cluster: SchedulerAddress | None = None
    log: Path | None = None
    metrics: Path | None = None

    @property
    def results_path(self) -> Path:
        """Where results go: as given, or the job's name with `.results.jsonl` in the current folder."""
        return default_results(self.job) if self.results is None else self.results

    def __post_init__(self) -> None:
        if self.concurrency is not None and not 1 <= self.concurrency <= 10_000:
            raise UsageError(f"concurrency is a whole number from 1 to 10000, not {self.concurrency}")
        if not 1 <= self.processes <= MOST_PROCESSES:
            raise UsageError(f"processes is a whole number from 1 to {MOST_PROCESSES}, not {self.processes}")
        if self.processes > 1 and not HAS_UNIX_SOCKETS:
            raise UsageError(f"--processes {self.processes}: several processes {NOT_HERE}; leave it out")
        for name in ("limit", "sample"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is a number of lines from 0 on, not {getattr(self, name)}")
        if self.stop_after < 0:
            raise UsageError(f"stop_after is a number of lines from 0 on, not {self.stop_after}")
        check_patience(self.patience)

    @property
    def has_guests(self) -> bool:
        """Whether seats come that this run does not start as processes of its own."""
        return self.seats_at is not None or self.cluster is not None

    @property
    def places(self) -> tuple[str, ...]:
        """The command line's words for where the run works, none if that is this process alone."""
        words = ["--processes", str(self.processes)] if self.processes > 1 else []
        words += ["--seats-at", str(self.seats_at)] if self.seats_at else []
        words += ["--cluster", str(self.cluster)] if self.cluster else []
        hub = self.seats_at or (self.cluster.at if self.cluster else None)
        if hub is not None and hub.tls is not None:
            files = {"--tls-ca": hub.tls.ca, "--tls-cert": hub.tls.certificate, "--tls-key": hub.tls.key}
            words += [word for option, file in files.items() for word in (option, str(file.absolute()))]
        return tuple(words)

    @property
    def choice(self) -> Choice:
        """Which lines are done now."""
        return Choice(self.only, self.limit, self.sample, self.under_way)


def check_patience(minutes: float) -> None:
    """Raises UsageError if no shop can be waited for so long."""
    if not 0 <= minutes <= MOST_PATIENCE:  # nan is not either
        raise UsageError(f"patience is a number of minutes from 0 to {MOST_PATIENCE:,.0f}, a year, not {minutes}")
