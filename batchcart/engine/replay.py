"""Owns taking up an operation from what a journal says was sent for it; it talks to nobody.

Past requests are said again, so a journal that somebody changed could have any request sent with the account's keys.
Therefore each is taken only where the operation leads to it: the conversation is held once more, with the answers
that stand in the journal, and what was sent must be what the platform's cell says at that point.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from batchcart.engine.looks import up_to_last_write
from batchcart.journal.codec import SentRequest
from batchcart.model.adapter import CartContext, OperationSpec
from batchcart.model.http import Exchange, History, LostWrite, Request
from batchcart.model.operation import Operation
from batchcart.model.outcome import Foreign, Step, Unavailable

_STOPPED = "batchcart was stopped before the answer came"


class RequestMismatch(Exception):
    """A journal holds a request that its operation does not lead to; says which, and what to do."""


class Past(NamedTuple):
    """An operation's past, with the number of its sends, how many led nowhere, and the time of the first."""

    steps: History = ()
    sends: int = 0
    wasted: int = 0
    first_at: float | None = None


NO_PAST = Past()
"""That of an operation of which nothing was sent."""


def replay(sent: Sequence[SentRequest], spec: OperationSpec, operation: Operation, known: CartContext) -> Past:
    """The past that these requests are; raises RequestMismatch where the operation does not lead to one of them."""
    contexts = tuple(spec.possible_contexts(known))
    possible = {spec.build(operation, context): None for context in contexts}
    pasts: list[History] = [()]
    for one in sent:
        request = next((made for made in possible if one.is_like(made)), None)
        if request is None:
            raise RequestMismatch(
                f"the journal says that {one} was sent for line {operation.line}, and the line does not lead to that. "
                "Its lines stay pending; restore a copy of the journal, or resume with the version of batchcart that "
                "began this run"
            )
        step = _step(one, request)
        if step is None:
            continue
        grown = [(*past, step) for past in _beginnings(pasts, step)]
        decide = spec.recover if isinstance(step, LostWrite) else spec.interpret
        for context in contexts:
            for past in grown:
                possible.update(dict.fromkeys(_following(decide(operation, context, past))))
        if one.state != "void":
            # A write ends the looks before it, wherever they began, and no decision after it asks for that.
            pasts = grown[:1] if step.request.writes else grown
    wasted = sum(1 for one in sent if one.state != "answered")
    return Past(pasts[0], len(sent), wasted, sent[0].at if sent else None)


def _beginnings(pasts: list[History], step: Exchange | LostWrite) -> list[History]:
    """The pasts that the step may follow: those so far, and one without a look that was broken off and begun anew.

    A journal does not say where a look began anew, as after a stop or because it came too early. What it asks first
    it may also ask again in its course, so both are possible.
    """
    whole = pasts[0]
    written = up_to_last_write(whole)
    begins = len(whole) > len(written) > 0 and whole[len(written)].request == step.request
    return [*pasts, written] if begins else pasts


def _step(one: SentRequest, request: Request) -> Exchange | LostWrite | None:
    """What the request means to a new process; None where there is nothing to remember.

    An intent without an answer is a request that was on its way when the process died.
    """
    if one.response is not None:
        return Exchange(request, one.response, one.at)
    if one.state == "void" or not request.writes:
        return None
    return LostWrite(request, _STOPPED if one.state == "sent" else one.why or "no answer", one.at)


def _following(step: Step) -> Iterator[Request]:
    """What is sent after a step, if anything is."""
    match step:
        case Request():
            yield step
        case Unavailable(_, then) | Foreign(_, then):
            yield from _following(then)
        case _:
            pass
