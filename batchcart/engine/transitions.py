"""Owns what follows from one reply: pure functions from an operation and a reply to what is done next.

They do no I/O and know no clock. What they say, and who does it, stands in reaction.py.

A reply ends the operation, asks for the next request, or is trouble. Trouble of the network or the platform is retried;
trouble of the account (throttled, refused, not the platform at all) is signalled first, so that all of its lines wait.
"""

from typing import assert_never

from msgspec.structs import replace

from batchcart.engine.looks import SURE_AFTER, is_recent, misleads, up_to_last_write, wait_before
from batchcart.engine.reaction import (
    Action,
    Barred,
    Execution,
    Finish,
    Healthy,
    LeavePending,
    Reaction,
    RefreshTokens,
    Retry,
    Send,
    Signal,
    Suspicious,
    Unhealthy,
)
from batchcart.engine.retry import MOST_TRIES, retry_after
from batchcart.model.http import Exchange, LostWrite, NoResponse, NotSent, Reply, Request, Response
from batchcart.model.outcome import (
    ErrorKind,
    Failed,
    Foreign,
    InDoubt,
    Step,
    Succeeded,
    Throttled,
    Unauthorized,
    Unavailable,
)
from batchcart.model.throttle import read_throttle

_MOST_THROTTLED = 100
"""How often one operation may be answered 429 before it is given up."""

_UNAVAILABLE = 503
"""With a Retry-After it asks for a pause, as 429 does, but says nothing of what became of a write."""

MOST_FOREIGN = 5
"""How often one operation may be answered by something else than the platform while that is there for others."""


_WELL = Healthy()


def begin(op: Execution) -> Action:
    """What an operation begins with, or goes on with after the past that an earlier start left."""
    if not op.past:
        return follow(op, op.spec.build(op.operation, op.known))
    decide = op.spec.recover if isinstance(op.past[-1], LostWrite) else op.spec.interpret
    return follow(op, decide(op.operation, op.known, op.past))


def follow(op: Execution, step: Step) -> Action:
    """What an adapter's step leads to."""
    match step:
        case Request():
            return _follow_request(op, step)
        case Succeeded() | Failed() | InDoubt():
            return Finish(step)
        case Unavailable(_, then) | Foreign(_, then):
            return follow(op, then)
        case Throttled() | Unauthorized():
            # Neither is ever in a past, and a fresh one is dealt with before.
            raise AssertionError(step)
        case _:
            assert_never(step)


def _follow_request(op: Execution, request: Request) -> Send | Finish:
    if request.writes and op.read_only:
        return Finish(Failed(ErrorKind.NETWORK, f"{request} did not happen: the shop does not have it"))
    if request.writes and op.foreign_writes >= MOST_FOREIGN:
        return Finish(_shut_out(op))
    return Send(request) if op.tries < MOST_TRIES else Finish(_give_up(op))


def react(op: Execution, request: Request, reply: Reply, at: float) -> Reaction:
    """What follows from the reply to a request that left at wall-clock time ``at``; its answer is without secrets."""
    first_at = at if op.first_at is None else op.first_at
    writes, sure = op.writes_sent + request.writes, op.sure and not request.writes
    status, body = (reply.status, reply.body) if isinstance(reply, Response) else (op.status, op.body)
    op = replace(op, sends=op.sends + 1, writes_sent=writes, first_at=first_at, sure=sure, status=status, body=body)
    match reply:
        case Response() as response:
            exchange = Exchange(request, response, at)
            if response.status in op.busy:
                step: Step = read_throttle(f"the shop answered HTTP {response.status}, which `busy` names", response)
            else:
                step = op.spec.interpret(op.operation, op.known, (*op.past, exchange))
            if isinstance(step, Succeeded) and not _is_early(op, exchange, step):
                return Reaction(op, Finish(step), _WELL)
            return _after_response(op, exchange, step)
        case NotSent(why, remedy):
            op = replace(op, wasted=op.wasted + 1, why=why)
            signal = Barred(why, remedy) if remedy else Unhealthy(why, alarming=True)
            return Reaction(op, Send(request), signal, "void")
        case NoResponse() as unanswered:
            return _after_loss(op, request, unanswered, at)


def _after_loss(op: Execution, request: Request, unanswered: NoResponse, at: float) -> Reaction:
    why = unanswered.why
    op = replace(op, wasted=op.wasted + 1, tries=op.tries + 1, why=why, cut_off=True, status=None, body=b"")
    if not request.writes:
        return Reaction(op, _retry(op, request), Unhealthy(why), "void")
    op = replace(op, past=(*op.past, LostWrite(request, why, at)))
    action = follow(op, op.spec.recover(op.operation, op.known, op.past))
    if isinstance(action, Send):
        least = op.timeout if unanswered.timed_out else wait_before(action.request)
        op = replace(op, sure=least >= SURE_AFTER)
        return Reaction(op, _retry(op, action.request, least), Unhealthy(why), "lost")
    # Each line that goes on may end in doubt as well.
    return Reaction(op, action, Unhealthy(why, alarming=True), "lost")


