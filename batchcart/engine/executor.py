"""Owns one operation from its past to its ending: the only loop that talks to a shop; it does not know platforms.

What follows from a reply is decided in transitions.py; here it is carried out.
"""

import math
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import assert_never

import msgspec
from msgspec.structs import replace

from batchcart.engine.circuit_breaker import BadEndings
from batchcart.engine.closing import close_for_endings
from batchcart.engine.looks import SURE_AFTER, date_last_write, settling, up_to_last_write
from batchcart.engine.offload import is_large
from batchcart.engine.outage import wait_until_up
from batchcart.engine.reaction import Action, Execution, Finish, Healthy, LeavePending, RefreshTokens, Retry, Send
from batchcart.engine.replay import NO_PAST, Past
from batchcart.engine.session import AccountSession
from batchcart.engine.signals import take
from batchcart.engine.token_refresh import refresh_tokens
from batchcart.engine.transitions import begin, react
from batchcart.journal.result_line import Completion
from batchcart.model.adapter import CartContext
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, NoResponse, Request
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Failed, InDoubt, Succeeded
from batchcart.model.reasons import without
from batchcart.model.text import format_timestamp

_LOST = {"lost", "failing"}
"""The states in the journal of a write that may still be acted on."""

_REMEMBERED = {*_LOST, "answered"}
"""Those of a request that belongs to its operation's past."""


def restore_execution(
    session: AccountSession,
    operation: Operation,
    known: CartContext,
    past: Past = NO_PAST,
    *,
    read_only: bool = False,
) -> Execution:
    """The operation as far as earlier starts brought it: its past, its sends, those in vain, the time of the first.

    A look that an earlier start did not come to the end of is begun again.
    """
    adapter = session.account.adapter
    spec, options = adapter.operations[operation.kind], session.account.options
    classify, busy = adapter.errors.classify, frozenset(options.busy)
    op = Execution(operation, known, spec, classify, options.timeout, *past, read_only=read_only, busy=busy)
    if not op.past:
        return op
    before = session.opened_at  # whatever was sent before this session was over by then
    op = replace(op, past=up_to_last_write(op.past), written_at=before, lost_at=before)
    return op if read_only else replace(op, writes_sent=sum(step.request.writes for step in op.past))


def _allow_for_wall_clock(op: Execution, session: AccountSession) -> Execution:
    """The operation with its last write as late as it may have been sent, however the wall clock was set since."""
    ago = session.clocks.monotonic() - op.written_at
    return replace(op, past=date_last_write(op.past, session.clocks.wall() - ago - op.timeout))


def execute(op: Execution, session: AccountSession) -> Coroutine[None, None, Completion | None]:
    """Bring the operation to its ending; None where it stays open because the session was halted."""
    bad = session.breaker.bad_endings.get(op.operation.kind)
    return _carry_out(op, session) if bad is None or not bad.lasts else _carry_out_alone(op, session, bad)


async def _carry_out_alone(op: Execution, session: AccountSession, bad: BadEndings) -> Completion | None:
    """Carry it out once no other line of its kind is under way, unless one has ended well meanwhile."""
    with session.signal.cancellable():
        await bad.alone.acquire()
    try:
        if bad.lasts:
            return await _carry_out(op, session)
    finally:
        bad.alone.release()
    return await _carry_out(op, session)


async def _carry_out(op: Execution, session: AccountSession) -> Completion | None:
    if op.past and not await session.signal.wait(settling(op.past, session.clocks.wall())):
        return None
    sent_before, turn = op.sends, session.breaker.turn(op.operation.kind)
    last = op.past[-1] if op.past else None
    action = await session.interpret(last.response, partial(begin, op)) if isinstance(last, Exchange) else begin(op)
    while True:
        match action:
            case Send(request) | RefreshTokens(request):
                op, action = await _send_request(op, session, request)
            case Finish(outcome):
                if op.writes_sent > 1 and op.spec.idempotent:
                    await session.signal.wait(max(0.0, op.lost_at + SURE_AFTER - session.clocks.monotonic()))
                if op.sends > sent_before:
                    _count(op, session, outcome, turn)
                return _ending(op, session, outcome)
            case LeavePending():
                return None
            case Retry(request, tries, least):
                settles = op.settles and not request.writes
                if not await session.wait_to_retry(tries, least, settles=settles):
                    return None
                op, action = await _send_request(op, session, request)
            case _:
                assert_never(action)


