"""Owns the command lines that lead on from a run, with its real file names; it runs none of them."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchcart.accounts.config_table import ConfigSource
from batchcart.jobs.sheet_places import sheet_ending
from batchcart.journal.schema import Connection, get_meta
from batchcart.journal.seated import read_places
from batchcart.journal.summary import Summary
from batchcart.model.text import plural

_STDIN = "<stdin>"
_ENDINGS = (".gz", ".zst", ".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".xlsm")


@dataclass(frozen=True, slots=True)
class RunCommands:
    """What can be typed about the run that wrote ``results``; ``job`` and ``config`` as the command line names them.

    Without its ``journal`` nothing is known of the run but its results, and nothing leads on from it.

    ``later`` are the results of runs that did lines of it again; ``places`` are the options that say where it works.
    """

    results: Path
    job: str
    config: Path | None = None
    later: tuple[Path, ...] = ()
    journal: bool = True
    places: tuple[str, ...] = ()

    def run(self, *options: str) -> str:
        """The same run once more."""
        own = default_results(self.job) == self.results
        return self._line("run", self.job, *(() if own else ("-o", str(self.results))), *self.places, *options)

    def check(self) -> str:
        """Look the job over."""
        return self._line("check", self.job)

    def settle(self, *options: str) -> str:
        """Settle what is in doubt."""
        return self._line("settle", str(self.results), *options)

    def rest(self, job: str) -> str:
        """Write what did not end well as a job."""
        return _write_out("batchcart", "rest", str(self.results), *map(str, self.later), "-o", job)

    def results_sheet(self, sheet: str) -> str:
        """The results as a sheet."""
        return _write_out("batchcart", "results", str(self.results), "--to", sheet)

    def todo(self) -> str:
        """Write what is in doubt as a table to be filled in."""
        return self.settle("--todo", f"{_stem(self)}.doubts.csv")

    def answers(self) -> str:
        """Take what was filled in."""
        return self.settle("--from", f"{_stem(self)}.doubts.csv")

    def undo(self) -> str:
        """Write the job that takes the run back."""
        return self._line("undo", str(self.results), "-o", f"{_stem(self)}.undo.jsonl")

    def report(self, *options: str) -> str:
        """The report on the run."""
        return _write_out("batchcart", "report", str(self.results), *options)

    def csv(self, results: Sequence[str]) -> str:
        """Every line of these results as a table."""
        return _write_out("batchcart", "report", *results, "--csv", f"{_stem(self)}.lines.csv")

    def _line(self, *words: str) -> str:
        config = ("--config", str(self.config)) if self.config else ()
        return _write_out("batchcart", *words, *config)


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command to copy, and what it is for."""

    purpose: str
    command: str


def default_results(job: str) -> Path:
    """Where results go if nobody says: the job's name with `.results.jsonl`, in the current folder."""
    name = "stdin" if job == "-" else Path(job).name
    for ending in _ENDINGS:
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return Path(f"{name}.results.jsonl")


def find_commands(connection: Connection, results: Path, config: ConfigSource | None = None) -> RunCommands:
    """The commands about the run of this journal; its job is named from the current folder."""
    job, file = get_meta(connection, "job") or "", config if isinstance(config, Path) else None
    places = read_places(connection)
    if job == _STDIN:
        return RunCommands(results, "-", file, places=places)
    with suppress(ValueError):
        job = str(Path(job).relative_to(Path.cwd()))
    return RunCommands(results, job, file, places=places)


def next_steps(summary: Summary, commands: RunCommands) -> Iterator[NextStep]:
    """What is to be done after the run, in this order."""
    if not commands.journal:
        return
    totals = summary.totals
    if doubts := totals["in_doubt"]:
        purpose = f"nobody could say whether {'it' if doubts == 1 else 'they'} happened. Read the shops again"
        yield NextStep(f"{doubts:,} in doubt: {purpose}", commands.settle())
        if doubts > 1:
            yield NextStep("Or look them up yourself, with a table to fill in", commands.todo())
    if bad := totals["failed"] + totals["skipped"]:
        were, them = ("was", "it") if bad == 1 else ("were", "them")
        state = f"{plural(bad, 'line')} failed or {were} skipped"
        to_correct = f"put {them} into a job that you can correct and run"
        rest = commands.rest(f"{_stem(commands)}.rest{_table_ending(commands) or '.jsonl'}")
        if commands.later:  # --retry-failed would open those again as well that were done since
            yield NextStep(f"{state}. {to_correct.capitalize()}", rest)
        else:
            yield NextStep(f"{state}. Try {them} again", commands.run("--retry-failed"))
            yield NextStep(f"Or {to_correct}", rest)
    if left := totals["not_attempted"]:
        if summary.chosen is not None:
            yield NextStep(
                f"{plural(left, 'line')} left, as only some were chosen. Continue with all of them", commands.run()
            )
        else:
            yield NextStep(f"{plural(left, 'line')} left. Run the same command again to resume", commands.run())
    if (ending := _table_ending(commands)) and left < sum(totals.values()):
        sheet = commands.results_sheet(f"{_stem(commands)}.keys{ending}")
        yield NextStep("For a sheet of the results, with the new keys by row", sheet)


def _table_ending(commands: RunCommands) -> str:
    """How a sheet that goes back to the job's author ends; "" where the job is none."""
    match sheet_ending(commands.job):
        case "":
            return ""
        case ".csv" | ".tsv":
            return ".csv"
        case _:
            return ".xlsx"


def _stem(commands: RunCommands) -> str:
    """The name that results and the job of what is left have in common."""
    return commands.results.name.removesuffix(".jsonl").removesuffix(".results")


def _write_out(*words: str) -> str:
    """The words as a shell takes them; a file name may hold bytes that are no text."""
    return shlex.join(words).encode("utf-8", "backslashreplace").decode()
