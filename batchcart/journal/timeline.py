"""Owns what a journal tells of a run's events, pauses and endings that were taken back; it changes nothing in it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import structs

from batchcart.journal.rows import WallTime, decode_value, first, has_table, legible, select
from batchcart.journal.schema import Connection
from batchcart.model.events import (
    AccountClosed,
    Event,
    Paused,
    QuotaUsedUp,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopped,
    ShopDown,
    ShopUp,
    ThrottlingEnded,
)

PauseReason = Literal["throttled", "quota", "unreachable"]
_Key = tuple[str, PauseReason]


_ENDED_BEFORE = """
SELECT a.name, e.status, e.at, e.took FROM ended_before e
JOIN plan p ON p.line = e.line JOIN account a ON a.id = p.account
WHERE e.at BETWEEN 0 AND 1e11 AND e.took BETWEEN 0 AND 1e9
"""


class EarlierEnding(NamedTuple):
    """How a line ended before it was opened again: when its first request was sent, and for how many seconds."""

    account: str
    status: str
    at: float
    took: float


class Pause(msgspec.Struct, frozen=True):
    """A time in which an account sent little or nothing; ``ended`` is None if it lasts or nobody saw its end.

    ``refusals`` counts the 429s of a throttled one, which may also have sent between them.
    """

    account: str
    reason: PauseReason
    began: float
    ended: float | None
    why: str
    refusals: int = 0


def events(connection: Connection) -> Iterator[tuple[float, Event]]:
    """What a person was to see, in order, each with its wall-clock time; nothing where the journal is too old.

    Kinds that this version does not know are left out.
    """
    if not has_table(connection, "event"):
        return
    for at, fields in select(connection, tuple[WallTime, str], "SELECT at, fields FROM event ORDER BY seq"):
        with legible(connection, "event"), suppress(msgspec.ValidationError):
            yield at, msgspec.json.decode(fields, type=Event)


def earlier_endings(connection: Connection) -> Iterator[EarlierEnding]:
    """How lines ended that were opened again since; those that were never sent are left out."""
    if has_table(connection, "ended_before"):
        yield from select(connection, EarlierEnding, _ENDED_BEFORE)


def answered_at(connection: Connection, ended: int) -> float | None:
    """When the last answer to the ``ended``-th line that ended came, in wall-clock seconds; None if it is not known."""
    question = "SELECT text FROM result ORDER BY seq LIMIT 1 OFFSET ?"
    found = first(connection, tuple[bytes], question, (ended - 1,)) if ended > 0 else None
    if found is None:
        return None
    times = decode_value(connection, "result", found[0], _Times)
    return None if times.sent_at is None else times.sent_at.timestamp() + times.elapsed_ms / 1000


class _Times(msgspec.Struct):
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    elapsed_ms: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.0


def pauses(told: Iterable[tuple[float, Event]]) -> Iterator[Pause]:
    """The pauses that the events tell of, in the order they ended; a run that stopped or died ends those it was in."""
    lasting: dict[_Key, Pause] = {}
    for at, event in told:
        for key in _keys_ended_by(event, lasting):
            found = lasting.pop(key)
            yield structs.replace(found, ended=at if found.ended is None else min(found.ended, at))
        match event:
            case Paused(account, until, why):
                begun = lasting.get((account, "throttled"), Pause(account, "throttled", at, until, why))
                lasting[account, "throttled"] = structs.replace(begun, ended=until)
            case ThrottlingEnded(account, since, until, refusals):
                begun = lasting.pop((account, "throttled"), Pause(account, "throttled", since, until, ""))
                yield structs.replace(begun, began=since, ended=until, refusals=refusals)
            case QuotaUsedUp(account, limit, until):
                lasting[account, "quota"] = Pause(account, "quota", at, until, f"{limit} is used up")
            case ShopDown(account, why, since):
                lasting[account, "unreachable"] = Pause(account, "unreachable", since, None, why)
            case _:
                pass
    yield from lasting.values()


def _keys_ended_by(event: Event, lasting: Mapping[_Key, Pause]) -> list[_Key]:
    match event:
        case QuotaUsedUp(account):
            return [key for key in lasting if key == (account, "quota")]
        case ShopUp(account):
            return [key for key in lasting if key == (account, "unreachable")]
        case AccountClosed(account):
            return [key for key in lasting if key[0] == account]
        case RunStarted() | RunResumed() | RunFinished() | RunStopped():
            return list(lasting)
        case _:
            return []
