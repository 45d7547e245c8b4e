"""Owns what follows from one reply: pure functions from an operation and a reply to what is done next.

They do no I/O and know no clock. The executor carries out the action, the session takes in the signal, and the journal
gets the note. An operation is a past, which a new process finds in the journal, and figures, which it does not need.

A reply ends the operation, asks for the next request, or is trouble. Trouble of the network or the platform is retried;
trouble of the account (throttled, refused, not the platform at all) is signalled first, so that all of its lines wait.
"""

from collections.abc import Callable
from typing import assert_never

import msgspec
from msgspec.structs import replace

from batchcart.engine.retry import MOST_TRIES
from batchcart.model.adapter import Cell, Known
from batchcart.model.http import Exchange, Lost, NotSent, Past, Reply, Request, Response, Unanswered
from batchcart.model.operation import Operation
from batchcart.model.outcome import AccountTrouble, Busy, Denied, Done, Failing, Foreign, Reason, Refused, Step, Unknown

_SETTLED_AFTER = 2.0
"""Seconds after its sending from which a request that was on its way when we died has surely been acted on."""

_CUT_SETTLED_AFTER = 0.5
"""Seconds to leave a shop that cut the line, or failed, before asking it what it did."""

_MOST_THROTTLED = 100
"""How often one operation may be answered 429 before it is given up."""

MOST_FOREIGN = 5
"""How often one operation may be answered by something else than the platform while that is there for others."""


class Execution(msgspec.Struct, frozen=True):
    """One operation under way: what was said and heard, and the figures of its result line.

    ``trouble`` is the adapter's. ``foreign``: something else than the platform answered its write, or its read. With
    ``looks_only`` nothing is written any more: where a write would follow, it has not happened. ``settles`` says that
    its account is closing and it may still ask what became of its write.
    """

    operation: Operation
    known: Known
    cell: Cell
    trouble: Callable[[Exchange], AccountTrouble | None]
    timeout: float = 30.0
    past: Past = ()
    sends: int = 0
    astray: int = 0
    first_at: float | None = None
    tries: int = 0
    throttled: int = 0
    foreign_reads: int = 0
    foreign_writes: int = 0
    status: int | None = None
    body: bytes = b""
    why: str = ""
    cut_off: bool = False
    denied: bool = False
    foreign: bool = False
    looks_only: bool = False
    settles: bool = False


# ---- what is done next


class Send(msgspec.Struct, frozen=True):
    """Send the request."""

    request: Request


class Retry(msgspec.Struct, frozen=True):
    """Send the request after a pause that grows with the ``tries``, of at least so many seconds."""

    request: Request
    tries: int
    least: float = 0.0


class Renew(msgspec.Struct, frozen=True):
    """Renew the credentials, then send the request; ``again``: they were refused to it before."""

    request: Request
    denied: Denied
    again: bool


class Finish(msgspec.Struct, frozen=True):
    """The operation has ended."""

    outcome: Done | Refused | Unknown


class Leave(msgspec.Struct, frozen=True):
    """The line stays open; its past is in the journal."""


Action = Send | Retry | Renew | Finish | Leave


# ---- what the account learns from it


class Well(msgspec.Struct, frozen=True):
    """The platform answered as one that is up, and took the credentials."""


class Unwell(msgspec.Struct, frozen=True):
    """A request failed; an ``alarming`` failure alone makes an outage. ``pause`` is a Retry-After as written."""

    why: str
    alarming: bool = False
    pause: str = ""


class Suspect(msgspec.Struct, frozen=True):
    """Something else than the platform answered; ``moved``: it redirects, which needs no second look."""

    why: str
    moved: bool = False


Signal = Well | Unwell | Suspect | Busy


class Reaction(msgspec.Struct, frozen=True):
    """The operation after the reply, what is done next, and what account and journal get of it.

    ``note`` is the state of the request in the journal; "" where the ending follows at once and takes the past away.
    """

    execution: Execution
    action: Action
    signal: Signal | None = None
    note: str = ""


