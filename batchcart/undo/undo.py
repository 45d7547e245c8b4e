"""Owns making the job that takes a run back, from its journal and what the shops hold now; it sends no write."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from batchcart.accounts.config import AccountConfig, Accounts, find_config, load_config
from batchcart.accounts.config_table import ConfigSource
from batchcart.jobs.checks import validate
from batchcart.jobs.job_file import LONGEST_LINE, InvalidLine, RawLine, parse_line
from batchcart.jobs.opening import open_job
from batchcart.journal.carts import READS, PlannedCart, carts, lines_of_cart
from batchcart.journal.changes import REPLACED_RESULTS
from batchcart.journal.queries import accounts, has_progress, pending_counts
from batchcart.journal.schema import Connection, DatabaseError, get_meta, open_existing
from batchcart.model.adapter import Adapter
from batchcart.model.errors import BatchcartError, UsageError, quote, suggest
from batchcart.model.fault import fault_sentence, unreadable
from batchcart.model.files import create_fresh
from batchcart.platforms import load_adapters
from batchcart.runs.cart_reader import lag_left
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path
from batchcart.runs.resume import check_same_accounts
from batchcart.runs.status import lock_output, storage_errors
from batchcart.runs.work_folder import finish, working_folder
from batchcart.undo.current_state import Answers, answers, question
from batchcart.undo.history import summarize
from batchcart.undo.journal_reader import RunReader
from batchcart.undo.model import CartEffects, Gone, Irreversible, KeptReason, Now, Revert, RevertPlan, Unread
from batchcart.undo.revert import keep_all, plan_revert

_JOB, _KEPT = "undo.jsonl", "kept.jsonl"


@dataclass(frozen=True, slots=True)
class UndoOptions:
    """What is to be taken back: the run's result file, and the job file to write; ``force`` takes changed carts too.

    With ``only`` it is what was done to these accounts.
    """

    results: Path
    job: Path
    config: ConfigSource | None = None
    force: bool = False
    only: tuple[str, ...] = ()

    @property
    def kept_path(self) -> Path:
        """Where what is kept is listed."""
        return Path(f"{self.job}.kept.jsonl")


@dataclass(slots=True)
class UndoTally:
    """What is taken back by account and operation, what is kept by reason, how much was gone already."""

    back: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    gone: int = 0


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What came of it: lines of the ``job`` by account and operation, what is kept by reason, what was gone already.

    ``unended`` lines of the run may still be run; ``embedded`` accounts had their shop for the length of the run only;
    ``without_job`` names the run's job where it was not there. ``replaced_by`` are the results of a run that did what
    was left of this one, and is not taken back with it.
    """

    job: Path
    kept_path: Path
    back: Counter[tuple[str, str]]
    kept: Counter[str]
    gone: int = 0
    unended: int = 0
    embedded: tuple[str, ...] = ()
    without_job: str = ""
    replaced_by: Path | None = None

    @property
    def exit_code(self) -> int:
        """Exit codes: 0 everything can be taken back, 1 something is kept."""
        return 1 if self.kept else 0


