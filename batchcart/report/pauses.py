"""Owns what a report keeps of a run's pauses and learnt limits: exact totals, and a bounded number of spans."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from msgspec import structs

from batchcart.journal.timeline import Pause, PauseReason, pauses
from batchcart.model.events import (
    Event,
    LimitLowered,
    LimitRestored,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopped,
    ThrottlingEnded,
)

WORDS: Mapping[PauseReason, str] = {
    "throttled": "the shop answered 429",
    "quota": "a limit was used up",
    "unreachable": "the shop was down",
}
"""What the reasons of a pause are called."""

MOST_SPANS = 400
"""Pauses that are kept apart for an account and a reason; where there are more, those close together become one."""

MOST_LEARNT = 300
"""Changes of a learnt limit that are kept for an account; they are the latest."""


@dataclass(slots=True)
class AccountPauses:
    """The pauses of one account for one reason: exact totals, and spans of which close ones may have become one.

    ``seconds`` is the time waited: less than the spans where the account sent between one 429 and the next. It leaves
    out pauses whose end nobody saw.
    """

    count: int = 0
    seconds: float = 0.0
    refusals: int = 0
    spans: list[Pause] = field(default_factory=list)


@dataclass(slots=True)
class PauseStats:
    """All pauses by account and reason; ``runs`` counts the runs whose journals noted them.

    ``learnt`` has the limits in requests a second, None where one was forgotten again.
    """

    runs: int = 0
    by: dict[tuple[str, PauseReason], AccountPauses] = field(default_factory=dict)
    learnt: dict[str, list[tuple[float, float | None]]] = field(default_factory=dict)

    def take(self, events: Iterable[tuple[float, Event]]) -> None:
        """Take in what one run was told."""
        events = iter(events)
        first = next(events, None)
        if first is None:
            return
        self.runs += 1
        waited: dict[str, float] = {}
        for pause in pauses(self._noting(chain([first], events), waited)):
            paused = self.by.setdefault((pause.account, pause.reason), AccountPauses())
            paused.count += 1
            paused.refusals += pause.refusals
            length = 0.0 if pause.ended is None else max(0.0, pause.ended - pause.began)
            paused.seconds += waited.pop(pause.account, length) if pause.reason == "throttled" else length
            paused.spans.append(pause)
            if len(paused.spans) > MOST_SPANS:
                paused.spans = _merge_spans(paused.spans)

    def spans(self) -> list[Pause]:
        """All spans in the order they began."""
        return sorted((span for paused in self.by.values() for span in paused.spans), key=lambda span: span.began)

    def _noting(self, events: Iterable[tuple[float, Event]], waited: dict[str, float]) -> Iterator[tuple[float, Event]]:
        """The events as they pass by; learnt limits are kept, and how long the pauses that are over were ``waited``."""
        for at, event in events:
            match event:
                case ThrottlingEnded(account, paused=seconds):
                    waited[account] = seconds
                case LimitLowered(account, _, per_second):
                    self._learn(account, at, per_second)
                case LimitRestored(account):
                    self._learn(account, at, None)
                case RunStarted() | RunResumed() | RunFinished() | RunStopped():
                    for account, changes in self.learnt.items():
                        if changes[-1][1] is not None:
                            self._learn(account, at, None)
                case _:
                    pass
            yield at, event

    def _learn(self, account: str, at: float, per_second: float | None) -> None:
        changes = self.learnt.setdefault(account, [])
        changes.append((at, per_second))
        del changes[:-MOST_LEARNT]


def _merge_spans(spans: list[Pause]) -> list[Pause]:
    """At most half as many spans: those with the shortest time between them become one."""
    spans = sorted(spans, key=lambda span: span.began)
    ends = [span.began if span.ended is None else span.ended for span in spans]
    gaps = [after.began - end for end, after in zip(ends, spans[1:], strict=False)]
    shortest = set(sorted(range(len(gaps)), key=gaps.__getitem__)[: len(spans) // 2])
    kept = [spans[0]]
    for index, span in enumerate(spans[1:]):
        if index in shortest:
            kept[-1] = _one(kept[-1], span)
        else:
            kept.append(span)
    return kept


def _one(first: Pause, second: Pause) -> Pause:
    ended = None if second.ended is None else max(second.ended, first.ended or second.ended)
    return structs.replace(first, ended=ended, refusals=first.refusals + second.refusals)
