"""Owns what a result line says; it does not know how an operation came to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from batchcart.operation import Operation
from batchcart.outcome import Done, Outcome, Reason, Refused, Skipped, Status, Unknown

_BODY_SHOWN = 2048


@dataclass(frozen=True, slots=True)
class Ending:
    """An operation's outcome with its figures: sends that were needed, times in wall-clock seconds."""

    outcome: Outcome
    attempts: int = 0
    http_status: int | None = None
    sent_at: float | None = None
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """One result line. ``names`` holds the platform's own, such as OrderKey, session_id or user_key."""

    line: int
    account: str
    platform: str
    op: str
    status: Status
    id: str | int | None = None
    cart: str | None = None
    item: str | None = None
    cart_id: str | None = None
    item_id: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    http_status: int | None = None
    attempts: int = 0
    sent_at: str | None = None
    elapsed_ms: float | None = None
    body: Any = None
    error: Mapping[str, Any] | None = None


def status_of(outcome: Outcome) -> Status:
    """The ending as the result file names it."""
    match outcome:
        case Done():
            return Status.OK
        case Refused():
            return Status.FAILED
        case Unknown():
            return Status.IN_DOUBT
        case Skipped():
            return Status.SKIPPED


def result_text(operation: Operation, platform: str, ending: Ending) -> bytes:
    """The result line, without its line end; a read's body goes in as the shop wrote it, numbers untouched."""
    line: dict[str, Any] = {
        "line": operation.line,
        "id": operation.id,
        "account": operation.account,
        "platform": platform,
        "op": operation.kind.value,
        "cart": operation.cart,
        "item": operation.item,
        "status": status_of(ending.outcome).value,
        "cart_id": operation.cart_id,
        "item_id": operation.item_id,
    }
    if isinstance(ending.outcome, Done):
        line |= _brought(ending.outcome)
    line |= {"http_status": ending.http_status, "attempts": ending.attempts}
    if ending.sent_at is not None:
        line |= {"sent_at": moment(ending.sent_at), "elapsed_ms": round(ending.elapsed * 1000, 1)}
    if not isinstance(ending.outcome, Done):
        line["error"] = _error(ending.outcome, ending.http_status)
    elif ending.outcome.body:
        line["body"] = orjson.Fragment(ending.outcome.body)
    return orjson.dumps({name: value for name, value in line.items() if value is not None})


def _brought(outcome: Done) -> dict[str, str]:
    """The ids that an operation brought, in our words and in the platform's."""
    ids = {"cart_id": outcome.cart_id, "item_id": outcome.item_id, **outcome.names}
    return {name: value for name, value in ids.items() if value}


def read_result(text: bytes) -> Result:
    """A result line back as a value; the platform's own names are whatever the contract does not list."""
    fields = orjson.loads(text)
    known = {name: fields.pop(name) for name in Result.__dataclass_fields__ if name != "names" and name in fields}
    known["status"] = Status(known["status"])
    return Result(**known, names=fields)


def moment(seconds: float) -> str:
    """A wall-clock time as results write it: UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(outcome: Refused | Unknown | Skipped, http_status: int | None) -> dict[str, Any]:
    error: dict[str, Any]
    match outcome:
        case Refused(reason, message, _):
            error = {"kind": reason.value, "message": message}
        case Unknown(evidence):
            error = {"kind": Reason.UNKNOWN.value, "message": evidence}
        case Skipped(needed, message):
            error = {"kind": Reason.DEPENDENCY.value, "message": message, "line": needed}
    if http_status is not None:
        error["http_status"] = http_status
    if isinstance(outcome, Refused) and outcome.body:
        error["body"] = outcome.body.encode()[:_BODY_SHOWN].decode(errors="ignore")
    return error
