"""Owns one operation from its past to its ending: the only loop that talks to a shop; it does not know platforms."""

from dataclasses import dataclass, replace

from batchcart.adapter import Cell, Known
from batchcart.engine.lane import Heard, Lane
from batchcart.engine.retry import MOST_TRIES
from batchcart.exchange import Exchange, Lost, NotSent, Past, Request, Response, Unanswered
from batchcart.operation import Operation
from batchcart.outcome import Busy, Denied, Done, Failing, Outcome, Reason, Refused, Skipped, Step, Unknown
from batchcart.results import Ending, moment

_SETTLED_AFTER = 1.0
"""Seconds after its sending from which a request that was on its way when we died has surely been acted on."""


@dataclass(slots=True)
class Talk:
    """How far an operation has come: what was said and heard, and the figures of its result line."""

    past: Past = ()
    sends: int = 0
    astray: int = 0
    tries: int = 0
    throttled: int = 0
    status: int | None = None
    first_at: float | None = None
    why: str = ""
    unreachable: bool = False


async def converse(lane: Lane, operation: Operation, known: Known, talk: Talk) -> Ending | None:
    """Bring the operation to its ending; None where it stays open because the lane was halted."""
    cell = lane.account.adapter.cells[operation.kind]
    step = _opening(cell, operation, known, talk)
    if talk.past and not await lane.wait(_settling(talk.past, lane.wall())):
        return None
    while True:
        match step:
            case Failing(_, then):
                step = then
            case Request() as request:
                if talk.tries >= MOST_TRIES:
                    return _ending(lane, _given_up(cell, talk), talk)
                following = await _ask(lane, cell, operation, known, talk, request)
                if following is None:
                    return None
                step = following
            case Done() | Refused() | Unknown():
                return _ending(lane, step, talk)
            case Busy() | Denied():
                # Neither is ever in a past, so only a fresh answer brings one, and _ask deals with it.
                raise AssertionError(step)


def _opening(cell: Cell, operation: Operation, known: Known, talk: Talk) -> Step:
    if not talk.past:
        return cell.build(operation, known)
    if isinstance(talk.past[-1], Lost):
        return cell.recover(operation, known, talk.past)
    return cell.interpret(operation, known, talk.past)


def _settling(past: Past, now: float) -> float:
    last = past[-1]
    return min(max(0.0, last.at + _SETTLED_AFTER - now), _SETTLED_AFTER) if isinstance(last, Lost) else 0.0


async def _ask(
    lane: Lane, cell: Cell, operation: Operation, known: Known, talk: Talk, request: Request
) -> Step | None:
    """Send one request and say what follows from what came back; None where the lane was halted."""
    if not await lane.up():
        return None
    used = lane.credentials
    heard = await lane.say(operation.line, talk.sends + 1, request)
    if heard is None:
        return None
    talk.sends += 1
    if talk.first_at is None:
        talk.first_at = heard.at
    match heard.reply:
        case NotSent(why):
            return await _not_sent(lane, operation, talk, heard, request, why)
        case Unanswered() as unanswered:
            return await _unanswered(lane, cell, operation, known, talk, heard, request, unanswered)
        case Response() as response:
            talk.status = response.status
            exchange = Exchange(request, response, heard.at)
            step = cell.interpret(operation, known, (*talk.past, exchange))
            return await _answered(lane, operation, talk, heard, exchange, step, used)


async def _not_sent(
    lane: Lane, operation: Operation, talk: Talk, heard: Heard, request: Request, why: str
) -> Step | None:
    lane.note(operation.line, heard, "void")
    talk.astray += 1
    talk.why = why
    lane.unwell(why, unreachable=True)
    return request if not lane.halted else None


async def _unanswered(
    lane: Lane,
    cell: Cell,
    operation: Operation,
    known: Known,
    talk: Talk,
    heard: Heard,
    request: Request,
    unanswered: Unanswered,
) -> Step | None:
    talk.astray += 1
    talk.tries += 1
    talk.why, talk.unreachable, talk.status = unanswered.why, True, None
    lane.unwell(unanswered.why)
    lane.note(operation.line, heard, "lost" if request.writes else "void")
    step: Step = request
    least = 0.0
    if request.writes:
        talk.past = (*talk.past, Lost(request, unanswered.why, heard.at))
        step = cell.recover(operation, known, talk.past)
        # A shop that was too slow may still be at it: what is read too early proves nothing.
        least = 0.0 if cell.repeatable else (lane.account.options.timeout if unanswered.slow else 0.2)
    if not isinstance(step, Request):
        return step
    return step if await lane.wait_to_retry(talk.tries, least) else None


async def _answered(
    lane: Lane, operation: Operation, talk: Talk, heard: Heard, exchange: Exchange, step: Step, used: object
) -> Step | None:
    request = exchange.request
    match step:
        case Busy() as busy:
            lane.note(operation.line, heard, "void")
            talk.astray += 1
            lane.throttle(busy)
            talk.throttled += 1
            return await _throttled(lane, talk, busy, request)
        case Denied() as denied:
            lane.note(operation.line, heard, "void")
            talk.astray += 1
            assert used is not None
            return request if await lane.renew(denied, used) else None  # type: ignore[arg-type]
        case Failing(message, then):
            lane.note(operation.line, heard, "failing" if request.writes else "void")
            talk.astray += 1
            talk.tries += 1
            talk.why, talk.unreachable = message, False
            lane.unwell(message)
            if request.writes:
                talk.past = (*talk.past, exchange)
            return then if await lane.wait_to_retry(talk.tries) else None
        case _:
            lane.note(operation.line, heard, "answered")
            lane.well()
            talk.past = (*talk.past, exchange)
            return step


async def _throttled(lane: Lane, talk: Talk, busy: Busy, request: Request) -> Step | None:
    lane.counters.retries += 1
    if talk.throttled >= 10 * MOST_TRIES:
        return Refused(Reason.THROTTLED, f"{busy.message}, {talk.throttled} times in a row for this line")
    return request if not lane.halted else None


def _given_up(cell: Cell, talk: Talk) -> Refused | Unknown:
    """The ending of an operation that failed too often at a shop that is up."""
    writes = [step for step in talk.past if step.request.writes]
    if writes and not cell.repeatable:
        return Unknown(
            f"{writes[0].request} was sent and not answered ({talk.why}), and reading the shop kept failing"
        )
    reason = Reason.NETWORK if talk.unreachable else Reason.PLATFORM
    return Refused(reason, f"{talk.why}, in each of {talk.tries} tries")


def _ending(lane: Lane, outcome: Outcome, talk: Talk) -> Ending:
    assert not isinstance(outcome, Skipped)
    now = lane.wall()
    elapsed = 0.0 if talk.first_at is None else max(0.0, now - talk.first_at)
    return Ending(outcome, talk.astray + 1 if talk.sends else 0, talk.status, talk.first_at, elapsed)


def with_evidence(ending: Ending) -> Ending:
    """The ending with the time of the first send in its evidence, where it is in doubt."""
    if isinstance(ending.outcome, Unknown) and ending.sent_at is not None:
        evidence = f"{ending.outcome.evidence} (first sent {moment(ending.sent_at)})"
        return replace(ending, outcome=replace(ending.outcome, evidence=evidence))
    return ending
