"""Owns what a journal tells of a run's events and pauses; it changes nothing in it."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from batchcart.model.events import (
    AccountClosed,
    Event,
    Paused,
    PauseOver,
    QuotaUsedUp,
    RunBegan,
    RunFinished,
    RunResumed,
    RunStopped,
    ShopDown,
    ShopUp,
)

Reason = Literal["throttled", "quota", "unreachable"]
_Key = tuple[str, Reason]


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which an account sent little or nothing; ``ended`` is None where it lasts or nobody saw its end.

    ``refusals`` counts the 429s of a throttled one, which may also have sent between them.
    """

    account: str
    reason: Reason
    began: float
    ended: float | None
    why: str
    refusals: int = 0


def events(connection: sqlite3.Connection) -> Iterator[tuple[float, Event]]:
    """What a person was to see, in order, each with its wall-clock time; nothing where the journal is too old.

    Kinds that this version does not know are left out.
    """
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'event'").fetchone():
        return
    for at, fields in connection.execute("SELECT at, fields FROM event ORDER BY seq"):
        try:
            yield at, msgspec.json.decode(fields, type=Event)
        except msgspec.ValidationError:
            continue


def pauses(told: Iterable[tuple[float, Event]]) -> Iterator[Pause]:
    """The pauses that the events tell of, in the order they ended; a run that stopped or died ends those it was in."""
    lasting: dict[_Key, Pause] = {}
    for at, event in told:
        for key in _ended_by(event, lasting):
            found = lasting.pop(key)
            yield replace(found, ended=at if found.ended is None else min(found.ended, at))
        match event:
            case Paused(account, until, why):
                begun = lasting.get((account, "throttled"), Pause(account, "throttled", at, until, why))
                lasting[account, "throttled"] = replace(begun, ended=until)
            case PauseOver(account, since, until, refusals):
                begun = lasting.pop((account, "throttled"), Pause(account, "throttled", since, until, ""))
                yield replace(begun, began=since, ended=until, refusals=refusals)
            case QuotaUsedUp(account, limit, until):
                lasting[account, "quota"] = Pause(account, "quota", at, until, f"{limit} is used up")
            case ShopDown(account, why, since):
                lasting[account, "unreachable"] = Pause(account, "unreachable", since, None, why)
            case _:
                pass
    yield from lasting.values()


def _ended_by(event: Event, lasting: Mapping[_Key, Pause]) -> list[_Key]:
    match event:
        case QuotaUsedUp(account):
            return [key for key in lasting if key == (account, "quota")]
        case ShopUp(account):
            return [key for key in lasting if key == (account, "unreachable")]
        case AccountClosed(account):
            return [key for key in lasting if key[0] == account]
        case RunBegan() | RunResumed() | RunFinished() | RunStopped():
            return list(lasting)
        case _:
            return []
