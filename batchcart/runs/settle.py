"""Owns settling what is in doubt: by reading the shops again, or by the operator's word; it sends no write."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
from msgspec import structs

from batchcart.accounts.config import find_config, load_config
from batchcart.accounts.config_table import ConfigSource
from batchcart.engine.chain_feed import PlannedJob
from batchcart.engine.chain_state import chain_update
from batchcart.engine.clean_ending import clean_ending
from batchcart.engine.closing import close_for_fault
from batchcart.engine.executor import execute, restore_execution
from batchcart.engine.replay import RequestMismatch, replay
from batchcart.engine.scheduler import replay_chain
from batchcart.engine.session import AccountSession
from batchcart.jobs.opening import open_job
from batchcart.journal.changes import Settlement, settle, settled_event
from batchcart.journal.queries import (
    ChainUpdate,
    PlannedLine,
    doubt_fields,
    doubtful_lines,
    is_planned,
    last_line,
    load_history,
    result_of,
)
from batchcart.journal.result_file import repair_result_file
from batchcart.journal.result_line import encode_result, status_of
from batchcart.journal.schema import PUT_BACK, Connection, get_meta, open_existing
from batchcart.journal.summary import Summary
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.errors import UsageError, suggest
from batchcart.model.ids import LONGEST_ID, id_problem
from batchcart.model.outcome import ErrorKind, Failed, Status
from batchcart.platforms import load_adapters
from batchcart.runs.context import RunSettings, open_context, open_sessions
from batchcart.runs.deps import WORLD
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.paths import journal_path
from batchcart.runs.resume import check_same_accounts, check_same_job
from batchcart.runs.status import load_summary, lock_output, storage_errors


def settle_manually(results: Path, line: int, done: Mapping[str, str] | None) -> Summary:
    """End a line that is in doubt by the operator's word: ``done`` with its ids, or None: it did not happen."""
    with open_settling(results) as connection:
        settle(connection, [settlement_by_hand(connection, results, line, done)], WORLD.wall())
        repair_result_file(connection, results)
        return load_summary(connection, results)


def settlement_by_hand(
    connection: Connection, results: Path, line: int, done: Mapping[str, str] | None, *, in_table: bool = False
) -> Settlement:
    """What the operator's word makes of a line; raises UsageError if it is not in doubt, or an id lacks.

    ``in_table`` says that the word stands in a row of a table, where an id that lacks has its column.
    """
    planned = 0 < line <= last_line(connection) and is_planned(connection, line)
    ended = result_of(connection, line) if planned else None
    if ended is None or ended.status != Status.IN_DOUBT:
        open_or_not = "has not ended" if planned else "is not an operation of this run"
        is_now = f"is {ended.status}" if ended else open_or_not
        raise UsageError(f"{results}: line {line} {is_now}; only lines in doubt can be settled")
    fields = doubt_fields(connection, ended.text)
    if fields["platform"] not in load_adapters():
        raise UsageError(
            f"{results}: line {line} is of {fields['platform']!r}, which is not a known platform; {PUT_BACK}"
        )
    evidence = fields.pop("error")["message"]
    return (
        _mark_not_done(line, fields, evidence)
        if done is None
        else _mark_done(line, fields, done, _Asking(results, line, in_table))
    )


async def settle_from_shop(results: Path, config: ConfigSource | None, monitor: RunMonitor) -> Summary:
    """Read the shops again about every line in doubt, and end those that the shop's state decides."""
    entries = load_config(find_config(config, results), load_adapters())
    with open_settling(results) as connection, contextlib.ExitStack() as stack:
        source = stack.enter_context(open_job(_job_path(connection, results)))
        check_same_job(connection, source, journal_path(results))
        check_same_accounts(connection, entries)
        settings = RunSettings(patience=60.0)
        async with (
            open_context(connection, results, entries, settings, monitor, WORLD) as context,
            open_sessions(context) as sessions,
        ):
            account = get_meta(context.plan, "account") or None
            job = PlannedJob(get_meta(context.plan, "run") or "", source, context.plan, account, resumed=True)
            settled: list[Settlement] = []
            async with asyncio.TaskGroup() as group:
                for session in sessions.values():
                    group.create_task(_settle_account(job, session, context.journal, monitor, settled))
            if settled:
                context.emit(settled_event(settled, by_hand=False))
        if monitor.failure is not None:
            raise JournalFailed(str(monitor.failure))
        repair_result_file(connection, results)
        return load_summary(connection, results)


async def _settle_account(
    job: PlannedJob, session: AccountSession, journal: JournalWriter, monitor: RunMonitor, settled: list[Settlement]
) -> None:
    """Settle the account's lines that the shop's state decides, cart by cart; each cart is written once it is known.

    ``settled`` gets them, also where the account is stopped on the way.

    Not line by line: where a later line of a cart ended ok, an earlier one cannot be read back any longer.
    """
    chains: dict[int, list[PlannedLine]] = {}
    try:
        for planned in doubtful_lines(job.plan, session.number):
            chains.setdefault(planned.chain, []).append(planned)
        for lines in chains.values():
            found = await _settle_chain(job, session, lines)
            journal.record_settlements([one.row for one in found])
            settled += found
    except JournalFailed as failed:
        monitor.fail(failed)
    except RequestMismatch as mismatch:
        session.close("stopped", str(mismatch))
    except Exception as error:  # noqa: BLE001  # what one shop answers must not keep the others' lines in doubt
        close_for_fault(session, error, f"settling what is in doubt of account {session.account.name!r}")


