"""Owns cutting an account's open chains into parcels, as the journal has them; it does not know who works on them."""

from collections.abc import Iterator

import msgspec

from batchcart.engine.chain_feed import PlannedJob
from batchcart.journal.choice import has_choice
from batchcart.journal.queries import completed_lines, load_history, pending_chains, pending_lines, planned_lines
from batchcart.runs.seats.protocol import JobStep

_PAGE = 64  # lines of the plan that are read at a time
_LARGE = 4 << 20  # bytes of a parcel's texts from which on it is whole


class ParcelWalk:
    """One walk through an account's open chains. ``fresh`` says that none of its lines was begun before."""

    def __init__(self, job: PlannedJob, account: int, *, fresh: bool) -> None:
        self._steps = _walk_new(job, account) if fresh else _walk_begun(job, account)
        self._ahead: JobStep | None = next(self._steps, None)

    @property
    def over(self) -> bool:
        """Whether nothing is left to hand out."""
        return self._ahead is None

    def cut(self, lines: int) -> list[JobStep]:
        """The next lines, as many as were asked for or fewer."""
        steps: list[JobStep] = []
        size = 0
        while self._ahead is not None and len(steps) < lines and size < _LARGE:
            steps.append(self._ahead)
            size += len(self._ahead.text)
            self._ahead = next(self._steps, None)
        return steps


def _walk_new(job: PlannedJob, account: int) -> Iterator[JobStep]:
    for planned in planned_lines(job.plan, account, chosen=has_choice(job.plan), page=_PAGE):
        yield JobStep(planned.chain, planned.line, job.raw_line(planned).text)


def _walk_begun(job: PlannedJob, account: int) -> Iterator[JobStep]:
    for taken in pending_chains(job.plan, account, fresh=False, chosen=has_choice(job.plan), page=_PAGE):
        for ended in list(completed_lines(job.plan, account, taken.number)):  # read in part it would show all the past
            text, learnt = job.raw_line(ended.planned).text, msgspec.json.encode(ended.learnt).decode()
            yield JobStep(taken.number, ended.planned.line, text, ended.status.value, learnt)
        for planned in pending_lines(job.plan, account, taken, fresh=False):
            sent = load_history(job.plan, planned.line)
            yield JobStep(taken.number, planned.line, job.raw_line(planned).text, sent=sent)
