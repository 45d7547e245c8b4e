"""Owns what a migration's folder holds: its files by round, and what it remembers; it makes no step.

A round is a job with its run. A second one makes what the first could not, with a corrected product map.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from batchcart.accounts.config import AccountConfig
from batchcart.journal.changes import REPLACED
from batchcart.journal.queries import has_progress
from batchcart.journal.schema import get_meta
from batchcart.migration.export import ExportOptions
from batchcart.model.adapter import Filters
from batchcart.model.errors import UsageError
from batchcart.model.files import read_bounded, replace_atomically
from batchcart.model.json_text import UNDECODABLE
from batchcart.runs.cart_reader import Reader
from batchcart.runs.paths import journal_path
from batchcart.runs.status import lock_output, open_journal_readonly, storage_errors
from batchcart.runs.work_folder import fingerprint

_STATE = "migration.json"
_LARGEST_STATE = 1 << 20


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """What to move from where to where. ``keys_from`` and ``filters`` are those of an export.

    ``retry_failed`` makes what failed once more. Without a ``product_map`` it is the folder's own, whose template the
    migration writes.
    """

    source: str
    target: str
    product_map: Path | None
    folder: Path
    keys_from: Path | None = None
    filters: Filters = field(default_factory=Filters)
    strict: bool = False
    allow_unused: bool = False
    retry_failed: bool = False
    reader: Reader = field(default_factory=Reader)
    stop_after: int = 25

    @property
    def carts(self) -> Path:
        """What was exported."""
        return self.folder / "carts.jsonl"

    @property
    def map(self) -> Path:
        """The product map."""
        return self.product_map or self.folder / "products.csv"

    @property
    def parity(self) -> Path:
        """Each new cart beside its source."""
        return self.folder / "parity.jsonl"

    def job(self, number: int) -> Path:
        """What is to be run in a round."""
        return self.folder / ("job.jsonl" if number == 1 else f"job.{number}.jsonl")

    def results(self, number: int) -> Path:
        """What became of a round's job."""
        return self.folder / ("results.jsonl" if number == 1 else f"results.{number}.jsonl")

    def list_rounds(self, rounds: int) -> list[tuple[Path, Path]]:
        """The jobs and results of the rounds up to this one, as far as they were begun."""
        every = [(self.job(number), self.results(number)) for number in range(1, rounds + 1)]
        return [(job, results) for job, results in every if journal_path(results).exists()]

    @property
    def exporting(self) -> ExportOptions:
        """The first step's options."""
        return ExportOptions(self.source, self.carts, self.keys_from, self.filters, self.reader)


class StepResult(msgspec.Struct, frozen=True):
    """A finished step: its exit code, what it did in words, the fingerprints of the files that it depends on.

    ``last`` says that it left nothing for a next step to do; ``at`` is when it was done, in wall-clock seconds.
    """

    code: int
    text: str
    file: str = ""
    product_map: str = ""
    last: bool = False
    at: float = 0.0


class State(msgspec.Struct, frozen=True):
    """What a migration's folder remembers: what it is for, and the steps that are done."""

    task: dict[str, str]
    done: dict[str, StepResult] = {}

    @property
    def rounds(self) -> int:
        """How many rounds were begun; at least one."""
        return max(1, sum(name.partition(" ")[0] == "convert" for name in self.done))


def step_name(step: str, number: int) -> str:
    """What a step of a round is called."""
    return step if number == 1 else f"{step} {number}"


def is_replaced(results: Path) -> bool:
    """Whether a later round took over what was left of the run that writes these results."""
    if not journal_path(results).exists():
        return False
    with open_journal_readonly(results) as connection:
        return get_meta(connection, REPLACED) is not None


def was_sent(results: Path) -> bool:
    """Whether the run that writes these results has sent anything yet."""
    if not journal_path(results).exists():
        return False
    with open_journal_readonly(results) as connection:
        return has_progress(connection)


@contextlib.contextmanager
def open_folder(options: MigrateOptions, source: AccountConfig, target: AccountConfig) -> Iterator[State]:
    """The folder's state, held against others; raises UsageError where it is another migration's."""
    folder = options.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {folder} cannot be created: {error.strerror}") from None
    with storage_errors(folder / _STATE), lock_output(folder / _STATE, "migration"):
        fresh = State(_task(options, source, target))
        if (folder / _STATE).exists():
            yield _check_state(options, fresh)
            return
        if any(path.exists() for path in (options.carts, options.job(1), options.results(1))):
            raise UsageError(f"{folder} holds other work, and no migration was begun there; choose another --folder")
        save_state(folder, fresh)
        yield fresh


def _task(options: MigrateOptions, source: AccountConfig, target: AccountConfig) -> dict[str, str]:
    accounts = {"--from": f"{source.name} {source.identity}", "--to": f"{target.name} {target.identity}"}
    filters = {f"--{name.replace('_', '-')}": value for name, value in structs.asdict(options.filters).items() if value}
    return accounts | filters | ({"--ids": fingerprint(options.keys_from)} if options.keys_from else {})


def _check_state(options: MigrateOptions, fresh: State) -> State:
    try:
        state = msgspec.json.decode(read_bounded(options.folder / _STATE, _LARGEST_STATE), type=State)
    except UNDECODABLE as error:
        raise UsageError(
            f"{options.folder / _STATE} cannot be read: {error}. Its carts may exist already: continue with the steps "
            "one by one (`batchcart run`, `batchcart verify`) in that folder, or restore a copy of the file"
        ) from None
    changed = [key for key in sorted({*state.task, *fresh.task}) if state.task.get(key) != fresh.task.get(key)]
    if changed:
        raise UsageError(
            f"{options.folder} was started with another {' and another '.join(changed)}; repeat the old command to go "
            "on, or begin in another --folder"
        )
    return state


def save_state(folder: Path, state: State) -> None:
    """Remember it, in one step."""
    replace_atomically(folder / _STATE, msgspec.json.format(msgspec.json.encode(state)))
