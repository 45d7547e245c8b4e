"""Owns the command lines that lead on from a run, with its real file names; it runs none of them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from batchcart.accounts.config import find_config, load_config
from batchcart.accounts.config_table import ConfigSource
from batchcart.accounts.whereabouts import Part, describe_place
from batchcart.jobs.sheet_places import sheet_ending
from batchcart.journal.queries import accounts, states
from batchcart.journal.schema import Connection, get_meta
from batchcart.journal.seated import read_places
from batchcart.journal.summary import Summary
from batchcart.model.errors import UsageError
from batchcart.model.operation import OperationKind
from batchcart.model.remedy import ABOUT_CREDENTIALS, read_remedy
from batchcart.model.text import plural
from batchcart.platforms import load_adapters

_STDIN = "<stdin>"
_OUT_OF_ORDER = ("closed", "foreign", "unreachable")
_NAMED = 5  # accounts
_ENDINGS = (".gz", ".zst", ".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".xlsm")


class RunCommands(msgspec.Struct, frozen=True):
    """What can be typed about the run that wrote ``results``; ``job`` and ``config`` as the command line names them.

    Without its ``journal`` nothing is known of the run but its results, and nothing leads on from it.

    ``later`` are the results of runs that did lines of it again; ``places`` are the options that say where it works.
    ``keyless`` are the accounts whose shop makes the keys of new carts; ``table_written`` says that the table of
    ``todo`` is there already. ``to_correct_at`` says of accounts that closed where in the config what is wrong stands.
    """

    results: Path
    job: str
    config: Path | None = None
    later: tuple[Path, ...] = ()
    journal: bool = True
    places: tuple[str, ...] = ()
    keyless: frozenset[str] = frozenset()
    table_written: bool = False
    to_correct_at: Mapping[str, str] = msgspec.field(default_factory=dict)

    def is_unreadable(self, account: str, op: str) -> bool:
        """Whether no read of the shop can settle a doubt about this operation, as nobody knows the new cart's key."""
        return account in self.keyless and op == OperationKind.CART_CREATE

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

    def to_correct(self) -> str:
        """Write it as a job, or as a sheet where the job is one, named after the results."""
        return self.rest(f"{_stem(self)}.rest{_table_ending(self) or '.jsonl'}")

    def results_sheet(self, sheet: str) -> str:
        """The results as a sheet."""
        return _write_out("batchcart", "results", str(self.results), "--to", sheet)

    def todo(self) -> str:
        """Write what is in doubt as a table to be filled in."""
        return self.settle("--todo", self.table)

    def answers(self) -> str:
        """Take what was filled in."""
        return self.settle("--from", self.table)

    @property
    def table(self) -> str:
        """The table of what is in doubt."""
        return f"{_stem(self)}.doubts.csv"

    def undo(self) -> str:
        """Write the job that takes the run back."""
        return self._line("undo", str(self.results), "-o", f"{_stem(self)}.undo.jsonl")

    def doctor(self, accounts: Sequence[str]) -> str:
        """Look whether these accounts are in order; all of the config, if they are many."""
        return self._line("doctor", *(accounts if len(accounts) <= _NAMED else ()))

    def report(self, *options: str) -> str:
        """The report on the run."""
        return _write_out("batchcart", "report", str(self.results), *options)

    def csv(self, results: Sequence[str]) -> str:
        """Every line of these results as a table."""
        return _write_out("batchcart", "report", *results, "--csv", f"{_stem(self)}.lines.csv")

    def _line(self, *words: str) -> str:
        config = ("--config", str(self.config)) if self.config else ()
        return _write_out("batchcart", *words, *config)


class NextStep(msgspec.Struct, frozen=True):
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
    keyless = frozenset(one.name for one in accounts(connection) if _makes_keys(one.platform))
    if job == _STDIN:
        job = "-"
    with suppress(ValueError):
        job = str(Path(job).relative_to(Path.cwd()))
    found = RunCommands(results, job, file, places=places, keyless=keyless)
    return msgspec.structs.replace(
        found,
        table_written=Path(found.table).exists(),
        to_correct_at=_find_places(connection, config, job),
    )


def _find_places(connection: Connection, config: ConfigSource | None, job: str) -> dict[str, str]:
    """Where in the config stands what accounts closed for, as far as the config still has them as they were."""
    blamed = {name: part for name, (state, why) in states(connection).items() if (part := _find_blame(state, why))}
    if not blamed:
        return {}
    try:
        entries = load_config(find_config(config, job), load_adapters())
    except UsageError:
        return {}
    return {
        one.name: describe_place(entries[one.name], blamed[one.name], entries.config_name)
        for one in accounts(connection)
        if one.name in blamed
        and one.name in entries
        and entries[one.name].place == one.place
        and not entries[one.name].embedded
    }


