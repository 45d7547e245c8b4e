"""Owns the function that takes back what a run did; a module of its own, since a run needs none of what it imports."""

from collections.abc import Sequence
from pathlib import Path

from batchcart.api.driving import Config, Driver, config_source, drive_beside, drive_one
from batchcart.jobs.sheet_places import check_job_name
from batchcart.model.events import EventSink
from batchcart.runs.commands import RunCommands, default_results
from batchcart.undo import undo as undoing
from batchcart.undo.undo import UndoOptions, UndoResult

__all__ = ["RunCommands", "UndoResult", "default_results", "undo"]


def undo(
    results: str | Path,
    output: str | Path,
    *,
    accounts: Sequence[str] = (),
    force: bool = False,
    config: Config = None,
    on_event: EventSink | None = None,
    driver: Driver = drive_beside,
) -> UndoResult:
    """Write the job that takes back what a run did, or these accounts' part, and list what cannot be taken back.

    The shops are read, and nothing is written to them; ``force`` takes back what somebody changed since, too.

    Raises UsageError where there is no such run or somebody works on it, and Stopped where the shops could not all be
    read yet: the same call resumes.
    """
    check_job_name(Path(output))
    options = UndoOptions(Path(results), Path(output), config_source(config), force, tuple(accounts))
    return drive_one(driver, lambda monitor: undoing.undo(options, monitor), on_event)
