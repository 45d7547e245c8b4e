"""Owns the conversations of reads, and of writes that may be sent again: updates and deletes; it knows no platform.

Such a write is done once an answer to it says so in a documented form, or a read shows it.

- An answer that does neither (nothing in it, an unknown form, another cart, a web page) is followed by that read, and
  where it shows that nothing happened by the write once more.
- A lost write, and one answered by a failing shop, is sent again; from the second time on the read comes first.
- A refusal of a write that was sent before does not say what became of the first sending: that is read as well.
- Where no read shows it, the write is sent again a few times, and is in doubt then.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from batchcart.model.adapter import CartContext, Evidence, OperationSpec
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import AccountError, ErrorKind, Failed, Foreign, InDoubt, Step, Unavailable
from batchcart.platforms.toolkit.cart_lines import same_id
from batchcart.platforms.toolkit.http_status import describe, doubt_message, last, last_write, ok, was_sent_before
from batchcart.platforms.toolkit.lenient_json import text_of

ClassifyError = Callable[[Exchange], AccountError | None]
Interpret = Callable[[Operation, CartContext, History], Step]

_MOST_SENDINGS = 2
"""How often a write is said to a shop whose answers do not say what became of it, and whose reads show: nothing."""

_MOST_BLIND = 5
"""How often a write that no read shows is said to a shop that does not answer it."""


class Shows(msgspec.Struct, frozen=True):
    """A read shows that the write was done."""


class ShowsNot(msgspec.Struct, frozen=True):
    """A read shows that the write was not done; ``why`` is what it shows instead."""

    why: str


class Hides(msgspec.Struct, frozen=True):
    """A read does not tell whether the write was done."""

    why: str


Sight = Shows | ShowsNot | Hides | Failed | Request
"""What a read after a write tells: also that the thing to write on is not there, or that more must be read."""


def resend(operation: Operation, known: CartContext, past: History) -> Request:
    """What follows a lost request that may be repeated."""
    return past[-1].request


def look_at_nothing(operation: Operation, known: CartContext, write: Request) -> None:
    """The look of a write that no read shows."""
    return


def see_nothing(operation: Operation, known: CartContext, past: History) -> Sight:
    """What is seen where there is no look."""
    return Hides("no read shows it")


def see_refusal(refused: Failed, *, missing: bool) -> Sight:
    """What a look that was refused shows: the shop has no such thing, or, of any other no, nothing at all."""
    return refused if missing else Hides(refused.message)


def see_fields(asked: Mapping[str, Any], held: Mapping[str, Any] | None) -> Sight:
    """Whether the fields that a read shows are as they were sent; texts and numbers are compared as texts."""
    if held is None:
        return Hides("a read does not show what was written on")
    sights = [_see_field(name, _text(value), _text(held.get(name)), name in held) for name, value in asked.items()]
    ranked = [sight for kind in (ShowsNot, Hides) for sight in sights if isinstance(sight, kind)]
    return ranked[0] if ranked else Shows()


def _see_field(name: str, sent: str | None, found: str | None, there: bool) -> Shows | ShowsNot | Hides:  # noqa: FBT001
    if not there or sent is None or found is None:
        return Hides(f"a read does not show {name}")
    if sent == found or same_id(sent, found):
        return Shows()
    if sent.casefold() == found.casefold():
        return Hides(f"a read shows {name} in other letters")
    return ShowsNot(f"a read shows another {name}")


def _text(value: object) -> str | None:
    """A field's value as text, blanks around it and null left out; None if it is no text or number."""
    plain = value is None or (isinstance(value, str | int | Decimal) and not isinstance(value, bool))
    return text_of(value).strip() if plain else None


class ReadStrategy(msgspec.Struct, frozen=True):
    """How a platform shows something: ``done`` makes an ending of an answer in a form of the ``evidence``."""

    classify_error: ClassifyError
    evidence: Evidence
    refusal: Callable[[Response], Failed | None]
    done: Interpret

    def interpret(self, operation: Operation, known: CartContext, past: History) -> Step:
        """What follows from an answer to the read."""
        exchange = last(past)
        if self.evidence.says(operation, known, exchange.response):
            return self.done(operation, known, past)
        return self.classify_error(exchange) or self.refusal(exchange.response) or unread(exchange)


def unread(exchange: Exchange) -> Failed:
    """The ending of a read that was answered in a form of the platform, but not in one of this read."""
    why = f"the shop answered {describe(exchange.response)}, which is not an answer to {exchange.request}"
    return Failed(ErrorKind.PLATFORM, why, excerpt(exchange.response.body))