async def _send_request(op: Execution, session: AccountSession, request: Request) -> tuple[Execution, Action]:
    """Send one request; the operation after the reply, and what is done next."""
    settles = op.settles and session.signal.settles and not request.writes
    if (session.stopped or session.health.down_since is not None) and not settles and not await wait_until_up(session):
        return op, LeavePending()
    used = session.auth.credentials
    received = await session.send_request(op.operation.line, op.sends + 1, request, settles=settles)
    if received is None:
        return op, LeavePending() if session.stopped else Send(request)
    if op.past and op.written_at > -math.inf:
        op = _allow_for_wall_clock(op, session)
    if is_large(received.reply):
        reaction = await session.interpret(received.reply, partial(react, op, request, received.reply, received.at))
    else:
        reaction = react(op, request, received.reply, received.at)
    if (line := _owner(op, session, request, reaction.action)) != op.operation.line:
        received = replace(received, reply=NoResponse(f"the shop answered with the cart that line {line} created"))
        reaction = react(op, request, received.reply, received.at)
    op = reaction.execution
    if reaction.note in _REMEMBERED and request.writes:
        now = session.clocks.monotonic()
        op = replace(op, written_at=now, lost_at=now if reaction.note in _LOST else op.lost_at)
    if reaction.note:
        await session.record(op.operation.line, received, reaction.note)
    take(session, reaction.signal, used)
    if settles and not isinstance(reaction.signal, Healthy):
        return op, LeavePending()  # what the shop does not say while its account closes, it says later
    match reaction.action:
        case RefreshTokens(_, denied, again) if not await refresh_tokens(session, denied, used, again=again):
            return op, LeavePending()
        case action:
            return op, action


def _owner(op: Execution, session: AccountSession, request: Request, action: Action) -> int:
    """The line that has the cart which the action says was created; that of the operation itself, if none else has."""
    operation = op.operation
    match action:
        case Finish(Succeeded(cart_id=str(key))) if request.writes and operation.kind is OperationKind.CART_CREATE:
            owner = session.given.give(key, operation.line)
            return owner if op.known.cart_id is None else operation.line
        case _:
            return operation.line


def _count(op: Execution, session: AccountSession, outcome: Succeeded | Failed | InDoubt, turn: int) -> None:
    """Take in how the line ended; where the account is to be stopped because of it, stop it."""
    kind = op.operation.kind
    if isinstance(outcome, Succeeded):
        session.breaker.record_ok(kind)
        return
    why = without(outcome.message if isinstance(outcome, Failed) else outcome.evidence, _own_words(op))
    if stop := session.breaker.count(kind, outcome, why, foreign=op.foreign, turn=turn):
        close_for_endings(session, stop, op.why if stop.why == "foreign" else why)


def _own_words(op: Execution) -> Iterator[str]:
    """What an error of this line alone may quote: its names and keys, and the texts of its data."""
    operation, known = op.operation, op.known
    names = (operation.cart, operation.item, operation.cart_id, operation.item_id, known.cart_id, known.generated_key)
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


def _ending(op: Execution, session: AccountSession, outcome: Succeeded | Failed | InDoubt) -> Completion:
    elapsed = 0.0 if op.first_at is None else max(0.0, session.clocks.wall() - op.first_at)
    if isinstance(outcome, InDoubt) and op.first_at is not None:
        outcome = replace(outcome, evidence=f"{outcome.evidence} (first sent {format_timestamp(op.first_at)})")
    if op.body and not isinstance(outcome, Succeeded) and not outcome.body:
        outcome = replace(outcome, body=excerpt(op.body))
    return Completion(outcome, min(op.wasted + 1, op.sends), op.status, op.first_at, elapsed)
