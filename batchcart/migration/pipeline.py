"""Owns the whole way of a migration, step by step in one folder; what a step does is the other modules' to know."""

import contextlib
import importlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from batchcart.accounts.config import AccountConfig
from batchcart.journal.changes import note_replacement
from batchcart.journal.schema import open_existing
from batchcart.journal.summary import STATUSES
from batchcart.migration.convert import ConvertOptions, ConvertResult, convert, write_map_template
from batchcart.migration.export import account_entry, check_export, count_export, export, stop_reasons
from batchcart.migration.folder import (
    MigrateOptions,
    State,
    StepResult,
    is_replaced,
    open_folder,
    save_state,
    step_name,
    was_sent,
)
from batchcart.migration.made_carts import count_under_way, read_made
from batchcart.migration.product_map import check_targets, read_map
from batchcart.migration.verify import VerifyOptions, verify
from batchcart.model.errors import UsageError
from batchcart.model.text import plural
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path
from batchcart.runs.runner import run_job
from batchcart.runs.status import lock_output
from batchcart.runs.work_folder import fingerprint, work_of


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that did not come to its end, and its exit code: 2 refused, 3 stopped.

    ``template`` says that the product map is to be filled in first.
    """

    code: int
    why: str
    template: bool = False


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """How a migration ended, with the steps that are done; ``broken`` is the one that is not."""

    options: MigrateOptions
    state: State
    broken: StepFailure | None = None

    @property
    def folder(self) -> Path:
        """Where all files are."""
        return self.options.folder

    @property
    def done(self) -> dict[str, StepResult]:
        """The steps that are done."""
        return self.state.done

    @property
    def exit_code(self) -> int:
        """0 all is as it should be, 1 something is not, 2 refused, 3 stopped before the end.

        What an earlier round could not do counts no more once a later one did it.
        """
        if self.broken:
            return self.broken.code
        last = [step_name(step, self.state.rounds) for step in ("convert", "run")]
        return max(self.done[name].code for name in ("export", *last, "verify") if name in self.done)


@dataclass(slots=True)
class MigrationContext:
    """A migration under way in its ``round``.

    ``monitoring`` gives the monitor of one step, ``say`` takes words about the progress.
    """

    options: MigrateOptions
    target: AccountConfig
    monitoring: Callable[[], AbstractAsyncContextManager[RunMonitor]]
    say: Callable[[str], None]
    state: State
    round: int = 1

    @property
    def results(self) -> list[Path]:
        """The results of all rounds so far."""
        return [results for _, results in self.options.list_rounds(self.round)]


MigrationStep = Callable[[MigrationContext], Awaitable[StepResult | StepFailure]]


async def migrate(
    options: MigrateOptions,
    monitoring: Callable[[], AbstractAsyncContextManager[RunMonitor]],
    say: Callable[[str], None],
) -> MigrationResult:
    """Export, convert, run and verify, or resume that; finished steps are not done again.

    Where the product map was corrected since, one more round makes what is not made yet: carts that were stopped, carts
    and lines that failed. Raises UsageError where accounts, map or folder are wrong, or another migration was begun in
    the folder.
    """
    source = account_entry(options.reader.config, options.source)
    target = account_entry(options.reader.config, options.target)
    if source.identity == target.identity:
        raise UsageError(f"--from {options.source} and --to {options.target} are one shop")
    check_export(options.exporting, source, "--ids")
    if options.product_map is not None or options.map.exists():
        _check_map(options.map, target)
    with open_folder(options, source, target) as state:
        context = MigrationContext(options, target, monitoring, say, state)
        failure = await _work(context)
        return MigrationResult(options, context.state, failure)


def _check_map(path: Path, target: AccountConfig) -> None:
    products = read_map(path)
    check_targets(products, target.adapter, target.currency)
    if all(row.empty for row in products.rows.values()):
        raise UsageError(
            f"{path}: no product has a target yet; fill in target_product, target_variant or target_options with what "
            f"{target.name} calls the product, then run the same command again"
        )


async def _work(context: MigrationContext) -> StepFailure | None:
    if (failure := await _do(context, "export", _export)) or context.state.done["export"].last:
        return failure
    if not context.options.map.exists():
        return _write_template(context)
    context.round = _choose_round(context)
    name = step_name("convert", context.round)
    if failure := await _do(context, name, _convert):
        return failure
    if not context.state.done[name].last and (failure := await _do(context, step_name("run", context.round), _run)):
        return failure
    if not context.results:
        return None
    if failure := await _do(context, "verify", _verify):
        return failure
    reports = importlib.import_module("batchcart.migration.owner_report")  # templates take longer than all the rest
    reports.write_owner_report(context.options, context.state)
    return None


def _choose_round(context: MigrationContext) -> int:
    """The round to work on: the last one, or a further one where that sent something and there may be more to do."""
    number = context.state.rounds
    name = step_name("convert", number)
    converted = context.state.done.get(name)
    if converted is None:
        return number
    if is_replaced(context.options.results(number)):  # a further round was being begun when its process died
        return number + 1
    if converted.product_map != fingerprint(context.options.map):
        context.say(f"the product map {context.options.map} changed: carts that are not made yet are made with it")
    elif not (context.options.retry_failed and (converted.last or step_name("run", number) in context.state.done)):
        return number
    if was_sent(context.options.results(number)):
        return number + 1
    left = {key: done for key, done in context.state.done.items() if key != name}
    context.state = structs.replace(context.state, done=left)
    return number


async def _do(context: MigrationContext, name: str, step: MigrationStep) -> StepFailure | None:
    """Do a step that is not done, and remember it."""
    done = context.state.done.get(name)
    if done is not None and _is_still_so(context, name, done):
        return None
    context.say(f"step {_ORDER.index(name.partition(' ')[0]) + 1} of {len(_ORDER)}: {name.partition(' ')[0]}")
    outcome = await step(context)
    if isinstance(outcome, StepFailure):
        return outcome
    done = structs.replace(outcome, file=_fingerprint_after(context, name), at=time.time())
    context.state = structs.replace(context.state, done={**context.state.done, name: done})
    save_state(context.options.folder, context.state)
    return None


def _is_still_so(context: MigrationContext, name: str, done: StepResult) -> bool:
    """Whether the step's file is what it was. A run may have been gone on with; what was made before it may not."""
    if done.file == _fingerprint_after(context, name):
        return True
    if name.partition(" ")[0] in {"run", "verify"}:
        return False
    raise UsageError(
        f"{_files_of(context, name)[0]} changed since {name} was done; restore the old one to resume, or begin in "
        "another --folder"
    )


