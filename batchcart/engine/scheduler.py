"""Owns the order of work: accounts side by side, carts side by side, a cart's lines one by one."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from batchcart.accounts.config import Account
from batchcart.engine.chain_feed import ChainFeed, ChainWork, CompletedStep, JournalFeed, PlannedJob
from batchcart.engine.chain_state import ChainState, chain_update
from batchcart.engine.clean_ending import clean_ending
from batchcart.engine.closing import close_for_fault
from batchcart.engine.crew import Crew, open_hiring, yield_if_busy
from batchcart.engine.executor import execute, restore_execution
from batchcart.engine.offload import LARGE, offload
from batchcart.engine.pause_monitor import monitor
from batchcart.engine.reaction import Execution
from batchcart.engine.replay import RequestMismatch, replay
from batchcart.engine.session import AccountSession
from batchcart.journal.choice import has_choice
from batchcart.journal.codec import SentRequest
from batchcart.journal.queries import completed_lines
from batchcart.journal.result_line import Completion, encode_result, status_of
from batchcart.journal.schema import PUT_BACK
from batchcart.journal.writer import JournalFailed
from batchcart.model.operation import Operation
from batchcart.model.outcome import Skipped, Status, Succeeded

_LEAST_PAGE, _PAGES = 16, 4096
"""Lines of the plan that are read at a time: of one account, and of all of them together."""


async def run_sessions(
    job: PlannedJob, sessions: Sequence[AccountSession], *, ended: Callable[[AccountSession, Status], None]
) -> None:
    """Work off all sessions until each has ended or was halted; raises JournalFailed where the disk takes no more."""
    async with monitor(sessions), open_hiring() as openings, asyncio.TaskGroup() as group:
        chosen = has_choice(job.plan)
        page = max(_LEAST_PAGE, _PAGES // max(1, len(sessions)))
        for session in sessions:
            await yield_if_busy()
            feed = JournalFeed(job, session, chosen=chosen, page=page)
            Crew(session, partial(_consume, job.run, feed, session, ended), group, openings).start()


async def run_session(run: str, feed: ChainFeed, session: AccountSession, openings: "asyncio.Queue[Crew]") -> None:
    """Work off one session of the run that calls itself ``run`` until it has ended or was halted.

    ``openings`` is where all sessions of the process ask for workers. Raises JournalFailed as ``run_sessions`` does.
    """
    async with monitor([session]), asyncio.TaskGroup() as group:
        Crew(session, partial(_consume, run, feed, session, _count_nowhere), group, openings).start()


def _count_nowhere(_session: AccountSession, _status: Status) -> None:
    """Whoever has the journal counts."""


async def _consume(
    run: str,
    feed: ChainFeed,
    session: AccountSession,
    ended: Callable[[AccountSession, Status], None],
) -> bool:
    """Work off one chain after the other; whether none is left."""
    try:
        while not session.stopped:
            with session.signal.cancellable():
                chain = await feed.next_chain()
            if chain is None:
                return True
            if not await _work_chain(run, session, chain, ended):
                return False
    except JournalFailed:
        raise
    except RequestMismatch as mismatch:
        session.close("stopped", str(mismatch))
    except Exception as error:  # noqa: BLE001  # one shop's answer must not end the others' work
        close_for_fault(session, error, f"working for account {session.account.name!r}")
    return False


async def _work_chain(
    run: str, session: AccountSession, work: ChainWork, ended: Callable[[AccountSession, Status], None]
) -> bool:
    """Work off one cart's open lines in file order; False where the session was halted before the last."""
    chain = ChainState(run, work.number, key_chosen=session.account.adapter.keys.client_chooses)
    while (step := await work.next_step()) is not None:
        operation = step.operation
        if isinstance(step, CompletedStep):
            chain.apply(operation, step.status, step.learnt, operation.line)
            continue
        if session.stopped:
            return False
        if step.sent:
            session.limiter.on_permit()  # what was under way waits a little first
        begun = _resume(session, chain, operation, step.sent)
        ending = Completion(begun) if isinstance(begun, Skipped) else await execute(begun, session)
        if ending is None:
            return False
        status = status_of(ending.outcome)
        learnt = chain_update(operation, ending)
        make = partial(_line, operation, session, ending)
        text = await offload(session.reading, make) if _is_large(ending) else make()
        session.journal.record_result(
            operation.line,
            str(status),
            msgspec.json.encode(learnt).decode(),
            text,
            keep_past=status is Status.IN_DOUBT,
        )
        cause = ending.outcome.line if isinstance(ending.outcome, Skipped) else operation.line
        chain.apply(operation, status, learnt, cause)
        ended(session, status)
    return True


def _line(operation: Operation, session: AccountSession, ending: Completion) -> bytes:
    return encode_result(operation, session.account.adapter.name, clean_ending(ending, session.auth.redactor))


def _is_large(ending: Completion) -> bool:
    return isinstance(ending.outcome, Succeeded) and len(ending.outcome.body) >= LARGE


def _resume(
    session: AccountSession, chain: ChainState, operation: Operation, sent: Sequence[SentRequest]
) -> Execution | Skipped:
    """The operation as far as earlier starts brought it."""
    if skipped := chain.missing_dependency(operation):
        return skipped
    known = chain.context(operation)
    if chain.is_torn(operation):
        raise JournalFailed(
            f"the journal says that line {operation.line} belongs to chain {chain.number}, and what it names is not "
            f"there. Nothing more is sent. {PUT_BACK}"
        )
    if not sent:
        return restore_execution(session, operation, known)
    past = replay(sent, session.account.adapter.operations[operation.kind], operation, known)
    return restore_execution(session, operation, known, past)


def replay_chain(
    job: PlannedJob, account: Account, account_number: int, number: int, before: int | None = None
) -> ChainState:
    """The chain as its ended lines left it, or those that ended before line ``before``."""
    chain = ChainState(job.run, number, key_chosen=account.adapter.keys.client_chooses)
    for line in list(completed_lines(job.plan, account_number, number)):
        if line.planned.line == before:
            break
        operation = job.operation(line.planned, account)
        chain.apply(operation, line.status, line.learnt, operation.line)
    return chain
