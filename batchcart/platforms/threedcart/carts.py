"""Owns how 3dcart's operations on whole carts end, a lost create among them; it does not know items."""

from msgspec.structs import replace

from batchcart.model.adapter import Known
from batchcart.model.http import Exchange, Lost, Past, Request
from batchcart.model.operation import Operation
from batchcart.model.outcome import Done, Failing, Foreign, Reason, Refused, Step, Unknown
from batchcart.platforms.threedcart.responses import cart_of, made, refusal, trouble, unnamed
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import described, last, not_there, ok
from batchcart.platforms.toolkit.idempotent import Deleting
from batchcart.platforms.toolkit.lenient_json import json_text


def created(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a create."""
    exchange = last(past)
    match trouble(exchange):
        case Failing(message):
            return _unfindable(exchange, message)
        case Foreign(message, void=False) as foreign:
            return replace(foreign, then=_unfindable(exchange, message))
        case None:
            pass
        case step:
            return step
    if refused := refusal(exchange.response):
        return refused
    key = made(exchange.response, "OrderKey")
    if not key:
        return _unfindable(exchange, f"{described(exchange.response)} and no OrderKey in it")
    return Done(cart_id=key, names={"OrderKey": key}, facts=lines.remember_all({}, {}))


def create_lost(operation: Operation, known: Known, past: Past) -> Step:
    """A lost create cannot be looked up."""
    step = past[-1]
    return _unfindable(step, step.why if isinstance(step, Lost) else described(step.response))


def _unfindable(step: Exchange | Lost, why: str) -> Unknown:
    # PLATFORMS §1.6: the key exists only in the answer, and no route finds a cart without it.
    return Unknown(
        f"{step.request} was sent and not answered ({why}). 3dcart makes the OrderKey and has no route that finds "
        "a cart without it, so nobody can read back whether the cart exists"
    )


def read(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a get."""
    response = last(past).response
    if refused := refusal(response):
        return refused
    if cart_of(response) is None:
        return Refused(Reason.REJECTED, f"3dcart has no cart {known.cart_id}")
    return Done(cart_id=known.cart_id, names=_names(known), body=json_text(response.body))


def updated(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to an update."""
    return refusal(last(past).response) or unnamed(last(past)) or _done(operation, known, past)


def _done(operation: Operation, known: Known, past: Past) -> Done:
    return Done(cart_id=known.cart_id, names=_names(known))


def _gone(operation: Operation, known: Known, exchange: Exchange) -> bool | None:
    if not_there(exchange.response):
        return True
    if exchange.request.writes or not ok(exchange.response):
        return None
    return cart_of(exchange.response) is None


def _look(known: Known, request: Request) -> Request:
    return Request("GET", request.path)


def _names(known: Known) -> dict[str, str]:
    return {"OrderKey": known.cart_id or ""}


_deleting = Deleting(refusal, _gone, _look, _done)


def deleted(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a delete."""
    exchange = last(past)
    if exchange.request.writes and refusal(exchange.response) is None and (failing := unnamed(exchange)):
        return failing
    return _deleting.interpret(operation, known, past)
