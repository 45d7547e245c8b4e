"""Owns the figures by which several runs are compared; it does not know how they are shown."""

from dataclasses import dataclass

from batchcart.report.collect import Report, RunReport
from batchcart.report.error_groups import ErrorGroup, ErrorKey
from batchcart.report.histogram import Durations, merge

MOST_REASONS = 20
"""Reasons that are compared; they are those of the most lines."""


@dataclass(frozen=True, slots=True)
class RunPace:
    """How fast a run was: seconds from its first request to its last answer, lines sent and requests in that time."""

    seconds: float
    durations: Durations
    requests: int

    @property
    def per_second(self) -> float:
        """Lines a second."""
        return self.durations.count / self.seconds if self.seconds else 0.0

    @property
    def requests_per_line(self) -> float:
        """How many requests a line took in the mean."""
        return self.requests / self.durations.count if self.durations.count else 0.0


def pace_of(run: RunReport) -> RunPace:
    """How fast a run was."""
    span = run.last - run.began if run.began is not None and run.last is not None else 0.0
    return RunPace(span, merge(run.counts.durations.values()), run.counts.requests)


def compare_reasons(report: Report) -> list[tuple[ErrorKey, list[int]]]:
    """Each cause with its lines in each of the runs."""
    ranked: list[tuple[ErrorKey, ErrorGroup]] = report.figures.reasons.rank()[:MOST_REASONS]
    return [(cause, [reason.runs[number] for number in range(len(report.runs))]) for cause, reason in ranked]
