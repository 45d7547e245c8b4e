"""Owns the functions about a run that was begun: its results as a table, what is settled or done again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchcart.api.driving import Config, Driver, config_source, drive_beside, drive_one
from batchcart.api.run_status import reasons, status
from batchcart.jobs.sheet_places import check_job_name
from batchcart.journal.summary import Summary
from batchcart.model.errors import UsageError
from batchcart.model.events import EventSink
from batchcart.runs import doubts
from batchcart.runs import rest as resting
from batchcart.runs.commands import RunCommands, default_results
from batchcart.runs.doubts import TableAnswers
from batchcart.runs.rest import RestResult
from batchcart.runs.results_table import write_results
from batchcart.runs.settle import settle_from_shop, settle_manually
from batchcart.runs.status import read_summary

__all__ = [
    "RestResult",
    "RunCommands",
    "SettleResult",
    "TableAnswers",
    "TableWritten",
    "default_results",
    "name_key_columns",
    "reasons",
    "rest",
    "results",
    "settle",
    "settle_todo",
    "status",
]


_PARITY = "parity.jsonl"


@dataclass(frozen=True, slots=True)
class TableWritten:
    """A table that was written: its rows, lines that have not ended, whether it has carts' old and new keys."""

    path: Path
    rows: int
    not_ended: int = 0
    of_keys: bool = False


@dataclass(frozen=True, slots=True)
class SettleResult:
    """What was settled: the run's figures now, how many lines were in doubt before, what came of a table if given."""

    summary: Summary
    before: int
    table: TableAnswers | None = None

    @property
    def after(self) -> int:
        """How many lines are in doubt still."""
        return self.summary.totals["in_doubt"]

    @property
    def exit_code(self) -> int:
        """The exit code that the run would end with now."""
        return self.summary.exit_code


def results(source: str | Path, to: str | Path, *, body: bool = True) -> TableWritten:
    """Write the results of a run as a table, .csv, .xlsx or .parquet by its name; ``body`` with what reads brought.

    ``source`` is a result file; of a migration's folder or parity report the table has the old and new keys of carts.

    Raises UsageError where it holds no results, or the table cannot be written.
    """
    from batchcart.migration.key_table import is_parity, write_keys  # noqa: PLC0415  # a run needs none of migration

    path, table = Path(source), Path(to)
    if path.is_dir():
        path /= _PARITY
        if not path.exists():
            raise UsageError(f"{path} does not exist; give a result file, or the folder of a finished migration")
    if is_parity(path):
        return TableWritten(table, write_keys(path, table), of_keys=True)
    found = write_results(path, table, body=body)
    return TableWritten(table, found.rows, found.not_ended)


def settle(  # noqa: PLR0913  # the options of `batchcart settle`
    results: str | Path,
    *,
    line: int | None = None,
    done: Mapping[str, str] | None = None,
    not_done: bool = False,
    answers: str | Path | None = None,
    config: Config = None,
    on_event: EventSink | None = None,
    driver: Driver = drive_beside,
) -> SettleResult:
    """Settle what is in doubt, by reading the shops again; nothing is written to a shop.

    Or by hand: ``line`` with the ids of what was made in ``done``, or with ``not_done``; or from a table that
    ``settle_todo`` wrote, in ``answers``.

    Raises UsageError where a line cannot be settled so, BadLines with every row of a table that cannot be used.
    """
    path, by_hand = Path(results), line is not None or done is not None or not_done
    if answers is not None and by_hand:
        raise UsageError("answers from a table and a line do not go together; use one of them")
    before = read_summary(path).totals["in_doubt"]
    table = None
    if answers is not None:
        table = doubts.settle_from_table(path, Path(answers))
    elif not by_hand:
        drive_one(driver, lambda monitor: settle_from_shop(path, config_source(config), monitor), on_event)
    elif line is None:
        raise UsageError("--done and --not-done go with --line N")
    elif (done is None) != not_done:
        raise UsageError("--line N goes with either --done KEY=VALUE or --not-done")
    else:
        settle_manually(path, line, done)
    return SettleResult(read_summary(path), before, table)


def settle_todo(results: str | Path, todo: str | Path) -> int:
    """Write what is in doubt as a CSV table to be filled in; how many lines. Raises UsageError if the file is there."""
    return doubts.write_todo(Path(results), Path(todo))


def name_key_columns(results: str | Path) -> list[str]:
    """Which of the shops' own words goes into which column of what ``settle_todo`` writes, in a sentence each."""
    return doubts.name_key_columns(Path(results))


def rest(
    results: str | Path, output: str | Path, *, later: Sequence[str | Path] = (), config: Config = None
) -> RestResult:
    """Write what did not end well in a run as a job, of lines or a sheet, to be corrected and run; nothing is sent.

    What the runs that wrote the ``later`` results did again is left out.

    Raises UsageError if the run is at work, its job is not there, or the new file is.
    """
    check_job_name(Path(output), (".csv", ".tsv", ".xlsx"))
    return resting.write_rest(Path(results), Path(output), config_source(config), [Path(file) for file in later])
