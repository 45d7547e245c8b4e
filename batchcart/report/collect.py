"""Owns bringing together what a report tells: result files, the journals beside them, the config's limits.

A journal or a config that is missing makes the report tell less, and say so.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import AccountConfig, find_config, load_config
from batchcart.accounts.config_table import ConfigSource
from batchcart.journal.schema import get_meta
from batchcart.journal.summary import STATUSES, AccountSummary, Summary, aggregate
from batchcart.journal.timeline import answered_at, earlier_endings, events
from batchcart.model.errors import UsageError
from batchcart.model.limits import Limit
from batchcart.platforms import load_adapters
from batchcart.report.aggregate import Aggregates, Counts, results_in
from batchcart.report.error_groups import ErrorGroup
from batchcart.report.joined import DoneAgain, find_done_again, leave_out
from batchcart.report.pauses import PauseStats
from batchcart.report.timeline import RunTimeline, read_timeline
from batchcart.runs.commands import RunCommands, find_commands
from batchcart.runs.paths import journal_path
from batchcart.runs.status import load_summary, lock_holder, open_journal_readonly


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run of a report; times in wall-clock seconds. ``pid`` is the process at work on it now.

    ``left`` are the figures without the lines that another run of the report does again, ``taken_up`` of them.
    ``commands`` lead on from it; ``notes`` are sentences about what the figures leave out. ``counts`` are of its
    results; ``again`` are the lines that another run does again.
    """

    results: Path
    summary: Summary
    left: Summary
    commands: RunCommands
    pid: int | None
    notes: tuple[str, ...]
    counts: Counts
    timeline: RunTimeline
    again: AbstractSet[int]

    @property
    def began(self) -> float | None:
        """When its first request was sent; None where nothing was."""
        return self.counts.began

    @property
    def last(self) -> float | None:
        """When its last answer came."""
        return self.counts.last

    @property
    def name(self) -> str:
        """The path of the results as text."""
        return _text(self.results)

    @property
    def taken_up(self) -> int:
        """How many of its lines another run of the report does again."""
        return self.summary.lines - self.left.lines


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of one or several runs; ``notes`` concern all of them."""

    runs: tuple[RunReport, ...]
    total: Summary
    figures: Aggregates
    pausing: PauseStats
    platforms: Mapping[str, str]
    entries: Mapping[str, AccountConfig]
    notes: tuple[str, ...]

    @property
    def limits(self) -> Mapping[str, tuple[Limit, ...]]:
        """The limits of the accounts that the config has."""
        return {name: entry.limits for name, entry in self.entries.items()}

    @property
    def exit_code(self) -> int:
        """The code the runs would end with now; of several, the greatest."""
        return max(run.left.exit_code for run in self.runs)

    def commands_for(self, reason: ErrorGroup) -> RunCommands:
        """The commands of the run that had these lines first."""
        return self.runs[reason.first[0].run].commands

    def span(self) -> tuple[float, float] | None:
        """The first request and the last ending of all runs; None where nothing was sent."""
        began = [run.began for run in self.runs if run.began is not None]
        return (min(began), max(run.last or 0.0 for run in self.runs)) if began else None


def collect(results: Sequence[Path], config: ConfigSource | None) -> Report:
    """The report of the runs that wrote these result files.

    Raises UsageError where a file is no result file, or a ``config`` that was given cannot be read.
    """
    figures, pausing, named = Aggregates(), PauseStats(), {}
    runs = []
    paths = list(dict.fromkeys(results))
    joined = find_done_again(paths) if len(paths) > 1 else {}
    for number, path in enumerate(paths):
        again = _done_again(path, joined)
        counts = _aggregate_file(figures, path, number, again.lines)
        named.update(counts.platforms)
        runs.append(_run(number, path, config, counts, figures, pausing, again))
    total = _together([run.left for run in runs])
    entries, notes = _entries(find_config(config, paths[0]), total.accounts, given=config is not None)
    return Report(tuple(runs), total, figures, pausing, named, entries, notes)


def _text(path: Path) -> str:
    """The path as text, also where its bytes are none."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _done_again(path: Path, joined: Mapping[str, DoneAgain]) -> DoneAgain:
    """What of this run another one does again."""
    if joined:
        with suppress(UsageError), open_journal_readonly(path) as connection:
            return joined.get(get_meta(connection, "run") or "", DoneAgain())
    return DoneAgain()