def _files_of(context: MigrationContext, name: str) -> list[Path]:
    """The files that must be as they were for the step to be done still."""
    match name.partition(" ")[0]:
        case "export":
            return [context.options.carts]
        case "convert":
            return [context.options.job(context.round)]
        case "run":
            return [context.options.results(context.round)]
        case _:
            return [*context.results, context.options.map]


def _fingerprint_after(context: MigrationContext, name: str) -> str:
    return " ".join(fingerprint(path) for path in _files_of(context, name) if path.exists())


async def _export(context: MigrationContext) -> StepResult | StepFailure:
    options = context.options.exporting
    if options.output.exists() and not work_of(options.output).exists():
        exported = count_export(options.output)  # it was finished, and its process died before that was written down
    else:
        async with context.monitoring() as monitor:
            exported = await export(options, monitor)
    if exported.stopped:
        return StepFailure(3, exported.stopped)
    text = f"{plural(exported.carts, 'cart')} with {plural(exported.items, 'item')}"
    text += f", {exported.unread:,} could not be read" if exported.unread else ""
    text += f", {exported.bare:,} without their items" if exported.bare else ""
    text += f"; {exported.unsure}" if exported.unsure else ""
    return StepResult(exported.exit_code, text, last=not exported.carts)


def _write_template(context: MigrationContext) -> StepFailure:
    count = write_map_template(context.options.carts, context.options.map)
    products = plural(count, "product")
    return StepFailure(
        2,
        f"{context.options.map} now lists the {products} of these carts. Open it in a spreadsheet, fill in "
        f"target_product, target_variant or target_options with what {context.target.name} calls each product, and "
        "save it as CSV. Rows that stay empty leave their carts where they are",
        template=True,
    )


