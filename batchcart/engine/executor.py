"""Owns one operation from its past to its ending: the only loop that talks to a shop; it does not know platforms."""

from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from msgspec.structs import replace

from batchcart.engine.beside import LARGE, beside
from batchcart.engine.health import until_up
from batchcart.engine.retry import MOST_TRIES
from batchcart.engine.session import Heard, Lane
from batchcart.engine.token_refresh import renew
from batchcart.journal.result_line import Ending, moment
from batchcart.model.adapter import Cell, Credentials, Known
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, Lost, NotSent, Past, Request, Response, Unanswered
from batchcart.model.operation import Operation
from batchcart.model.outcome import Busy, Denied, Done, Failing, Foreign, Reason, Refused, Step, Unknown

_SETTLED_AFTER = 2.0
"""Seconds after its sending from which a request that was on its way when we died has surely been acted on."""

_CUT_SETTLED_AFTER = 0.5
"""Seconds to leave a shop that cut the line, or failed, before asking it what it did."""

_MOST_THROTTLED = 100
"""How often one operation may be answered 429 before it is given up."""


@dataclass(slots=True)
class Talk:
    """One operation under way: what was said and heard, and the figures of its result line.

    With ``looks_only`` nothing is written any more: where a write would follow, it has not happened.
    """

    lane: Lane
    operation: Operation
    known: Known
    past: Past = ()
    sends: int = 0
    astray: int = 0
    first_at: float | None = None
    tries: int = 0
    throttled: int = 0
    status: int | None = None
    body: bytes = b""
    why: str = ""
    cut_off: bool = False
    denied: bool = False
    looks_only: bool = False

    cell: Cell = field(init=False)

    def __post_init__(self) -> None:
        self.cell = self.lane.account.adapter.cells[self.operation.kind]


async def converse(talk: Talk) -> Ending | None:
    """Bring the operation to its ending; None where it stays open because the lane was halted."""
    step: Step | None = _opening(talk)
    if talk.past and not await talk.lane.wait(_settling(talk.past, talk.lane.wall())):
        return None
    while True:
        match step:
            case Request() as request if talk.looks_only and request.writes:
                return _ending(talk, Refused(Reason.NETWORK, f"{request} did not happen: the shop does not have it"))
            case Request() as request if talk.tries < MOST_TRIES:
                step = await _ask(talk, request)
            case Request():
                return _ending(talk, _given_up(talk))
            case Done() | Refused() | Unknown():
                return _ending(talk, step)
            case None:
                return None
            case Failing(_, then) | Foreign(_, then):
                step = then
            case Busy() | Denied():
                # Neither is ever in a past, and _ask deals with a fresh one.
                raise AssertionError(step)
            case _:
                assert_never(step)


def _opening(talk: Talk) -> Step:
    if not talk.past:
        return talk.cell.build(talk.operation, talk.known)
    hear = talk.cell.recover if isinstance(talk.past[-1], Lost) else talk.cell.interpret
    return hear(talk.operation, talk.known, talk.past)


def _settling(past: Past, now: float) -> float:
    last = past[-1]
    return min(max(0.0, last.at + _SETTLED_AFTER - now), _SETTLED_AFTER) if isinstance(last, Lost) else 0.0


async def _ask(talk: Talk, request: Request) -> Step | None:
    """Send one request and say what follows from what came back; None where the lane was halted."""
    lane = talk.lane
    if (lane.halted or lane.down_since is not None) and not await until_up(lane):
        return None
    used = lane.credentials
    heard = await lane.say(talk.operation.line, talk.sends + 1, request)
    if heard is None:
        return None if lane.halted else request
    talk.sends += 1
    if talk.first_at is None:
        talk.first_at = heard.at
    match heard.reply:
        case Response() as response:
            talk.status = response.status
            make = partial(_understood, talk, request, response, heard.at)
            large = len(response.body) >= LARGE
            exchange, step = await beside(lane.reading, make) if large else make()
            talk.body = exchange.response.body
            if isinstance(step, Done):  # the ending follows at once, and takes the past away
                lane.well(used)
                return step
            return await _answered(talk, heard, exchange, step, used)
        case NotSent(why):
            lane.note(talk.operation.line, heard, "void")
            talk.astray += 1
            talk.why = why
            lane.unwell(why, alarming=True)
            return request
        case Unanswered() as unanswered:
            return await _unanswered(talk, heard, request, unanswered)


def _understood(talk: Talk, request: Request, response: Response, at: float) -> tuple[Exchange, Step]:
    """The answer without secrets, and what follows from it."""
    exchange = Exchange(request, talk.lane.without_secrets(response), at)
    return exchange, talk.cell.interpret(talk.operation, talk.known, (*talk.past, exchange))