async def undo(options: UndoOptions, monitor: RunMonitor) -> UndoResult:
    """Write the job that takes back what the run did, and the list of what is kept.

    Raises UsageError where there is no such run or somebody works on it, and Stopped where the shops could not all be
    read yet: the same call resumes.
    """
    entries = load_config(find_config(options.config, options.results), load_adapters())
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(_open(options.results))
        used = _choose(connection, entries, options)
        job = get_meta(connection, "job") or ""
        _check_place(options, job)
        source = stack.enter_context(open_job(job)) if _is_there(job) else None
        run, account = get_meta(connection, "run") or "", get_meta(connection, "account") or None

        def read_run() -> RunReader:
            return RunReader(connection, run, source, account, monitor.checking)

        task = {"RESULTS": str(options.results.absolute())}
        if options.only:
            task["--account"] = ", ".join(options.only)
        folder = stack.enter_context(working_folder(options.job, task, may_exist=False))
        left = pending_counts(connection)
        unended = sum(left.get(entry.name, 0) for entry in used.values())
        undone = UndoTally()
        await asyncio.sleep(lag_left(options.results))  # a cart that a shop does not show yet would count as gone
        async with answers(_questions(read_run(), used), folder, options.config, monitor) as found:
            _write(read_run(), used, found, folder, undone, force=options.force)
        options.kept_path.unlink(missing_ok=True)  # an earlier undo's
        made = {_KEPT: options.kept_path} if undone.kept else {}
        finish(folder, made | ({_JOB: options.job} if undone.back else {}))
        return UndoResult(
            job=options.job,
            kept_path=options.kept_path,
            back=undone.back,
            kept=undone.kept,
            gone=undone.gone,
            unended=unended,
            embedded=tuple(entry.name for entry in used.values() if entry.embedded),
            without_job="" if source else job,
            replaced_by=_find_replacement(connection, options.results),
        )


def _choose(connection: Connection, entries: Accounts, options: UndoOptions) -> dict[int, AccountConfig]:
    """The accounts that are undone, by their numbers in the plan."""
    planned = {account.name: account.number for account in accounts(connection)}
    for name in options.only:
        if name not in planned:
            raise UsageError(f"--account: {quote(name)} is not in this run; {suggest(name, planned)}")
    chosen = options.only or planned
    check_same_accounts(connection, entries, chosen)
    return {planned[name]: entries[name] for name in planned if name in chosen}


@contextlib.contextmanager
def _open(results: Path) -> Iterator[Connection]:
    path = journal_path(results)
    if not path.exists():
        raise UsageError(
            f"{results} has no journal {path}, and without it nobody can say what the run found and what it made. "
            "Name the result file of a run, with its journal beside it"
        )
    with storage_errors(results), lock_output(results), contextlib.closing(open_existing(path)) as connection:
        if not has_progress(connection):
            raise UsageError(f"{results}: this run has sent nothing yet, so there is nothing to take back")
        yield connection


def _find_replacement(connection: Connection, results: Path) -> Path | None:
    """The results of the run that did what was left of this one, if it has begun."""
    name = get_meta(connection, REPLACED_RESULTS)
    later = results.parent / (name or "")
    return later if name and journal_path(later).exists() else None


def _is_there(job: str) -> bool:
    return Path(job).is_file()


def _check_place(options: UndoOptions, job: str) -> None:
    """Raises UsageError where the new job would take the place of the run's own files."""
    own = {options.results.absolute(), journal_path(options.results).absolute(), Path(job).absolute()}
    if options.job.absolute() in own:
        raise UsageError(f"{options.job} belongs to the run itself; choose another file with -o")


def _lefts(
    ran: RunReader, used: Mapping[int, AccountConfig]
) -> Iterator[tuple[AccountConfig, PlannedCart, CartEffects]]:
    """What the run left in each cart, in the order of the new job; the same in every call."""
    for cart in carts(ran.connection):
        if cart.account not in used:
            continue
        entry = used[cart.account]
        yield entry, cart, _summarize(ran, cart, entry)


