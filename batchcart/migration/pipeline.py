"""Owns the whole way of a migration, step by step in one folder; what a step does is the other modules' to know."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from batchcart.accounts.config import AccountConfig
from batchcart.journal.summary import STATUSES
from batchcart.migration.convert import ConvertOptions, convert
from batchcart.migration.export import ExportOptions, account_entry, check_export, count_export, export, stop_reasons
from batchcart.migration.product_map import check_targets, read_map
from batchcart.migration.verify import VerifyOptions, verify
from batchcart.model.adapter import Filters
from batchcart.model.errors import UsageError
from batchcart.model.files import read_bounded, replace_atomically
from batchcart.model.json_text import UNDECODABLE
from batchcart.runs.cart_reader import Reader
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.runner import run_job
from batchcart.runs.status import lock_output, storage_errors
from batchcart.runs.work_folder import fingerprint, work_of

_STATE = "migration.json"
_LARGEST_STATE = 1 << 20


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """What to move from where to where. ``keys_from`` and ``filters`` are those of an export."""

    source: str
    target: str
    product_map: Path
    folder: Path
    keys_from: Path | None = None
    filters: Filters = field(default_factory=Filters)
    strict: bool = False
    allow_unused: bool = False
    reader: Reader = field(default_factory=Reader)
    stop_after: int = 25

    @property
    def carts(self) -> Path:
        """What was exported."""
        return self.folder / "carts.jsonl"

    @property
    def job(self) -> Path:
        """What is to be run."""
        return self.folder / "job.jsonl"

    @property
    def results(self) -> Path:
        """What became of it."""
        return self.folder / "results.jsonl"

    @property
    def exporting(self) -> ExportOptions:
        """The first step's options."""
        return ExportOptions(self.source, self.carts, self.keys_from, self.filters, self.reader)


class StepResult(msgspec.Struct, frozen=True):
    """A finished step: its exit code, what it did in words, the fingerprints of the files that it depends on.

    ``last`` says that it left nothing for a next step to do.
    """

    code: int
    text: str
    file: str = ""
    product_map: str = ""
    last: bool = False


class State(msgspec.Struct, frozen=True):
    """What a migration's folder remembers: what it is for, and the steps that are done."""

    task: dict[str, str]
    done: dict[str, StepResult] = {}


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that did not come to its end, and its exit code: 2 refused, 3 stopped."""

    code: int
    why: str


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """How a migration ended, with the steps that are done; ``broken`` is the one that is not."""

    folder: Path
    done: dict[str, StepResult]
    broken: StepFailure | None = None

    @property
    def exit_code(self) -> int:
        """0 all is as it should be, 1 something is not, 2 refused, 3 stopped before the end."""
        return self.broken.code if self.broken else max(done.code for done in self.done.values())


@dataclass(frozen=True, slots=True)
class MigrationContext:
    """A migration under way. ``watching`` gives a watch for one step, ``tell`` takes words about the progress."""

    options: MigrateOptions
    target: AccountConfig
    monitoring: Callable[[], AbstractAsyncContextManager[RunMonitor]]
    tell: Callable[[str], None]


async def migrate(
    options: MigrateOptions,
    monitoring: Callable[[], AbstractAsyncContextManager[RunMonitor]],
    tell: Callable[[str], None],
) -> MigrationResult:
    """Export, convert, run and verify, or go on with it; finished steps are not done again.

    Raises UsageError where accounts, map or folder are wrong, or another migration was begun in the folder.
    """
    source = account_entry(options.reader.config, options.source)
    target = account_entry(options.reader.config, options.target)
    if source.identity == target.identity:
        raise UsageError(f"--from {options.source} and --to {options.target} are one shop")
    check_export(options.exporting, source, "--ids")
    check_targets(read_map(options.product_map), target.adapter, target.currency)
    with _open_folder(options, source, target) as state:
        return await _work(MigrationContext(options, target, monitoring, tell), state)


async def _work(way: MigrationContext, state: State) -> MigrationResult:
    for number, (name, step) in enumerate(_STEPS.items(), 1):
        done = state.done.get(name)
        if done is None or not _is_still_so(way, name, done):
            way.tell(f"step {number} of {len(_STEPS)}: {name}")
            outcome = await step(way)
            if isinstance(outcome, StepFailure):
                return MigrationResult(way.options.folder, state.done, outcome)
            done = structs.replace(outcome, file=_fingerprint_after(way, name))
            state = structs.replace(state, done={**state.done, name: done})
            _save(way.options.folder, state)
        if done.last:
            break
    return MigrationResult(way.options.folder, state.done)


def _is_still_so(way: MigrationContext, name: str, done: StepResult) -> bool:
    """Whether the step's file is what it was. A run may have been gone on with; what was made before it may not."""
    if done.file == _fingerprint_after(way, name):
        return True
    if name in {"run", "verify"}:
        return False
    raise UsageError(
        f"{way.options.folder / _GUARDED[name]} changed since {name} was done; put the old one back to go on, or begin "
        "in another --folder"
    )


def _fingerprint_after(way: MigrationContext, name: str) -> str:
    path = way.options.folder / _GUARDED[name]
    return fingerprint(path) if path.exists() else ""


