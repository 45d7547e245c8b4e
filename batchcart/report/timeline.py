"""Owns what happened when in a run: starts, stops, kills, accounts closed, pauses; it shows nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from batchcart.journal.timeline import Pause
from batchcart.model.events import (
    AccountClosed,
    DoubtsSettled,
    Event,
    LimitLowered,
    LimitRestored,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopped,
    StorageFailed,
    TokenRenewed,
    WorkerDied,
)
from batchcart.report.pauses import WORDS

MOST_ENTRIES = 300
"""Entries of a run that are kept; they are the latest."""

MOST_PAUSES = 100
"""Pauses among them; they are the longest."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """What happened at a moment, in wall-clock seconds, and until when if it took time.

    ``kind`` is one of started, resumed, finished, stopped, killed, closed, settled, pause, limit, trouble; ``run``
    is the number of the run in the report.
    """

    at: float
    run: int
    kind: str
    account: str
    text: str
    until: float | None = None


@dataclass(slots=True)
class RunTimeline:
    """What happened in one run, without its pauses; ``dropped`` earlier entries are not kept."""

    entries: list[TimelineEntry] = field(default_factory=list)
    dropped: int = 0


AnsweredAt = Callable[[int | None], float | None]
"""When the last answer came before so many lines had ended, None for all that have: None if that is not known."""


def read_timeline(
    run: int, events: Iterable[tuple[float, Event]], answered_at: AnsweredAt, *, alive: bool
) -> RunTimeline:
    """What the events of a run tell; one that is not ``alive`` has ended."""
    found = RunTimeline()
    for entry in _entries(run, events, answered_at, alive=alive):
        found.entries.append(entry)
        if len(found.entries) > MOST_ENTRIES:
            del found.entries[0]
            found.dropped += 1
    return found


def _entries(
    run: int, events: Iterable[tuple[float, Event]], answered_at: AnsweredAt, *, alive: bool
) -> Iterator[TimelineEntry]:
    under_way: float | None = None  # when it gave its last sign of life
    for at, event in events:
        if isinstance(event, RunStarted | RunResumed) and under_way is not None:
            last = answered_at(event.ended) if isinstance(event, RunResumed) else None
            yield _end_by_kill(run, last if last is not None and under_way <= last <= at else under_way)
        if isinstance(event, RunFinished | RunStopped):
            under_way = None
        elif isinstance(event, RunStarted | RunResumed) or under_way is not None:  # settling tells too, after the run
            under_way = at
        if (named := _describe(event)) is not None:
            kind, account, text = named
            yield TimelineEntry(at, run, kind, account, text)
    if under_way is not None and not alive:
        yield _end_by_kill(run, max(under_way, answered_at(None) or 0.0))


def _end_by_kill(run: int, at: float) -> TimelineEntry:
    return TimelineEntry(at, run, "killed", "", "its last sign of life; then it was killed, or its machine went down")


def _describe(event: Event) -> tuple[str, str, str] | None:
    match event:
        case RunStarted(_, lines, accounts):
            return "started", "", f"{_count(lines, 'line')} for {_count(accounts, 'account')}"
        case RunResumed(_, lines, ended):
            return "resumed", "", f"{ended:,} of {_count(lines, 'line')} had ended before"
        case RunFinished(lines, ok):
            return "finished", "", f"{_count(lines, 'line')}, {ok:,} ok"
        case RunStopped(lines, left, why):
            return "stopped", "", f"{why + ': ' if why else ''}{left:,} of {_count(lines, 'line')} left"
        case AccountClosed(account, _, reason):
            return "closed", account, reason
        case LimitLowered(account) | LimitRestored(account):
            return "limit", account, str(event).partition(": ")[2]
        case TokenRenewed(account):
            return "token", account, "its token was renewed"
        case DoubtsSettled():
            return "settled", "", str(event)
        case StorageFailed(why) | WorkerDied(why):
            return "trouble", "", why
        case _:
            return None


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def with_pauses(timelines: Iterable[RunTimeline], spans: Iterable[Pause]) -> list[TimelineEntry]:
    """All that happened in the order of time, with the longest of the pauses."""
    longest = sorted(spans, key=_length, reverse=True)[:MOST_PAUSES]
    pauses = [
        TimelineEntry(span.began, -1, "pause", span.account, _describe_pause(span), span.ended) for span in longest
    ]
    entries = [entry for timeline in timelines for entry in timeline.entries]
    return sorted([*entries, *pauses], key=lambda entry: entry.at)


def _describe_pause(span: Pause) -> str:
    return WORDS[span.reason] + (f": {span.why}" if span.why and span.reason != "throttled" else "")


def _length(span: Pause) -> float:
    return span.ended - span.began if span.ended is not None else float("inf")