class WriteStrategy(msgspec.Struct, frozen=True):
    """How a platform does something that may be sent again, and what shows that it was done.

    ``look`` is the read that shows it, None if there is none for this operation; ``sees`` is what the read tells.
    ``missing`` says whether an answer means that there is nothing to write on, which is what a delete of it is for:
    ``deletes``. ``always_looks`` says that no other refusal is believed without a look.
    """

    classify_error: ClassifyError
    evidence: Evidence
    refusal: Callable[[Response], Failed | None]
    done: Interpret
    look: Callable[[Operation, CartContext, Request], Request | None] = look_at_nothing
    sees: Callable[[Operation, CartContext, History], Sight] = see_nothing
    missing: Callable[[Response], bool] = lambda _response: False
    deletes: bool = False
    always_looks: bool = False

    def interpret(self, operation: Operation, known: CartContext, past: History) -> Step:
        """What follows from an answer to the write, or to the look."""
        exchange = last(past)
        if not exchange.request.writes:
            return self._after_look(operation, known, past)
        if self.evidence.says(operation, known, exchange.response):
            return self.done(operation, known, past)
        match self.classify_error(exchange):
            case Unavailable() | Foreign() as error:
                return self._untold(operation, known, past, error)
            case None:
                pass
            case step:
                return step
        refusal = self.refusal(exchange.response)
        if refusal is not None:
            return self._after_refusal(operation, known, past, refusal)
        look = self.look(operation, known, exchange.request)
        return look or self._unseen(past, _MOST_SENDINGS)

    def recover(self, operation: Operation, known: CartContext, past: History) -> Request | InDoubt:
        """What follows once the write got no answer."""
        write = past[-1].request
        if not was_sent_before(past):
            return write
        return self.look(operation, known, write) or self._unseen(past, _MOST_BLIND)

    def _untold(self, operation: Operation, known: CartContext, past: History, error: Unavailable | Foreign) -> Step:
        """What follows from an answer that does not tell what became of the write."""
        if isinstance(error, Foreign) and error.void:
            return error
        failing = _is_failing(last(past), error)
        look = None if failing and not was_sent_before(past) else self.look(operation, known, last(past).request)
        match look or self._unseen(past, _MOST_BLIND if failing else _MOST_SENDINGS), error:
            case InDoubt() as doubt, Unavailable():
                return doubt
            case then, _:
                return replace(error, then=then)

    def _unseen(self, past: History, most: int) -> Request | InDoubt:
        """What follows where neither the answer tells nor a read shows what became of the write."""
        tries = _sendings(past, past[-1].request)
        return past[-1].request if tries < most else _doubt(past, "no read shows whether it was done")

    def _after_refusal(self, operation: Operation, known: CartContext, past: History, refusal: Failed) -> Step:
        write = last(past)
        if not (self.always_looks or was_sent_before(past)):
            return refusal
        if self.missing(write.response):
            return self.done(operation, known, past) if self.deletes else refusal
        look = self.look(operation, known, write.request)
        return look or _doubt(past, "no read shows whether the first one did it")

    def _after_look(self, operation: Operation, known: CartContext, past: History) -> Step:
        if error := self.classify_error(last(past)):
            return error
        match self.sees(operation, known, past):
            case Shows():
                return self.done(operation, known, past)
            case ShowsNot(why):
                return self._not_done(past, why)
            case Hides(why):
                write = last_write(past)
                again = self._is_unanswered(write) and _sendings(past, write.request) < _MOST_BLIND
                return write.request if again else _doubt(past, why)
            case step:
                return step

    def _is_unanswered(self, write: Exchange | LostWrite) -> bool:
        return isinstance(write, LostWrite) or _is_failing(write, self.classify_error(write))

    def _not_done(self, past: History, why: str) -> Request | Failed:
        write = last_write(past)
        not_applied = Failed(ErrorKind.REJECTED, f"not applied: {why}", excerpt(last(past).response.body))
        if isinstance(write, Exchange) and self.classify_error(write) is None:
            return self.refusal(write.response) or not_applied
        again = self._is_unanswered(write) or _sendings(past, write.request) < _MOST_SENDINGS
        return write.request if again else not_applied


def _is_failing(exchange: Exchange, error: AccountError | None) -> bool:
    """Whether the shop said that it fails, and not that all went well in words that nobody can read."""
    return isinstance(error, Unavailable) and not ok(exchange.response)


def _sendings(past: History, write: Request) -> int:
    return sum(step.request == write for step in past)


def _doubt(past: History, why: str) -> InDoubt:
    return InDoubt(doubt_message(past, why))


def cell(
    build: Callable[[Operation, CartContext], Request],
    strategy: ReadStrategy | WriteStrategy,
    data: type[msgspec.Struct] | None = None,
    *,
    query: type[msgspec.Struct] | None = None,
    views: tuple[str, ...] = (),
) -> OperationSpec:
    """The operations table's cell of a read, or of a write that may be sent again."""
    recover = strategy.recover if isinstance(strategy, WriteStrategy) else resend
    return OperationSpec(build, strategy.interpret, recover, strategy.evidence, data, query, views=views)