def _aggregate_file(figures: Aggregates, path: Path, number: int, again: AbstractSet[int]) -> Counts:
    if not path.exists():
        if journal_path(path).exists():
            return Counts()
        raise UsageError(f"{path} does not exist; give the result file of a run, as in job.results.jsonl")
    if not path.is_file():
        raise UsageError(f"{path} is not a file; give the result file of a run, as in job.results.jsonl")
    return figures.fold(results_in(path), number, again)


def _run(
    number: int,
    path: Path,
    config: ConfigSource | None,
    counts: Counts,
    figures: Aggregates,
    pausing: PauseStats,
    again: DoneAgain,
) -> RunReport:
    pid, name, notes = lock_holder(path), _text(path), []
    commands, timeline = (
        RunCommands(path, "", config if isinstance(config, Path) else None, journal=False),
        RunTimeline(),
    )
    try:
        with open_journal_readonly(path) as connection:
            summary = load_summary(connection, path)
            left = leave_out(summary, connection, again.lines)
            commands = structs.replace(find_commands(connection, path, config), later=tuple(again.later))
            pausing.take(events(connection))
            timeline = read_timeline(
                number,
                events(connection),
                lambda ended: counts.last if ended is None else answered_at(connection, ended),
                alive=pid is not None,
            )
            figures.fold_earlier(earlier_endings(connection), counts)
    except UsageError as error:
        unknown = {account: ("unknown", "") for account, _, _ in counts.by}
        left = summary = Summary(aggregate(counts.rows(), unknown), name)
        missing = f"it has no journal {name}.journal beside it" if not journal_path(path).exists() else str(error)
        notes.append(f"{name}: {missing}. So lines that were not attempted are not counted, and pauses are not known.")
    else:
        ended, read = summary.lines - summary.totals["not_attempted"], counts.by.total()
        if ended != read and not pid:
            notes.append(
                f"{name} holds {read:,} results, but {ended:,} lines have ended; times, reasons and doubts are of the "
                "results in the file. The same `batchcart run` fixes it."
            )
    if pid:
        notes.append(f"{name}: a run is at work on it now (pid {pid}); the figures are those of a moment ago.")
    if again.lines:
        notes.append(
            f"{name}: {len(again.lines):,} of its lines were done again by another of these runs, and count there."
        )
    return RunReport(path, summary, left, commands, pid, tuple(notes), counts, timeline, again.lines)


def _together(summaries: Sequence[Summary]) -> Summary:
    """The figures of all runs; an account is in the state of the last run that did not leave it done and says why."""
    names = dict.fromkeys(name for summary in summaries for name in summary.accounts)
    accounts = {}
    for name in names:
        parts = [summary.accounts[name] for summary in summaries if name in summary.accounts]
        undone = [one for one in reversed(parts) if one.state != "done"]
        told = next((one for one in undone if one.reason), (undone or parts)[0])
        counts = {status: sum(part.counts[status] for part in parts) for status in STATUSES}
        kinds: Counter[tuple[str, str]] = Counter()
        for part in parts:
            kinds.update(part.kinds)
        accounts[name] = AccountSummary(counts, kinds, told.state, told.reason)
    return Summary(accounts, ", ".join(summary.results for summary in summaries))


def _entries(
    path: ConfigSource | None, accounts: Mapping[str, object], *, given: bool
) -> tuple[dict[str, AccountConfig], tuple[str, ...]]:
    """The accounts that the config has, and what to say of the others."""
    try:
        entries = load_config(path, load_adapters())
    except UsageError as error:
        if given:
            raise
        return {}, (f"The limits are not shown, because the config cannot be read: {error}",)
    missing = [name for name in accounts if name not in entries]
    notes = [_without_limits(missing, str(path) if path else "")] if missing else []
    return {name: entries[name] for name in accounts if name in entries}, tuple(notes)


def _without_limits(names: Sequence[str], config: str) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    where = f"{config} does not have" if config else "there is no batchcart.toml here that would have"
    return f"The limits of {shown} are not shown: {where} {'it' if len(names) == 1 else 'them'}; see --config."


def operations(kinds: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, dict[str, int]]]:
    """Counts by status of each operation, sorted by its name."""
    for name in sorted({kind for kind, _ in kinds}):
        yield name, {status: kinds.get((name, status), 0) for status in STATUSES}
