"""Owns the functions that say where a run stands and why its lines are not ok; every run asks them at its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchcart.api.driving import Config, config_source
from batchcart.journal.summary import Summary
from batchcart.report.run_reasons import RunReasons, reasons_where_legible, summary_fields
from batchcart.runs.status import lock_holder, read_summary

__all__ = ["RunReasons", "RunStatus", "Summary", "reasons", "status", "summary_fields"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands: its figures, why lines are not ok if that is legible, the pid of who works on it, if any."""

    summary: Summary
    reasons: RunReasons | None
    pid: int | None

    @property
    def exit_code(self) -> int:
        """The exit code that the run would end with now."""
        return self.summary.exit_code

    def as_dict(self) -> dict[str, Any]:
        """What `status --json` prints."""
        return summary_fields(self.summary, self.reasons)


def status(results: str | Path, *, config: Config = None, most: int | None = None) -> RunStatus:
    """Where the run that writes ``results`` stands, also while it runs; of ``most`` lines it is looked why.

    Raises UsageError where no run wrote there.
    """
    path = Path(results)
    summary = read_summary(path)
    return RunStatus(summary, reasons(path, config=config, most=most), lock_holder(path))


def reasons(results: str | Path, *, config: Config = None, most: int | None = None) -> RunReasons | None:
    """Why lines of the run are not ok, of the first ``most`` of them; None where its journal cannot be read now."""
    return reasons_where_legible(Path(results), config_source(config), most=most)