async def _settle_chain(job: PlannedJob, session: AccountSession, lines: Sequence[PlannedLine]) -> list[Settlement]:
    """What became of those of a cart's lines, the last first, that the shop's state decides.

    What a later line of the cart brought was not brought by an earlier one as well; nor is it known what an earlier
    one brought while a later one is in doubt. Only lines can be read back to whose cart nothing was written since.
    """
    settled: list[Settlement] = []
    created_items: set[str | None] = set()
    for planned in lines:
        found = None if None in created_items else await _read_again(job, session, planned)
        if found and found.status is Status.OK and found.learnt.item_id in created_items:
            found = None
        if found:
            settled.append(found)
        if found is None or found.status is Status.OK:
            created_items.add(found.learnt.item_id if found else None)
    return settled


async def _read_again(job: PlannedJob, session: AccountSession, planned: PlannedLine) -> Settlement | None:
    operation = job.operation(planned, session.account)
    chain = replay_chain(job, session.account, session.number, planned.chain, before=planned.line)
    known, spec = chain.context(operation), session.account.adapter.operations[operation.kind]
    past = replay(load_history(job.plan, planned.line), spec, operation, known)
    if not any(step.request.writes for step in past.steps):
        return None
    ending = await execute(restore_execution(session, operation, known, past, read_only=True), session)
    if ending is None or status_of(ending.outcome) is Status.IN_DOUBT:
        return None
    if isinstance(ending.outcome, Failed):
        ending = structs.replace(
            ending, outcome=structs.replace(ending.outcome, message=f"settled: {ending.outcome.message}")
        )
    text = encode_result(operation, session.account.adapter.name, clean_ending(ending, session.auth.redactor))
    return Settlement(planned.line, status_of(ending.outcome), chain_update(operation, ending), text)


class _Asking(msgspec.Struct, frozen=True):
    """How to ask for an id that lacks of a line that is said to be done."""

    results: Path
    line: int
    in_table: bool

    def missing(self, thing: str, what: str, column: str, example: str) -> UsageError:
        """The error that asks for it."""
        created = f"line {self.line} created {thing}: give {what}"
        if self.in_table:
            return UsageError(f"{created} under {column}")
        return UsageError(f"{self.results}: {created.rstrip(',')}, as in --done {example}")


def _mark_done(line: int, fields: dict[str, Any], given: Mapping[str, str], asking: _Asking) -> Settlement:
    ids: dict[str, str] = {}
    adapter = load_adapters().find(fields["platform"])
    meanings = {"cart_id": "cart_id", adapter.keys.cart: "cart_id", "item_id": "item_id"}
    meanings |= {adapter.keys.item: "item_id"} if adapter.keys.item else {}
    for name, value in given.items():
        if name not in meanings:
            raise UsageError(f"--done {name}: {suggest(name, meanings)}")
        meaning = meanings[name]
        longest = adapter.keys.max_length if meaning == "cart_id" else LONGEST_ID
        if problem := id_problem(value, "a key", longest):
            raise UsageError(f"--done {name}: {problem}")
        ids[meaning] = value
    if fields["op"] == "cart.create" and not (ids.get("cart_id") or fields.get("cart_id")):
        key = f"its key, {adapter.name}'s {adapter.keys.cart},"
        raise asking.missing("a cart", key, "cart_id", f"{adapter.keys.cart}=KEY")
    # Where later lines can be about one item, its id is needed.
    if "item" in fields and not ids.get("item_id") and any(kind.targets_item for kind in adapter.operations):
        key = f"its id too, {adapter.name}'s {adapter.keys.item}," if adapter.keys.item else "its id too"
        raise asking.missing("an item", key, "item_id", "item_id=123")
    fields |= {"status": Status.OK.value, **given, **ids, "settled": "by hand"}
    learnt = ChainUpdate(fields.get("cart_id"), fields.get("item_id"), {"lines": None})
    return Settlement(line, Status.OK, learnt, orjson.dumps(fields))


def _mark_not_done(line: int, fields: dict[str, Any], evidence: str) -> Settlement:
    message = f"settled by hand: it did not happen. {evidence}"
    error = {"kind": ErrorKind.NETWORK.value, "message": message}
    fields |= {"status": Status.FAILED.value, "settled": "by hand", "error": error}
    return Settlement(line, Status.FAILED, ChainUpdate(facts={"lines": None}), orjson.dumps(fields))


@contextlib.contextmanager
def open_settling(results: Path) -> Iterator[Connection]:
    """The journal of a run that nobody works on, held for settling; raises UsageError if there is none."""
    path = journal_path(results)
    if not path.exists():
        raise UsageError(
            f"{results} has no journal {path}: it is not the result file of a run, or the journal was moved"
        )
    with storage_errors(results), lock_output(results), contextlib.closing(open_existing(path)) as connection:
        repair_result_file(connection, results)
        yield connection


def _job_path(connection: Connection, results: Path) -> str:
    path = get_meta(connection, "job") or ""
    if not Path(path).is_file():
        raise UsageError(
            f"{results}: reading the shop again needs the job, and {path} does not exist; put it back, or, "
            "if it never was a file, settle by hand: --line N --done KEY=VALUE, or --line N --not-done"
        )
    return path