async def _export(way: MigrationContext) -> StepResult | StepFailure:
    options = way.options.exporting
    if options.output.exists() and not work_of(options.output).exists():
        exported = count_export(options.output)  # it was finished, and its process died before that was written down
    else:
        async with way.monitoring() as monitor:
            exported = await export(options, monitor)
    if exported.stopped:
        return StepFailure(3, exported.stopped)
    text = f"{exported.carts:,} carts with {exported.items:,} items"
    text += f", {exported.unread:,} could not be read" if exported.unread else ""
    text += f", {exported.bare:,} without their items" if exported.bare else ""
    text += f"; {exported.unsure}" if exported.unsure else ""
    return StepResult(exported.exit_code, text, last=not exported.carts)


async def _convert(way: MigrationContext) -> StepResult | StepFailure:
    options = way.options
    converted = convert(
        ConvertOptions(
            carts=options.carts,
            products=options.product_map,
            output=options.job,
            strict=options.strict,
            force=True,  # a job that is there was not begun, and may be of an older map
            allow_unused=options.allow_unused,
        ),
        way.target,
    )
    if converted.refused:
        return StepFailure(2, f"{converted.refused}; see {converted.report}")
    text = f"{converted.converted:,} carts in {converted.lines:,} lines, {converted.lossy:,} lose something"
    text += f", {converted.stopped:,} cannot be converted" if converted.stopped else ""
    map_then = fingerprint(options.product_map)
    return StepResult(converted.exit_code, text, product_map=map_then, last=not converted.converted)


async def _run(way: MigrationContext) -> StepResult | StepFailure:
    reader = way.options.reader
    options = RunOptions(
        job=str(way.options.job),
        results=way.options.results,
        config=reader.config,
        patience=reader.patience,
        stop_after=way.options.stop_after,
        concurrency=reader.concurrency,
    )
    async with way.monitoring() as monitor:
        summary = await run_job(options, monitor)
    if summary.exit_code == 3:
        return StepFailure(3, summary.stopped or stop_reasons(monitor))
    found = [f"{summary.totals[status]:,} {status.replace('_', ' ')}" for status in STATUSES if summary.totals[status]]
    return StepResult(summary.exit_code, f"{summary.lines:,} lines: {', '.join(found)}")


async def _verify(way: MigrationContext) -> StepResult | StepFailure:
    options = way.options
    parity = options.folder / "parity.jsonl"
    async with way.monitoring() as monitor:
        verified = await verify(
            VerifyOptions(options.carts, options.results, options.product_map, parity, options.reader), monitor
        )
    if verified.stopped:
        return StepFailure(3, verified.stopped)
    found = [f"{count:,} {status}" for status, count in sorted(verified.carts.items())]
    return StepResult(verified.exit_code, f"{verified.carts.total():,} carts: {', '.join(found)}")


_STEPS: dict[str, Callable[[MigrationContext], Awaitable[StepResult | StepFailure]]] = {
    "export": _export,
    "convert": _convert,
    "run": _run,
    "verify": _verify,
}
_GUARDED = {"export": "carts.jsonl", "convert": "job.jsonl", "run": "results.jsonl", "verify": "results.jsonl"}


@contextlib.contextmanager
def _open_folder(options: MigrateOptions, source: AccountConfig, target: AccountConfig) -> Iterator[State]:
    """The folder's state, held against others; raises UsageError where it is another migration's."""
    folder = options.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--folder {folder} cannot be made: {error.strerror}") from None
    with storage_errors(folder / _STATE), lock_output(folder / _STATE, "migration"):
        begun = State(_task(options, source, target))
        if (folder / _STATE).exists():
            yield _check_state(options, begun)
            return
        if options.carts.exists() or options.job.exists() or options.results.exists():
            raise UsageError(f"{folder} holds other work, and no migration was begun there; choose another --folder")
        _save(folder, begun)
        yield begun


def _task(options: MigrateOptions, source: AccountConfig, target: AccountConfig) -> dict[str, str]:
    accounts = {"--from": f"{source.name} {source.identity}", "--to": f"{target.name} {target.identity}"}
    filters = {f"--{name.replace('_', '-')}": value for name, value in asdict(options.filters).items() if value}
    return accounts | filters | ({"--ids": fingerprint(options.keys_from)} if options.keys_from else {})


def _check_state(options: MigrateOptions, begun: State) -> State:
    try:
        state = msgspec.json.decode(read_bounded(options.folder / _STATE, _LARGEST_STATE), type=State)
    except UNDECODABLE as error:
        raise UsageError(
            f"{options.folder / _STATE} cannot be read: {error}. Its carts may be made already: go on with the steps "
            "one by one (`batchcart run`, `batchcart verify`) in that folder, or put back a copy of the file"
        ) from None
    changed = [key for key in sorted({*state.task, *begun.task}) if state.task.get(key) != begun.task.get(key)]
    converted = state.done.get("convert")
    if converted is not None and converted.product_map != fingerprint(options.product_map):
        changed.append("--map (the product map changed)")
    if changed:
        raise UsageError(
            f"{options.folder} was begun with another {' and another '.join(changed)}; repeat the old command to go "
            "on, or begin in another --folder"
        )
    return state


def _save(folder: Path, state: State) -> None:
    replace_atomically(folder / _STATE, msgspec.json.format(msgspec.json.encode(state)))
