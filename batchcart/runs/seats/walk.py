"""Owns cutting an account's open chains into parcels, as the journal has them; it does not know who works on them.

A chain may be held back: what became of its open write is known from the answer alone, which a seat that was cut off
may still bring.
"""

import math
from collections.abc import Iterator
from itertools import chain

import msgspec

from batchcart.accounts.config import Account
from batchcart.engine.chain_feed import PlannedJob
from batchcart.engine.replay import replay
from batchcart.engine.scheduler import replay_chain
from batchcart.journal.choice import has_choice
from batchcart.journal.queries import (
    OpenChain,
    completed_lines,
    load_history,
    pending_chains,
    pending_lines,
    planned_lines,
    result_of,
)
from batchcart.model.outcome import InDoubt
from batchcart.runs.seats.protocol import JobStep

_PAGE = 64  # lines of the plan that are read at a time
_LARGE = 4 << 20  # bytes of a parcel's texts from which on it is whole


class ParcelWalk:
    """One walk through an account's open chains. ``fresh`` says that none of its lines was begun before.

    With ``waiting_for`` chains of that account are held back that would end in doubt for want of an answer.
    """

    def __init__(self, job: PlannedJob, number: int, *, fresh: bool, waiting_for: Account | None = None) -> None:
        self._job, self._number, self._waiting_for = job, number, waiting_for
        self._held: dict[int, OpenChain] = {}
        self._kept_back: set[int] = set()  # chains to come
        self._reached: float = math.inf if fresh else 0
        self._steps = _walk_new(job, number) if fresh else self._walk_begun()
        self._ahead: JobStep | None = next(self._steps, None)

    @property
    def over(self) -> bool:
        """Whether nothing is left to hand out."""
        return self._ahead is None and not self._held

    @property
    def waits(self) -> bool:
        """Whether all that is left is held back."""
        return self._ahead is None and bool(self._held)

    def hold(self, number: int) -> bool:
        """Hold the chain back until it is released; False where that is too late, or may be.

        A chain that the walk has not reached yet is held back once it does.
        """
        if number > self._reached:
            self._kept_back.add(number)
        return number in self._held or number in self._kept_back

    def release(self, *numbers: int) -> None:
        """Hold these chains back no longer, or none at all."""
        self._kept_back.difference_update(numbers)
        released = [self._held.pop(number) for number in numbers or list(self._held) if number in self._held]
        steps = (_walk_chain(self._job, self._number, taken) for taken in released)
        self._steps = chain(self._steps, chain.from_iterable(steps))
        if self._ahead is None:
            self._ahead = next(self._steps, None)

    def cut(self, lines: int) -> list[JobStep]:
        """The next lines, as many as were asked for or fewer."""
        steps: list[JobStep] = []
        size = 0
        while self._ahead is not None and len(steps) < lines and size < _LARGE:
            steps.append(self._ahead)
            size += len(self._ahead.text)
            self._ahead = next(self._steps, None)
        return steps

    def _walk_begun(self) -> Iterator[JobStep]:
        job, number, account = self._job, self._number, self._waiting_for
        for taken in pending_chains(job.plan, number, fresh=False, chosen=has_choice(job.plan), page=_PAGE):
            self._reached = taken.number  # they come in ascending order
            if taken.number in self._kept_back or _needs_answer(job, number, account, taken):
                self._held[taken.number] = taken
            else:
                yield from _walk_chain(job, number, taken)


def _walk_new(job: PlannedJob, account: int) -> Iterator[JobStep]:
    for planned in planned_lines(job.plan, account, chosen=has_choice(job.plan), page=_PAGE):
        yield JobStep(planned.chain, planned.line, job.raw_line(planned).text)


def _walk_chain(job: PlannedJob, account: int, taken: OpenChain) -> Iterator[JobStep]:
    """The chain, of which the first open line may have ended since it was taken."""
    still_open = (
        planned
        for planned in pending_lines(job.plan, account, taken, fresh=False)
        if planned != taken.lines[0] or result_of(job.plan, planned.line) is None
    )
    first = next(still_open, None)
    if first is None:
        return
    for ended in list(completed_lines(job.plan, account, taken.number)):  # read in part it would show all the past
        text, learnt = job.raw_line(ended.planned).text, msgspec.json.encode(ended.learnt).decode()
        yield JobStep(taken.number, ended.planned.line, text, ended.status.value, learnt)
    for planned in chain([first], still_open):
        sent = load_history(job.plan, planned.line)
        yield JobStep(taken.number, planned.line, job.raw_line(planned).text, sent=sent)


def _needs_answer(job: PlannedJob, number: int, account: Account | None, taken: OpenChain) -> bool:
    """Whether the chain's first open line has a write on its way, and is in doubt without an answer to it."""
    if account is None:
        return False
    planned = taken.lines[0]
    sent = load_history(job.plan, planned.line)
    if not sent or sent[-1].state != "sent" or result_of(job.plan, planned.line) is not None:
        return False
    try:
        operation = job.operation(planned, account)
        known = replay_chain(job, account, number, taken.number).context(operation)
        spec = account.adapter.operations[operation.kind]
        past = replay(sent, spec, operation, known).steps
        return bool(past) and isinstance(spec.recover(operation, known, past), InDoubt)
    except Exception:  # noqa: BLE001  # whoever works on the line meets it again, and closes this account alone
        return False
