"""Owns why the lines of one run are not ok, read from its journal, also while it runs; not how it is shown."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from batchcart.accounts.config_table import ConfigSource
from batchcart.journal.queries import texts_not_ok
from batchcart.journal.rows import decode_value
from batchcart.journal.summary import Summary
from batchcart.model.errors import UsageError
from batchcart.report.aggregate import ResultRow, add_reason
from batchcart.report.error_groups import ErrorGroup, ErrorGroups, ErrorKey, advice
from batchcart.runs.commands import RunCommands, find_commands, next_steps
from batchcart.runs.status import open_journal_readonly


@dataclass(frozen=True, slots=True)
class RunReasons:
    """The causes of a run's lines that are not ok, and the commands that lead on.

    ``looked_at`` is how many such lines were read where there may be more, else None.
    """

    groups: ErrorGroups
    commands: RunCommands
    looked_at: int | None = None

    def as_list(self) -> list[dict[str, Any]]:
        """What `run --json` and `status --json` have under ``reasons``."""
        return [
            {**reason_fields(cause, reason, self.commands), "lines": [place.line for place in reason.first]}
            for cause, reason in self.groups.roots()
        ]


def read_reasons(results: Path, config: ConfigSource | None = None, *, most: int | None = None) -> RunReasons:
    """The reasons of the run that wrote these results, of its first ``most`` lines that are not ok.

    Raises UsageError where its journal cannot be read.
    """
    groups = ErrorGroups()
    with open_journal_readonly(results) as connection:
        read = 0
        for text in islice(texts_not_ok(connection), most):
            add_reason(groups, decode_value(connection, "result", text, ResultRow), 0)
            read += 1
        return RunReasons(groups, find_commands(connection, results, config), read if read == most else None)


def reasons_where_legible(
    results: Path, config: ConfigSource | None = None, *, most: int | None = None
) -> RunReasons | None:
    """As ``read_reasons``, but None where a journal that cannot be read just now must not hide a run's figures."""
    with suppress(UsageError):
        return read_reasons(results, config, most=most)
    return None


def summary_fields(summary: Summary, reasons: RunReasons | None) -> dict[str, Any]:
    """What `--json` prints at the end of a run: its figures and, where they are known, the reasons and next steps."""
    if reasons is None:
        return summary.as_dict()
    final = reasons.groups.is_final()
    steps = [
        {"purpose": step.purpose, "command": step.command}
        for step in next_steps(summary, reasons.commands, final=final)
    ]
    return {**summary.as_dict(), "reasons": reasons.as_list(), "next": steps}


def reason_fields(cause: ErrorKey, reason: ErrorGroup, commands: RunCommands) -> Mapping[str, Any]:
    """A cause as documents for scripts have it."""
    return {
        "status": cause.status,
        "kind": cause.kind,
        "http_status": cause.http_status,
        "message": cause.message,
        "count": reason.count,
        "skipped_because": reason.skipped,
        "accounts": dict(reason.accounts),
        "what_to_do": advice(cause, commands, reason),
    }