_WELL = Well()


def begin(op: Execution) -> Action:
    """What an operation begins with, or goes on with after the past that an earlier start left."""
    if not op.past:
        return follow(op, op.cell.build(op.operation, op.known))
    hear = op.cell.recover if isinstance(op.past[-1], Lost) else op.cell.interpret
    return follow(op, hear(op.operation, op.known, op.past))


def settling(past: Past, now: float) -> float:
    """Seconds to leave the shop that a request was on its way to when the process died, at wall-clock time ``now``."""
    last = past[-1] if past else None
    return min(max(0.0, last.at + _SETTLED_AFTER - now), _SETTLED_AFTER) if isinstance(last, Lost) else 0.0


def follow(op: Execution, step: Step) -> Action:
    """What an adapter's step leads to."""
    match step:
        case Request(writes=True) if op.looks_only:
            return Finish(Refused(Reason.NETWORK, f"{step} did not happen: the shop does not have it"))
        case Request(writes=True) if op.foreign_writes >= MOST_FOREIGN:
            return Finish(_shut_out(op))
        case Request() if op.tries < MOST_TRIES:
            return Send(step)
        case Request():
            return Finish(_given_up(op))
        case Done() | Refused() | Unknown():
            return Finish(step)
        case Failing(_, then) | Foreign(_, then):
            return follow(op, then)
        case Busy() | Denied():
            # Neither is ever in a past, and a fresh one is dealt with before.
            raise AssertionError(step)
        case _:
            assert_never(step)


def react(op: Execution, request: Request, reply: Reply, at: float) -> Reaction:
    """What follows from the reply to a request that left at wall-clock time ``at``; its answer is without secrets."""
    op = replace(op, sends=op.sends + 1, first_at=at if op.first_at is None else op.first_at)
    match reply:
        case Response() as response:
            exchange = Exchange(request, response, at)
            step = op.cell.interpret(op.operation, op.known, (*op.past, exchange))
            op = replace(op, status=response.status, body=response.body)
            if isinstance(step, Done):
                return Reaction(op, Finish(step), _WELL)
            return _answered(op, exchange, step)
        case NotSent(why):
            op = replace(op, astray=op.astray + 1, why=why)
            return Reaction(op, Send(request), Unwell(why, alarming=True), "void")
        case Unanswered() as unanswered:
            return _unanswered(op, request, unanswered, at)


def _unanswered(op: Execution, request: Request, unanswered: Unanswered, at: float) -> Reaction:
    why = unanswered.why
    op = replace(op, astray=op.astray + 1, tries=op.tries + 1, why=why, cut_off=True, status=None, body=b"")
    if not request.writes:
        return Reaction(op, _retry(op, request), Unwell(why), "void")
    op = replace(op, past=(*op.past, Lost(request, why, at)))
    action = follow(op, op.cell.recover(op.operation, op.known, op.past))
    if isinstance(action, Send):
        least = op.timeout if unanswered.slow else _before(action.request)
        return Reaction(op, _retry(op, action.request, least), Unwell(why), "lost")
    return Reaction(op, action, Unwell(why, alarming=True), "lost")  # each line that goes on may end in doubt as well


def _answered(op: Execution, exchange: Exchange, step: Step) -> Reaction:
    """What follows from an answer that does not end it well."""
    request = exchange.request
    match step:
        case Busy() as busy:
            op = replace(op, astray=op.astray + 1, throttled=op.throttled + 1)
            return Reaction(op, _after_throttling(op, request, busy), busy, "void")
        case Denied() as denied:
            action = Renew(request, denied, op.denied)
            return Reaction(replace(op, astray=op.astray + 1, denied=True), action, note="void")
        case Failing(message, then, slow, pause):
            op = _failed(op, exchange, message, keeps=request.writes)
            least = (op.timeout if slow else _before(then)) if request.writes else 0.0
            note = "failing" if request.writes else "void"
            return Reaction(op, _retry(op, then, least), Unwell(message, pause=pause), note)
        case Foreign() as foreign:
            return _shut(op, exchange, foreign)
        case _:
            kept_out = op.foreign and op.foreign_writes > 0 and not request.writes
            op = replace(op, denied=False, foreign=kept_out, past=(*op.past, exchange))
            note = "" if isinstance(step, Refused) else "answered"  # its ending takes the past away as well
            return Reaction(op, follow(op, step), _signal(op, exchange), note)


