"""Owns what a result line says; it does not know how an operation came to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from batchcart.model.excerpt import excerpt
from batchcart.model.json_text import plain
from batchcart.model.operation import Operation
from batchcart.model.outcome import ErrorKind, Failed, InDoubt, Outcome, Skipped, Status, Succeeded
from batchcart.model.text import format_timestamp


class Completion(msgspec.Struct, frozen=True):
    """An operation's outcome with its figures: sends that were needed, times in wall-clock seconds."""

    outcome: Outcome
    attempts: int = 0
    http_status: int | None = None
    sent_at: float | None = None
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """One result line. ``names`` holds the platform's own."""

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
        case Succeeded():
            return Status.OK
        case Failed():
            return Status.FAILED
        case InDoubt():
            return Status.IN_DOUBT
        case Skipped():
            return Status.SKIPPED


def encode_result(operation: Operation, platform: str, ending: Completion) -> bytes:
    """The result line, without its line end; a read's body goes in as the shop wrote it, numbers untouched."""
    outcome = ending.outcome
    line = _echo(operation, platform)
    line["status"] = status_of(outcome)
    if operation.cart_id is not None:
        line["cart_id"] = operation.cart_id
    if operation.item_id is not None:
        line["item_id"] = operation.item_id
    if isinstance(outcome, Succeeded):
        _bring(line, outcome)
    if ending.http_status is not None:
        line["http_status"] = ending.http_status
    line["attempts"] = ending.attempts
    if ending.sent_at is not None:
        line["sent_at"] = format_timestamp(ending.sent_at)
        line["elapsed_ms"] = round(ending.elapsed * 1000, 1)
    if not isinstance(outcome, Succeeded):
        line["error"] = _error(outcome, ending.http_status)
    elif outcome.body:
        line["body"] = orjson.Fragment(outcome.body)
    return orjson.dumps(line)


def _echo(operation: Operation, platform: str) -> dict[str, Any]:
    """What the job line says of itself; keys that it does not have are left out."""
    line: dict[str, Any] = {"line": operation.line}
    if operation.id is not None:
        line["id"] = operation.id
    line["account"] = operation.account
    line["platform"] = platform
    line["op"] = operation.kind
    if operation.cart is not None:
        line["cart"] = operation.cart
    if operation.item is not None:
        line["item"] = operation.item
    return line


def _bring(line: dict[str, Any], outcome: Succeeded) -> None:
    """Put the ids that an operation brought into the line, in our words and in the platform's."""
    if outcome.cart_id:
        line["cart_id"] = outcome.cart_id
    if outcome.item_id:
        line["item_id"] = outcome.item_id
    line.update({name: value for name, value in outcome.names.items() if value})


def read_result(text: bytes) -> Result:
    """A result line back as a value; the platform's own names are whatever the contract does not list.

    Raises ValueError if it is not a result line.
    """
    fields = plain(text)
    if not isinstance(fields, dict) or not fields.keys() >= _NEEDED:
        raise ValueError("it is not a result line")
    known = {name: fields.pop(name) for name in Result.__dataclass_fields__ if name != "names" and name in fields}
    known["status"] = Status(known["status"])
    return Result(**known, names=fields)


_NEEDED = {"line", "account", "platform", "op", "status"}


def _error(outcome: Failed | InDoubt | Skipped, http_status: int | None) -> dict[str, Any]:
    error: dict[str, Any]
    match outcome:
        case Failed(reason, message, _):
            error = {"kind": reason.value, "message": message}
        case InDoubt(evidence, _):
            error = {"kind": ErrorKind.UNKNOWN.value, "message": evidence}
        case Skipped(needed, message):
            error = {"kind": ErrorKind.DEPENDENCY.value, "message": message, "line": needed}
    if http_status is not None:
        error["http_status"] = http_status
    if not isinstance(outcome, Skipped) and outcome.body:
        error["body"] = excerpt(outcome.body.encode(errors="replace"))
    return error