async def _convert(context: MigrationContext) -> StepResult | StepFailure:
    options = context.options
    if context.round > 1 and (failure := await _end_what_is_under_way(context, context.round - 1)):
        return failure
    map_then = fingerprint(options.map)
    plan = ConvertOptions(
        carts=options.carts,
        products=options.map,
        output=options.job(context.round),
        strict=options.strict,
        force=True,  # a job that is there was not begun, and may be of an older map
        allow_unused=options.allow_unused,
    )
    converted = convert(plan, context.target) if context.round == 1 else _convert_the_rest(context, plan)
    if converted.refused:
        return StepFailure(2, f"{converted.refused}; see {converted.report}")
    what = "cart" if context.round == 1 else "more cart"
    text = f"{plural(converted.converted, what)} in {plural(converted.lines, 'line')}, "
    text += plural(converted.lossy, "loses something", "lose something")
    text += f", {converted.stopped:,} cannot be converted" if converted.stopped else ""
    return StepResult(converted.exit_code, text, product_map=map_then, last=not converted.converted)


async def _end_what_is_under_way(context: MigrationContext, number: int) -> StepFailure | None:
    """Find out what became of writes that had left when the round's run stopped: only that run can."""
    results = context.options.results(number)
    if not journal_path(results).exists() or not count_under_way(results):
        return None
    async with context.monitoring() as monitor:
        await run_job(structs.replace(_run_options(context, number), under_way=True), monitor)
    left = count_under_way(results)
    return (
        StepFailure(3, f"{plural(left, 'line is', 'lines are')} still under way; {stop_reasons(monitor)}")
        if left
        else None
    )


def _convert_the_rest(context: MigrationContext, plan: ConvertOptions) -> ConvertResult:
    """Convert what the rounds before did not make. Their runs are closed, so that nobody makes it twice."""
    rounds = context.options.list_rounds(context.round - 1)
    with contextlib.ExitStack() as stack:
        for _, results in rounds:
            stack.enter_context(lock_output(results))
        converted = convert(replace(plan, made=stack.enter_context(read_made(rounds))), context.target)
        if converted.converted:  # the rounds before the last are replaced already, each by the one after it
            with contextlib.closing(open_existing(journal_path(rounds[-1][1]))) as connection:
                note_replacement(connection, str(plan.output), context.options.results(context.round).name)
        return converted


async def _run(context: MigrationContext) -> StepResult | StepFailure:
    async with context.monitoring() as monitor:
        summary = await run_job(_run_options(context, context.round), monitor)
    if summary.exit_code == 3:
        return StepFailure(3, summary.stopped or stop_reasons(monitor))
    found = [f"{summary.totals[status]:,} {status.replace('_', ' ')}" for status in STATUSES if summary.totals[status]]
    return StepResult(summary.exit_code, f"{plural(summary.lines, 'line')}: {', '.join(found)}")


def _run_options(context: MigrationContext, number: int) -> RunOptions:
    reader = context.options.reader
    return RunOptions(
        job=str(context.options.job(number)),
        results=context.options.results(number),
        config=reader.config,
        patience=reader.patience,
        stop_after=context.options.stop_after,
        concurrency=reader.concurrency,
    )


async def _verify(context: MigrationContext) -> StepResult | StepFailure:
    options = context.options
    first, *later = context.results
    async with context.monitoring() as monitor:
        verified = await verify(
            VerifyOptions(options.carts, first, options.map, options.parity, options.reader, tuple(later)), monitor
        )
    if verified.stopped:
        return StepFailure(3, verified.stopped)
    found = [f"{count:,} {status}" for status, count in sorted(verified.carts.items())]
    return StepResult(verified.exit_code, f"{plural(verified.carts.total(), 'cart')}: {', '.join(found)}")


_ORDER = ("export", "convert", "run", "verify")