def _after_response(op: Execution, exchange: Exchange, step: Step) -> Reaction:
    """What follows from an answer that does not end it well."""
    request = exchange.request
    match step:
        case Throttled() as busy:
            op = replace(op, wasted=op.wasted + 1, throttled=op.throttled + 1)
            return Reaction(op, _after_throttling(op, request, busy), busy, "void")
        case Unauthorized() as denied:
            action = RefreshTokens(request, denied, op.denied)
            return Reaction(replace(op, wasted=op.wasted + 1, denied=True), action, note="void")
        case Unavailable(message, then, slow, pause):
            says = exchange.response.status == _UNAVAILABLE and retry_after(pause, exchange.at) is not None
            asks = says and op.throttled < _MOST_THROTTLED
            failed = _after_failure(op, exchange, message, keeps=request.writes)
            op = replace(failed, tries=op.tries, throttled=op.throttled + 1) if asks else failed
            signal: Signal = Throttled(message, pause, teaches=False) if asks else Unhealthy(message, pause=pause)
            least = (op.timeout if slow else wait_before(then)) if request.writes else 0.0
            op = replace(op, sure=op.sure or least >= SURE_AFTER)
            return Reaction(op, _retry(op, then, least), signal, "failing" if request.writes else "void")
        case Foreign() as foreign:
            return _shut(op, exchange, foreign)
        case _ if _is_early(op, exchange, step):
            return _look_again(op, exchange)
        case _:
            blocked = op.foreign and op.foreign_writes > 0 and not request.writes
            op = replace(op, denied=False, foreign=blocked, past=(*op.past, exchange))
            note = "" if isinstance(step, Failed) else "answered"  # its ending takes the past away as well
            return Reaction(op, follow(op, step), _signal(op, exchange), note)


def _is_early(op: Execution, exchange: Exchange, step: Step) -> bool:
    """Whether this look at what became of a write is to be taken again before it is believed."""
    if op.sure or not op.past:
        return False
    repeats = not op.read_only and op.foreign_writes < MOST_FOREIGN
    doubtful = misleads(step, op.past, exchange, op.operation.kind, op.known, repeats=repeats, foreign=op.foreign)
    return doubtful and is_recent(op.past, exchange.at, op.timeout)


def _look_again(op: Execution, exchange: Exchange) -> Reaction:
    """What follows from a look that came too early: the same look, from its beginning."""
    op = replace(op, sure=True, denied=False, past=up_to_last_write(op.past))
    action = begin(op)
    if isinstance(action, Send):
        action = Retry(action.request, 0, SURE_AFTER)
    return Reaction(op, action, _signal(op, exchange), "answered")


def _signal(op: Execution, exchange: Exchange) -> Signal:
    match op.classify(exchange):
        case Unavailable(message, retry_after=pause):
            # Each line that goes on now may end in doubt as well.
            return Unhealthy(message, alarming=True, pause=pause)
        case Foreign(message):
            return Suspicious(message)
        case _:
            return _WELL


def _shut(op: Execution, exchange: Exchange, foreign: Foreign) -> Reaction:
    """What follows from an answer that is not the platform's: whether the write happened is asked, once it is there."""
    request, then = exchange.request, foreign.then
    keeps = request.writes and not foreign.void
    op = replace(_after_failure(op, exchange, foreign.message, keeps=keeps), foreign=True)
    reads, writes = op.foreign_reads + (not request.writes), op.foreign_writes + request.writes
    op = replace(op, foreign_reads=reads, foreign_writes=writes)
    redirected = exchange.response.redirects
    asks = isinstance(then, Request) and keeps and not then.writes
    action: Action
    if not isinstance(then, Request):
        action = Finish(then)
    elif redirected:
        action = Send(then) if asks else LeavePending()
        op = replace(op, settles=asks)
    elif op.foreign_reads >= MOST_FOREIGN:
        action = Finish(_give_up(op))
    elif op.foreign_writes >= MOST_FOREIGN and not asks:
        action = Finish(_shut_out(op))
    else:
        action = _retry(op, then, wait_before(then) if asks else 0.0)
    return Reaction(op, action, Suspicious(foreign.message, redirected), "failing" if keeps else "void")


def _after_failure(op: Execution, exchange: Exchange, why: str, *, keeps: bool) -> Execution:
    """The operation after an answer that says nothing of it; one to a write that may have been acted on is kept."""
    past = (*op.past, exchange) if keeps else op.past
    return replace(op, wasted=op.wasted + 1, tries=op.tries + 1, why=why, cut_off=False, past=past)


def _retry(op: Execution, request: Request, least: float = 0.0) -> Action:
    action = follow(op, request)
    return Retry(request, op.tries, least) if isinstance(action, Send) else action


def _after_throttling(op: Execution, request: Request, busy: Throttled) -> Action:
    if op.throttled < _MOST_THROTTLED:
        return Send(request)
    return Finish(_in_doubt(op) or Failed(ErrorKind.THROTTLED, f"{busy.message}, {op.throttled} times for this line"))


def _give_up(op: Execution) -> Failed | InDoubt:
    """The ending of an operation that failed too often at a shop that is up."""
    reason = ErrorKind.NETWORK if op.cut_off else ErrorKind.PLATFORM
    return _in_doubt(op) or Failed(reason, f"{op.why}, in each of {op.tries} tries")


def _shut_out(op: Execution) -> Failed:
    """The ending of a write that something in front of the shop keeps from it, and that did not happen."""
    return Failed(ErrorKind.PLATFORM, f"{op.why}, in each of {op.foreign_writes} tries, although the shop is there")


def _in_doubt(op: Execution) -> InDoubt | None:
    """The ending of an operation that may have happened and cannot be asked about any longer."""
    writes = [step for step in op.past if step.request.writes]
    if not writes or op.spec.idempotent:
        return None
    first = writes[0]
    became = "not answered" if isinstance(first, LostWrite) else f"answered HTTP {first.response.status}"
    return InDoubt(f"{first.request} was sent and {became}, and then reading the shop kept failing: {op.why}")