def _summarize(ran: RunReader, cart: PlannedCart, entry: AccountConfig) -> CartEffects:
    """What the run left in the cart; one whose results we fail over is kept, line by line."""
    try:
        return summarize(ran.lines(cart, entry.name, entry.adapter), entry.adapter)
    except (BatchcartError, DatabaseError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # one cart's results must not end the undo of the others
        why = f"it cannot be taken back: {fault_sentence(error, 'reading what the run left in its cart')}"
        lines = [line for line in lines_of_cart(ran.connection, cart) if line.kind not in READS]
        return CartEffects(
            None, kept=tuple(Irreversible(one.planned.line, one.kind, KeptReason.UNREADABLE, why) for one in lines)
        )


def _questions(ran: RunReader, used: Mapping[int, AccountConfig]) -> Iterator[bytes]:
    for entry, _, left in _lefts(ran, used):
        if _is_asked(entry, left):
            yield question(entry.name, left)


def _is_asked(entry: AccountConfig, left: CartEffects) -> bool:
    """Whether the cart must be read; one whose key or item's id can be none, whoever gave it, cannot be."""
    if entry.embedded or entry.adapter.snapshot is None or not (left.made is not None or left.effects):
        return False
    return not _problems(question(entry.name, left), entry)


def _why_not_compared(entry: AccountConfig) -> str:
    return f"what {entry.adapter.name} holds now cannot be compared: its adapter does not say what its reads show"


def _problems(text: bytes, entry: AccountConfig) -> Sequence[str]:
    """What the check of a job would say against the line."""
    try:
        return validate(parse_line(RawLine(1, 0, text, len(text) > LONGEST_LINE), None), entry.adapter)
    except InvalidLine as error:
        return error.problems


def _write(
    ran: RunReader, used: Mapping[int, AccountConfig], found: Answers, folder: Path, undone: UndoTally, *, force: bool
) -> None:
    number = 0
    with create_fresh(folder / _JOB) as job, create_fresh(folder / _KEPT) as kept:
        for entry, _, left in _lefts(ran, used):
            now: Now = Unread("")  # what has effects and cannot be asked about cannot be written either
            asked = _is_asked(entry, left)
            if entry.embedded:
                now = Gone()
            elif (reader := entry.adapter.snapshot) is None:
                now = Unread(_why_not_compared(entry))
            elif asked:
                number += 1
                now = found.now(number, entry.name, reader)
            unasked = not (asked or entry.embedded) and entry.adapter.snapshot is not None
            taken = _plan(left, now, entry.adapter, force=force or unasked)
            undone.gone += taken.gone
            for back in taken.reverts:
                _put_back(job, kept, entry, left, back, undone)
            for one in taken.kept:
                _keep(kept, entry, left, one, undone)


def _plan(left: CartEffects, now: Now, adapter: Adapter, *, force: bool) -> RevertPlan:
    """What takes back what the run left; a cart over which we fail is kept."""
    try:
        return plan_revert(left, now, adapter, force=force)
    except Exception as error:  # noqa: BLE001  # one cart's answer must not end the undo of the others
        return keep_all(left, unreadable(error, "comparing it with what the run left"))


def job_line(back: Revert, account: str, cart_id: str | None) -> bytes:
    """A line of the new job."""
    line = {
        "op": back.kind.value,
        "account": account,
        "cart_id": cart_id,
        "item_id": back.item_id,
        "data": orjson.Fragment(back.data) if back.data else None,
        "id": f"undo of line {back.line}",
    }
    return orjson.dumps({key: value for key, value in line.items() if value is not None})


def _put_back(
    job: IO[bytes], kept: IO[bytes], entry: AccountConfig, left: CartEffects, back: Revert, undone: UndoTally
) -> None:
    """One line of the job; what the platform would not take is kept instead."""
    text = job_line(back, entry.name, left.cart_id)
    if problems := _problems(text, entry):
        why = f"it cannot be taken back: {'; '.join(problems)}"
        _keep(kept, entry, left, Irreversible(back.line, back.kind, KeptReason.IMPOSSIBLE, why, back.item_id), undone)
        return
    job.write(text + b"\n")
    undone.back[entry.name, back.kind.value] += 1


def _keep(kept: IO[bytes], entry: AccountConfig, left: CartEffects, one: Irreversible, undone: UndoTally) -> None:
    line = {
        "line": one.line,
        "account": entry.name,
        "platform": entry.adapter.name,
        "op": one.op.value,
        "cart_id": left.cart_id,
        "item_id": one.item_id,
        "kind": one.why.value,
        "message": one.message,
    }
    kept.write(orjson.dumps({key: value for key, value in line.items() if value is not None}) + b"\n")
    undone.kept[one.why.value] += 1
