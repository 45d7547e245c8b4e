"""Owns the order of work: accounts side by side, carts side by side, a cart's lines one by one."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec.structs import replace

from batchcart.engine.beside import LARGE, beside
from batchcart.engine.chain_state import Chain, learnt_from
from batchcart.engine.executor import execute, started
from batchcart.engine.pause_monitor import seen
from batchcart.engine.session import Lane
from batchcart.engine.shown_ending import shown_ending
from batchcart.engine.transitions import Execution
from batchcart.jobs.checks import chosen_key
from batchcart.jobs.job_file import JobSource, RawLine, strict_operation
from batchcart.journal.queries import OpenChain, PlannedLine, ended_lines, open_chains, open_lines, past_of
from batchcart.journal.result_line import Ending, result_text, status_of
from batchcart.journal.schema import Connection
from batchcart.journal.writer import JournalFailed
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Skipped, Status

_BUSY_TURN, _LONGEST_OPENING = 0.01, 0.1
"""Seconds: a turn of a loop that is busy all the time, and how long the next account waits for it at the most."""

_UNTRIED = 8
"""Carts that are worked on side by side before an account's shop has answered for the first time."""

_LEAST_PAGE, _PAGES = 16, 4096
"""Lines of the plan that are read at a time: of one account, and of all of them together."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is worked off: the job's text, its plan, and the run's own name."""

    run: str
    source: JobSource
    plan: Connection
    default_account: str | None
    resumed: bool

    def operation(self, planned: PlannedLine, lane: Lane) -> Operation:
        """The planned line, read again; raises JournalFailed where the job's text is not what was planned."""
        raw = RawLine(planned.line, planned.offset, self.source.read(planned.offset, planned.length))
        if planned.digest not in {None, raw.digest}:
            raise JournalFailed(
                f"{self.source.name}: line {planned.line} is not what it was when the run was planned. Sending has "
                "stopped; put the old text back, then run the same command again"
            )
        operation = strict_operation(raw, self.default_account)  # it was checked when it was planned
        key, _ = chosen_key(operation, lane.account.adapter)
        return operation if key == operation.cart_id else replace(operation, cart_id=key)


async def work(job: Job, lanes: Sequence[Lane], *, ended: Callable[[Lane, Status], None]) -> None:
    """Work off all lanes until each has ended or was halted; raises JournalFailed where the disk takes no more."""
    async with seen(lanes), asyncio.TaskGroup() as group:
        page = max(_LEAST_PAGE, _PAGES // max(1, len(lanes)))
        for lane in lanes:
            await _spare_time()
            chains = open_chains(job.plan, lane.number, fresh=not job.resumed, page=page)
            for number in range(lane.account.options.concurrency):
                task = _take_chains if number < _UNTRIED else _take_chains_later
                group.create_task(task(job, lane, chains, ended))


async def _spare_time() -> None:
    """Wait until the loop is not busy all the time, but not long: what is opened then would only lie in memory."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _LONGEST_OPENING
    while True:
        before = loop.time()
        await asyncio.sleep(0)
        now = loop.time()
        if now - before < _BUSY_TURN or now >= until:
            return
        await asyncio.sleep(_BUSY_TURN)


async def _take_chains_later(
    job: Job, lane: Lane, chains: Iterator[OpenChain], ended: Callable[[Lane, Status], None]
) -> None:
    """Take part once the shop has answered: one that is not there at all burns no more lines than by default."""
    if not lane.halted:
        with lane.may_break_off():
            await lane.answered.wait()
    await _take_chains(job, lane, chains, ended)


async def _take_chains(
    job: Job, lane: Lane, chains: Iterator[OpenChain], ended: Callable[[Lane, Status], None]
) -> None:
    try:
        for taken in chains:
            if lane.halted or not await _work_chain(job, lane, taken, ended):
                return
    except JournalFailed:
        raise
    except Exception as error:  # noqa: BLE001  # one shop's answer must not end the others' work
        lane.close_for_fault(error, f"working for account {lane.account.name!r}")
        return
    lane.answered.set()  # there is nothing left to wait with


async def _work_chain(job: Job, lane: Lane, taken: OpenChain, ended: Callable[[Lane, Status], None]) -> bool:
    """Work off one cart's open lines in file order; False where the lane was halted before the last."""
    chain = remembered(job, lane, taken.number)
    for planned in open_lines(job.plan, lane.number, taken, fresh=not job.resumed):
        operation = job.operation(planned, lane)
        if lane.halted:
            return False
        begun = _begun(job, lane, chain, operation)
        ending = Ending(begun) if isinstance(begun, Skipped) else await execute(begun, lane)
        if ending is None:
            return False
        status = status_of(ending.outcome)
        learnt = learnt_from(operation, ending)
        make = partial(_line, operation, lane, ending)
        text = await beside(lane.reading, make) if _is_large(ending) else make()
        lane.journal.end(
            operation.line,
            status.value,
            msgspec.json.encode(learnt).decode(),
            text,
            keep_past=status is Status.IN_DOUBT,
        )
        cause = ending.outcome.line if isinstance(ending.outcome, Skipped) else operation.line
        chain.learn(operation, status, learnt, cause)
        ended(lane, status)
    return True


def _line(operation: Operation, lane: Lane, ending: Ending) -> bytes:
    return result_text(operation, lane.account.adapter.name, shown_ending(ending, lane.secret))


def _is_large(ending: Ending) -> bool:
    return isinstance(ending.outcome, Done) and len(ending.outcome.body) >= LARGE


def _begun(job: Job, lane: Lane, chain: Chain, operation: Operation) -> Execution | Skipped:
    """The operation as far as earlier starts brought it."""
    if skipped := chain.lacks(operation):
        return skipped
    known = chain.known(operation)
    if not job.resumed:
        return started(lane, operation, known)
    firsts = partial(lane.account.adapter.cells[operation.kind].firsts, operation, known)
    return started(lane, operation, known, past_of(job.plan, operation.line, firsts))


def remembered(job: Job, lane: Lane, number: int, before: int | None = None) -> Chain:
    """The chain as its ended lines left it, or those that ended before line ``before``."""
    chain = Chain(job.run, number, key_chosen=lane.account.adapter.chosen_key is not None)
    if job.resumed:
        for line in ended_lines(job.plan, lane.number, number):
            if line.planned.line == before:
                break
            operation = job.operation(line.planned, lane)
            chain.learn(operation, line.status, line.learnt, operation.line)
    return chain