def _find_blame(state: str, why: str) -> Part | None:
    if state == "closed":
        return "credentials" if read_remedy(why) in ABOUT_CREDENTIALS else None
    return "address" if state in _OUT_OF_ORDER else None


def _makes_keys(platform: str) -> bool:
    adapter = load_adapters().get(platform)
    return adapter is not None and not adapter.keys.client_chooses


def next_steps(summary: Summary, commands: RunCommands, *, final: bool = False) -> Iterator[NextStep]:
    """What is to be done after the run, in this order; ``final`` says that the shops would say no again."""
    if not commands.journal:
        return
    totals = summary.totals
    yield from _settling(summary, commands)
    yield from _trying_again(totals, commands, final=final)
    yield from _resuming(summary, commands)
    if (ending := _table_ending(commands)) and totals["not_attempted"] < sum(totals.values()):
        sheet = commands.results_sheet(f"{_stem(commands)}.keys{ending}")
        yield NextStep("For a sheet of the results, with the new keys by row", sheet)


def _settling(summary: Summary, commands: RunCommands) -> Iterator[NextStep]:
    """What to do about doubts; a cart whose key the shop makes cannot be read without it."""
    if not (doubts := summary.totals["in_doubt"]):
        return
    it, they = ("it", "it") if doubts == 1 else ("them", "they")
    state = f"{doubts:,} in doubt: nobody could say whether {they} happened"
    look_up, by_table = f"ook {it} up yourself, with a table to fill in", commands.todo()
    fill_in = f"{commands.table} is there; fill it in, then"
    if commands.table_written:
        by_table = commands.answers()
    if _unreadable(summary, commands) == doubts:
        yield NextStep(f"{state}. {fill_in if commands.table_written else f'L{look_up}'}", by_table)
    else:
        yield NextStep(f"{state}. Read the shops again", commands.settle())
        yield NextStep(f"Or {fill_in if commands.table_written else f'l{look_up}'}", by_table)


def _unreadable(summary: Summary, commands: RunCommands) -> int:
    """How many doubts no read of a shop can settle."""
    return sum(
        count
        for name, one in summary.accounts.items()
        for (op, status), count in one.kinds.items()
        if status == "in_doubt" and commands.is_unreadable(name, op)
    )


def _trying_again(totals: Mapping[str, int], commands: RunCommands, *, final: bool) -> Iterator[NextStep]:
    if not (bad := totals["failed"] + totals["skipped"]):
        return
    were, them = ("was", "it") if bad == 1 else ("were", "them")
    state = f"{plural(bad, 'line')} failed or {were} skipped"
    put = f"ut {them} into a job that you can correct and run"
    rest = commands.to_correct()
    again = commands.run("--retry-failed")
    if commands.later:  # --retry-failed would open those again as well that were done since
        yield NextStep(f"{state}. P{put}", rest)
    elif final:
        yield NextStep(f"{state}. P{put}", rest)
        yield NextStep(f"Or, once the shop would take {them} unchanged, try {them} again", again)
    else:
        first = "Once no line is in doubt, try" if totals["in_doubt"] and totals["skipped"] else "Try"
        yield NextStep(f"{state}. {first} {them} again", again)
        yield NextStep(f"Or p{put}", rest)


def _resuming(summary: Summary, commands: RunCommands) -> Iterator[NextStep]:
    if not (left := summary.totals["not_attempted"]):
        return
    state, again = f"{plural(left, 'line')} left", "the same command again to resume"
    names = [
        name for name, one in summary.accounts.items() if one.state in _OUT_OF_ORDER and one.counts["not_attempted"]
    ]
    if summary.chosen is not None:
        yield NextStep(f"{state}, as only some were chosen. Continue with all of them", commands.run())
    elif names:
        whose, are = (names[0], "it is") if len(names) == 1 else ("the accounts", "they are")
        places = "; ".join([commands.to_correct_at[name] for name in names if name in commands.to_correct_at][:_NAMED])
        correct = f"Correct what is said of {whose} above{f' ({places})' if places else ''}"
        yield NextStep(f"{state}. {correct}, and look whether all is well", commands.doctor(names))
        yield NextStep(f"When {are} in order again, run {again}", commands.run())
    else:
        yield NextStep(f"{state}. Run {again}", commands.run())


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