def _signal(op: Execution, exchange: Exchange) -> Signal:
    match op.trouble(exchange):
        case Failing(message):
            return Unwell(message, alarming=True)  # each line that goes on now may end in doubt as well
        case Foreign(message):
            return Suspect(message)
        case _:
            return _WELL


def _shut(op: Execution, exchange: Exchange, foreign: Foreign) -> Reaction:
    """What follows from an answer that is not the platform's: whether the write happened is asked, once it is there."""
    request, then = exchange.request, foreign.then
    keeps = request.writes and not foreign.void
    op = replace(_failed(op, exchange, foreign.message, keeps=keeps), foreign=True)
    if request.writes:
        op = replace(op, foreign_writes=op.foreign_writes + 1)
    else:
        op = replace(op, foreign_reads=op.foreign_reads + 1)
    moved = redirects(exchange.response)
    asks = isinstance(then, Request) and keeps and not then.writes
    action: Action
    if not isinstance(then, Request):
        action = Finish(then)
    elif moved:
        action = Send(then) if asks else Leave()
        op = replace(op, settles=asks)
    elif op.foreign_reads >= MOST_FOREIGN:
        action = Finish(_given_up(op))
    elif op.foreign_writes >= MOST_FOREIGN and not asks:
        action = Finish(_shut_out(op))
    else:
        action = _retry(op, then, _before(then) if asks else 0.0)
    return Reaction(op, action, Suspect(foreign.message, moved), "failing" if keeps else "void")


def redirects(response: Response) -> bool:
    """Whether the answer points elsewhere."""
    return 300 <= response.status < 400


def _failed(op: Execution, exchange: Exchange, why: str, *, keeps: bool) -> Execution:
    """The operation after an answer that says nothing of it; one to a write that may have been acted on is kept."""
    past = (*op.past, exchange) if keeps else op.past
    return replace(op, astray=op.astray + 1, tries=op.tries + 1, why=why, cut_off=False, past=past)


def _retry(op: Execution, request: Request, least: float = 0.0) -> Action:
    action = follow(op, request)
    return Retry(request, op.tries, least) if isinstance(action, Send) else action


def _after_throttling(op: Execution, request: Request, busy: Busy) -> Action:
    if op.throttled < _MOST_THROTTLED:
        return Send(request)
    return Finish(_in_doubt(op) or Refused(Reason.THROTTLED, f"{busy.message}, {op.throttled} times for this line"))


def _before(following: Request) -> float:
    """Seconds to wait before what follows an unclear answer to a write: a look that comes too early proves nothing."""
    return 0.0 if following.writes else _CUT_SETTLED_AFTER


def _given_up(op: Execution) -> Refused | Unknown:
    """The ending of an operation that failed too often at a shop that is up."""
    reason = Reason.NETWORK if op.cut_off else Reason.PLATFORM
    return _in_doubt(op) or Refused(reason, f"{op.why}, in each of {op.tries} tries")


def _shut_out(op: Execution) -> Refused:
    """The ending of a write that something in front of the shop keeps from it, and that did not happen."""
    return Refused(Reason.PLATFORM, f"{op.why}, in each of {op.foreign_writes} tries, although the shop is there")


def _in_doubt(op: Execution) -> Unknown | None:
    """The ending of an operation that may have happened and cannot be asked about any longer."""
    writes = [step for step in op.past if step.request.writes]
    if not writes or op.cell.repeatable:
        return None
    return Unknown(f"{writes[0].request} was sent and not answered, and then reading the shop kept failing: {op.why}")
