"""Owns one operation from its past to its ending: the only loop that talks to a shop; it does not know platforms.

What follows from a reply is decided in transitions.py; here it is carried out.
"""

from collections.abc import Iterator
from functools import partial
from typing import assert_never

import msgspec
from msgspec.structs import replace

from batchcart.engine.beside import LARGE, beside
from batchcart.engine.health import until_up
from batchcart.engine.session import Lane
from batchcart.engine.token_refresh import renew
from batchcart.engine.transitions import (
    Action,
    Execution,
    Finish,
    Leave,
    Renew,
    Retry,
    Send,
    begin,
    react,
    settling,
)
from batchcart.journal.result_line import Ending, moment
from batchcart.model.adapter import Known
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Refused, Unknown
from batchcart.model.reasons import without


def started(
    lane: Lane,
    operation: Operation,
    known: Known,
    past: tuple[Past, int, int, float | None] = ((), 0, 0, None),
    *,
    looks_only: bool = False,
) -> Execution:
    """The operation as far as earlier starts brought it: its past, its sends, those astray, the time of the first."""
    adapter = lane.account.adapter
    cell, timeout = adapter.cells[operation.kind], lane.account.options.timeout
    return Execution(operation, known, cell, adapter.trouble, timeout, *past, looks_only=looks_only)


async def execute(op: Execution, lane: Lane) -> Ending | None:
    """Bring the operation to its ending; None where it stays open because the lane was halted."""
    trouble = lane.brake.troubles.get(op.operation.kind)
    if trouble is not None and trouble.lasts:
        with lane.may_break_off():
            await trouble.alone.acquire()
        try:
            if trouble.lasts:
                return await _carry_out(op, lane)
        finally:
            trouble.alone.release()
    return await _carry_out(op, lane)


async def _carry_out(op: Execution, lane: Lane) -> Ending | None:
    if op.past and not await lane.wait(settling(op.past, lane.wall())):
        return None
    sent_before, turn = op.sends, lane.brake.turn(op.operation.kind)
    action = begin(op)
    while True:
        match action:
            case Finish(outcome):
                if op.sends > sent_before:
                    _count(op, lane, outcome, turn)
                return _ending(op, lane, outcome)
            case Leave():
                return None
            case Retry(request, tries, least):
                if not await lane.wait_to_retry(tries, least):
                    return None
                op, action = await _say(op, lane, request)
            case Send(request) | Renew(request):
                op, action = await _say(op, lane, request)
            case _:
                assert_never(action)


async def _say(op: Execution, lane: Lane, request: Request) -> tuple[Execution, Action]:
    """Send one request; the operation after the reply, and what is done next."""
    settles = op.settles and lane.settles and not request.writes
    if (lane.halted or lane.down_since is not None) and not settles and not await until_up(lane):
        return op, Leave()
    used = lane.credentials
    heard = await lane.say(op.operation.line, op.sends + 1, request, settles=settles)
    if heard is None:
        return op, Leave() if lane.halted else Send(request)
    make = partial(react, op, request, heard.reply, heard.at)
    large = isinstance(heard.reply, Response) and len(heard.reply.body) >= LARGE
    reaction = await beside(lane.reading, make) if large else make()
    if reaction.note:
        lane.note(op.operation.line, heard, reaction.note)
    lane.take(reaction.signal, used)
    match reaction.action:
        case Renew(_, denied, again) if not await renew(lane, denied, used, again=again):
            return reaction.execution, Leave()
        case action:
            return reaction.execution, action


def _count(op: Execution, lane: Lane, outcome: Done | Refused | Unknown, turn: int) -> None:
    """Take in how the line ended; where the account is to be stopped because of it, stop it."""
    kind = op.operation.kind
    if isinstance(outcome, Done):
        lane.brake.ended_well(kind)
        return
    why = without(outcome.message if isinstance(outcome, Refused) else outcome.evidence, _own_words(op))
    if stop := lane.brake.count(kind, outcome, why, foreign=op.foreign, turn=turn):
        lane.stop(stop, op.why if stop.why == "foreign" else why)


def _own_words(op: Execution) -> Iterator[str]:
    """What an error of this line alone may quote: its names and keys, and the texts of its data."""
    operation, known = op.operation, op.known
    names = (operation.cart, operation.item, operation.cart_id, operation.item_id, known.cart_id, known.new_key)
    yield from (name for name in (*names, *known.items.values()) if name)
    for text in (operation.data, operation.query):
        yield from _texts(msgspec.json.decode(text)) if text else ()


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            pass


def _ending(op: Execution, lane: Lane, outcome: Done | Refused | Unknown) -> Ending:
    elapsed = 0.0 if op.first_at is None else max(0.0, lane.wall() - op.first_at)
    if isinstance(outcome, Unknown) and op.first_at is not None:
        outcome = replace(outcome, evidence=f"{outcome.evidence} (first sent {moment(op.first_at)})")
    if isinstance(outcome, Refused | Unknown) and op.body and not outcome.body:
        outcome = replace(outcome, body=excerpt(op.body))
    return Ending(outcome, min(op.astray + 1, op.sends), op.status, op.first_at, elapsed)
