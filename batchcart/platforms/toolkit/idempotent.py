"""Owns the conversations of reads, absolute writes and deletes, which may be said again; it knows no platform's words.

A delete that is refused after it was sent once before may have been done by the first sending: the shop is looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import AccountTrouble, Failing, Refused, Step, Unknown
from batchcart.platforms.toolkit.http_status import evidence, last, ok, rejected, sent_before

Trouble = Callable[[Exchange], AccountTrouble | None]
Interpret = Callable[[Operation, Known, Past], Step]


def said_again(operation: Operation, known: Known, past: Past) -> Request:
    """What follows a lost write that may be repeated."""
    return past[-1].request


def after_trouble(trouble: Trouble, read: Interpret) -> Interpret:
    """An interpretation that ``read`` makes of answers in which neither shop nor credentials fail."""

    def interpret(operation: Operation, known: Known, past: Past) -> Step:
        step = trouble(last(past))
        if isinstance(step, Failing) and _said_without_words(past):
            step = None
        return step or read(operation, known, past)

    return interpret


def _said_without_words(past: Past) -> bool:
    """Whether the shop said yes to an absolute write with nothing in the body: 204, or any 2xx twice.

    Once may be a server on the way that did not ask the shop.
    """
    exchange = last(past)
    if not (exchange.request.writes and _empty_yes(exchange)):
        return False
    before = any(
        isinstance(step, Exchange) and step.request == exchange.request and _empty_yes(step) for step in past[:-1]
    )
    return before or exchange.response.status == 204


def _empty_yes(exchange: Exchange) -> bool:
    return ok(exchange.response) and not exchange.response.body.strip()


@dataclass(frozen=True, slots=True)
class Deleting:
    """How a platform deletes one thing, and what its answers mean.

    ``gone`` says whether an answer, to the delete or to ``look``, means that there is no such thing (any more); None
    where it does not tell. ``look`` is None where the platform has no read that shows the thing.
    """

    refusal: Callable[[Response], Refused | None]
    gone: Callable[[Operation, Known, Exchange], bool | None]
    look: Callable[[Known, Request], Request | None]
    done: Interpret
    always_look: bool = False

    def interpret(self, operation: Operation, known: Known, past: Past) -> Step:
        """What follows from an answer to the delete or to the look."""
        exchange = last(past)
        if not exchange.request.writes:
            return self._looked(operation, known, past)
        refusal = self.refusal(exchange.response)
        if refusal is None:
            return self.done(operation, known, past)
        if not (self.always_look or sent_before(past)):
            return refusal
        if self.gone(operation, known, exchange):
            return self.done(operation, known, past)
        return self.look(known, exchange.request) or self._doubt(past, refusal.message)

    def _looked(self, operation: Operation, known: Known, past: Past) -> Step:
        write = next(step for step in reversed(past) if step.request.writes)
        assert isinstance(write, Exchange)
        refusal = self.refusal(write.response) or rejected(write.response)
        match self.gone(operation, known, last(past)):
            case True:
                return self.done(operation, known, past)
            case False:
                return refusal
            case None:
                return self._doubt(past, refusal.message)

    def _doubt(self, past: Past, why: str) -> Unknown:
        return Unknown(evidence(past, f"its repetition was refused, and no read settles it: {why}"))