async def _unanswered(talk: Talk, heard: Heard, request: Request, unanswered: Unanswered) -> Step | None:
    lane = talk.lane
    talk.astray += 1
    talk.tries += 1
    talk.why, talk.cut_off, talk.status, talk.body = unanswered.why, True, None, b""
    lane.unwell(unanswered.why)
    lane.note(talk.operation.line, heard, "lost" if request.writes else "void")
    if not request.writes:
        return request if await lane.wait_to_retry(talk.tries) else None
    talk.past = (*talk.past, Lost(request, unanswered.why, heard.at))
    step = talk.cell.recover(talk.operation, talk.known, talk.past)
    if not isinstance(step, Request):
        lane.unwell(unanswered.why, alarming=True)  # each line that goes on now may end in doubt as well
        return step
    return step if await lane.wait_to_retry(talk.tries, _before_looking(talk, slow=unanswered.slow)) else None


def _before_looking(talk: Talk, *, slow: bool) -> float:
    """Seconds to wait after a lost write: a slow shop may still be at it, and a look too early proves nothing."""
    if slow:
        return talk.lane.account.options.timeout
    return 0.0 if talk.cell.repeatable else _CUT_SETTLED_AFTER


async def _answered(talk: Talk, heard: Heard, exchange: Exchange, step: Step, used: Credentials) -> Step | None:
    """Say what follows from an answer that does not end it well."""
    lane, request = talk.lane, exchange.request
    match step:
        case Busy() as busy:
            lane.note(talk.operation.line, heard, "void")
            lane.throttle(busy)
            talk.astray += 1
            talk.throttled += 1
            if talk.throttled < _MOST_THROTTLED:
                return request
            return _in_doubt(talk) or Refused(Reason.THROTTLED, f"{busy.message}, {talk.throttled} times for this line")
        case Denied() as denied:
            lane.note(talk.operation.line, heard, "void")
            talk.astray += 1
            again, talk.denied = talk.denied, True
            return request if await renew(lane, denied, used, again=again) else None
        case Failing(message, then, slow, pause):
            lane.note(talk.operation.line, heard, "failing" if request.writes else "void")
            lane.unwell(message, pause=pause)
            talk.astray += 1
            talk.tries += 1
            talk.why, talk.cut_off = message, False
            if request.writes:
                talk.past = (*talk.past, exchange)
            least = _before_looking(talk, slow=slow) if request.writes else 0.0
            return then if await lane.wait_to_retry(talk.tries, least) else None
        case Foreign(message, then, void):
            keeps = request.writes and not void
            lane.note(talk.operation.line, heard, "failing" if keeps else "void")
            lane.unwell(message, alarming=True)
            talk.astray += 1
            talk.tries += 1
            talk.why, talk.cut_off = message, False
            if keeps:
                talk.past = (*talk.past, exchange)
            return then
        case _:
            if not isinstance(step, Refused):  # its ending takes the past away as well
                lane.note(talk.operation.line, heard, "answered")
            if isinstance(trouble := lane.account.adapter.trouble(exchange), Failing):
                lane.unwell(trouble.message, alarming=True)  # each line that goes on now may end in doubt as well
            else:
                lane.well(used)
            talk.denied = False
            talk.past = (*talk.past, exchange)
            return step


def _given_up(talk: Talk) -> Refused | Unknown:
    """The ending of an operation that failed too often at a shop that is up."""
    reason = Reason.NETWORK if talk.cut_off else Reason.PLATFORM
    return _in_doubt(talk) or Refused(reason, f"{talk.why}, in each of {talk.tries} tries")


def _in_doubt(talk: Talk) -> Unknown | None:
    """The ending of an operation that may have happened and cannot be asked about any longer."""
    writes = [step for step in talk.past if step.request.writes]
    if not writes or talk.cell.repeatable:
        return None
    return Unknown(f"{writes[0].request} was sent and not answered, and then reading the shop kept failing: {talk.why}")


def _ending(talk: Talk, outcome: Done | Refused | Unknown) -> Ending:
    elapsed = 0.0 if talk.first_at is None else max(0.0, talk.lane.wall() - talk.first_at)
    if isinstance(outcome, Unknown) and talk.first_at is not None:
        outcome = replace(outcome, evidence=f"{outcome.evidence} (first sent {moment(talk.first_at)})")
    if isinstance(outcome, Refused | Unknown) and talk.body and not outcome.body:
        outcome = replace(outcome, body=excerpt(talk.body))
    return Ending(outcome, min(talk.astray + 1, talk.sends), talk.status, talk.first_at, elapsed)
