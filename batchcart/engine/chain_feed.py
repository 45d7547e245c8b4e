"""Owns where an account's chains come from as the scheduler asks for them; here, from the journal and the job beside.

A run in several processes gives the scheduler another feed, whose lines come over a connection.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import msgspec
from msgspec.structs import replace

from batchcart.accounts.config import Account
from batchcart.engine.session import AccountSession
from batchcart.jobs.checks import cart_key
from batchcart.jobs.job_file import JobSource, RawLine, parse_trusted_line
from batchcart.journal.codec import SentRequest
from batchcart.journal.queries import (
    ChainUpdate,
    OpenChain,
    PlannedLine,
    completed_lines,
    load_history,
    pending_chains,
    pending_lines,
)
from batchcart.journal.schema import PUT_BACK, Connection
from batchcart.journal.writer import JournalFailed
from batchcart.model.operation import Operation
from batchcart.model.outcome import Status


class CompletedStep(msgspec.Struct, frozen=True):
    """An operation of a chain that ended in an earlier start, with what it brought."""

    operation: Operation
    status: Status
    learnt: ChainUpdate


class PendingStep(msgspec.Struct, frozen=True):
    """An operation of a chain that has not ended, with what was sent for it before."""

    operation: Operation
    sent: Sequence[SentRequest] = ()


ChainStep = CompletedStep | PendingStep


class ChainWork(msgspec.Struct, frozen=True):
    """One chain with open lines: its completed steps in the order in which they ended, then the pending ones.

    ``next_step`` gives them one by one, then None; it raises JournalFailed where a step cannot be told.
    """

    number: int
    next_step: Callable[[], Awaitable[ChainStep | None]]


class ChainFeed(Protocol):
    """An account's chains that have open lines."""

    async def next_chain(self) -> ChainWork | None:
        """The next chain; None where there is none any more. Raises JournalFailed where it cannot be told."""


class PlannedJob(msgspec.Struct, frozen=True):
    """What is processed: the job's text, its plan, and the run's own name."""

    run: str
    source: JobSource
    plan: Connection
    default_account: str | None
    resumed: bool

    def raw_line(self, planned: PlannedLine) -> RawLine:
        """The planned line, read again; raises JournalFailed where the job's text is not what was planned."""
        raw = RawLine(planned.line, planned.offset, self.source.read(planned.offset, planned.length))
        if planned.digest not in {None, raw.digest}:
            raise JournalFailed(
                f"{self.source.name}: line {planned.line} is not what it was when the run was planned. Sending has "
                "stopped; restore the original job file, then run the same command again"
            )
        return raw

    def operation(self, planned: PlannedLine, account: Account) -> Operation:
        """The planned line as an operation of the account; raises JournalFailed where it is none."""
        return parse_planned(self.raw_line(planned), self.default_account, account, self.source.name)


def parse_planned(raw: RawLine, default: str | None, account: Account, job: str) -> Operation:
    """A line that was checked when it was planned; raises JournalFailed where it is not one of the account."""
    operation = parse_trusted_line(raw, default)
    if operation.account != account.name:
        raise JournalFailed(
            f"the journal says that line {raw.number} of {job} is one of account {account.name!r}, and it is not. "
            f"Nothing more is sent. {PUT_BACK}"
        )
    key, _ = cart_key(operation, account.adapter)
    return operation if key == operation.cart_id else replace(operation, cart_id=key)


class JournalFeed:
    """The chains of one account as the journal beside has them, read a ``page`` of lines at a time."""

    def __init__(self, job: PlannedJob, session: AccountSession, *, chosen: bool, page: int) -> None:
        self._job, self._session = job, session
        self._chains: Iterator[OpenChain] = pending_chains(
            job.plan, session.number, fresh=not job.resumed, chosen=chosen, page=page
        )

    async def next_chain(self) -> ChainWork | None:
        """The next chain that has open lines."""
        taken = next(self._chains, None)
        return None if taken is None else ChainWork(taken.number, partial(_take, self._steps(taken)))

    def _steps(self, taken: OpenChain) -> Iterator[ChainStep]:
        job, session = self._job, self._session
        if job.resumed:
            for line in completed_lines(job.plan, session.number, taken.number):
                yield CompletedStep(job.operation(line.planned, session.account), line.status, line.learnt)
        for planned in pending_lines(job.plan, session.number, taken, fresh=not job.resumed):
            operation = job.operation(planned, session.account)
            yield PendingStep(operation, load_history(job.plan, operation.line) if job.resumed else ())


async def _take(steps: Iterator[ChainStep]) -> ChainStep | None:
    return next(steps, None)
