"""Owns folding result files into figures, in memory that does not grow with them; it does not know how they are shown.

What it keeps grows with the number of accounts, never with the number of results.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from batchcart.journal.timeline import EarlierEnding
from batchcart.model.errors import UsageError
from batchcart.model.files import lines_of
from batchcart.model.outcome import Status
from batchcart.model.reasons import normalize
from batchcart.report.error_groups import ErrorGroups, ErrorKey, Occurrence
from batchcart.report.histogram import Durations, merge
from batchcart.report.time_series import TimeSeries

MOST_DOUBTS = 300
"""Doubts that are listed one by one."""

EVIDENCE_SHOWN = 1000
"""Characters that are shown of a message."""

MOST_ATTEMPTS = 20
"""Attempts that are told apart; lines that took more are counted with this number."""

_LONGEST = 1e12  # milliseconds: more than any operation takes, and what a date can bear
_HINT = "give the result file of a run, not its job file"


class Error(msgspec.Struct, frozen=True, gc=False):
    """What the report reads of a result's ``error``."""

    kind: str
    message: str
    line: int | None = None


class ResultRow(msgspec.Struct, frozen=True, gc=False):
    """What the report reads of a result line; everything else in it is passed over undecoded."""

    line: int
    account: str
    op: str
    status: Status
    platform: str = ""
    cart: str | None = None
    cart_id: str | None = None
    attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    elapsed_ms: Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)] | None = None
    http_status: int | None = None
    error: Error | None = None
    settled: str = ""


class Counts:
    """The lines of one run by account, operation and status, and when its first and last request were sent.

    ``durations`` are by account and operation; ``requests`` were sent for all of its lines.
    """

    __slots__ = ("began", "by", "durations", "last", "platforms", "requests")

    def __init__(self) -> None:
        self.durations: dict[tuple[str, str], Durations] = {}
        self.requests = 0
        self.by: Counter[tuple[str, str, str]] = Counter()
        self.platforms: dict[str, str] = {}
        self.began: float | None = None
        self.last: float | None = None

    def span(self, at: float, until: float) -> None:
        """Make room for an operation that was under way from and to these wall-clock seconds."""
        if self.began is None or at < self.began:
            self.began = at
        if self.last is None or until > self.last:
            self.last = until

    def rows(self) -> Iterator[tuple[str, str, str, int]]:
        """Account, operation, status and count, sorted by the first three."""
        yield from ((*key, self.by[key]) for key in sorted(self.by))


class Aggregates:
    """What all runs of a report have in common, folded line by line.

    ``sent`` counts operations by the time of their first request, by account and whether they ended ok. One that was
    opened again counts at each of its times; everything else is of the last one.
    ``durations`` are by account and operation; ``tries`` are the same durations by number of attempts.
    """

    __slots__ = ("doubts", "durations", "in_doubt", "reasons", "sent", "tries")

    def __init__(self) -> None:
        self.sent: TimeSeries[tuple[str, bool]] = TimeSeries()
        self.durations: dict[tuple[str, str], Durations] = {}
        self.tries: dict[int, Durations] = {}
        self.reasons = ErrorGroups()
        self.doubts: list[Occurrence] = []
        self.in_doubt = 0

    def fold(self, ended: Iterable[ResultRow], run: int, again: AbstractSet[int] = frozenset()) -> Counts:
        """Take in the results of the run of that number; its own counts.

        Why lines are not ok is not asked of those that another run did ``again``.
        """
        counts = Counts()
        by, sent = counts.by, self.sent.add
        for one in ended:
            status = one.status.value
            by[one.account, one.op, status] += 1
            if one.sent_at is not None:
                at = one.sent_at.timestamp()
                sent((one.account, one.status is Status.OK), at)
                until = at
                if one.elapsed_ms is not None:
                    self._duration(one, one.elapsed_ms, counts)
                    until += one.elapsed_ms / 1000
                counts.span(at, until)
            if one.account not in counts.platforms:
                counts.platforms[one.account] = one.platform
            if one.status is not Status.OK and one.line not in again:
                self._not_ok(one, run)
        for key, durations in counts.durations.items():
            self.durations[key] = merge([self.durations.get(key, Durations()), durations])
        return counts

    def fold_earlier(self, earlier: Iterable[EarlierEnding], counts: Counts) -> None:
        """Take in how lines of a run ended before they were opened again: at their own time, and nowhere else."""
        for one in earlier:
            self.sent.add((one.account, one.status == Status.OK.value), one.at)
            counts.span(one.at, one.at + one.took)

    def _duration(self, one: ResultRow, ms: float, counts: Counts) -> None:
        durations = counts.durations.get((one.account, one.op))
        if durations is None:
            durations = counts.durations[one.account, one.op] = Durations()
        durations.add(ms)
        counts.requests += one.attempts
        attempts = min(one.attempts, MOST_ATTEMPTS)
        tried = self.tries.get(attempts)
        if tried is None:
            tried = self.tries[attempts] = Durations()
        tried.add(ms)

    def _not_ok(self, one: ResultRow, run: int) -> None:
        place = add_reason(self.reasons, one, run)
        if one.status is Status.IN_DOUBT:
            self.in_doubt += 1
            if len(self.doubts) < MOST_DOUBTS:
                self.doubts.append(place)


def add_reason(reasons: ErrorGroups, one: ResultRow, run: int) -> Occurrence:
    """Count a result that is not ok with its cause; where it stands, and what it says."""
    error = one.error or Error("unknown", "the result line does not say why")
    message = error.message[:EVIDENCE_SHOWN]
    place = Occurrence(run, one.line, one.account, one.op, one.cart or one.cart_id or "", message)
    cause = ErrorKey(one.status.value, error.kind, one.http_status, normalize(error.message), bool(one.settled))
    reasons.add(cause, place, error.line)
    return place


def results_in(path: Path) -> Iterator[ResultRow]:
    """The results in a file, one by one; a last line that is not whole is left out.

    Raises UsageError naming the line that is no result.
    """
    decode = msgspec.json.Decoder(ResultRow).decode
    try:
        for number, text in enumerate(lines_of(path), 1):
            try:
                yield decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if not text.endswith(b"\n"):  # cut off while it was being written, or being written now
                    return
                raise UsageError(f"{path}:{number}: not a result line: {_message_of(error)}; {_HINT}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _message_of(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
