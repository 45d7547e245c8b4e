"""Owns how a create ends whose key stands in its answer alone: one that is lost is in doubt; it knows no platform."""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from batchcart.model.adapter import CartContext, Evidence, OperationSpec
from batchcart.model.http import Exchange, History, LostWrite, Request, Response
from batchcart.model.operation import Operation
from batchcart.model.outcome import Failed, Foreign, InDoubt, Step, Unavailable
from batchcart.platforms.toolkit.http_status import describe, last
from batchcart.platforms.toolkit.idempotent import ClassifyError, Interpret


class CreateStrategy(msgspec.Struct, frozen=True):
    """How a platform makes a cart; ``why`` is a sentence that says why no read finds one without its key."""

    classify_error: ClassifyError
    evidence: Evidence
    refusal: Callable[[Response], Failed | None]
    done: Interpret
    why: str


def cell(
    build: Callable[[Operation, CartContext], Request], strategy: CreateStrategy, table: type[msgspec.Struct]
) -> OperationSpec:
    """The operations table's cell of such a create."""
    interpret, recover = partial(_interpret, strategy), partial(_recover, strategy)
    return OperationSpec(build, interpret, recover, strategy.evidence, table, data_required=False, idempotent=False)


def _interpret(strategy: CreateStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    exchange = last(past)
    if strategy.evidence.says(operation, known, exchange.response):
        return strategy.done(operation, known, past)
    match strategy.classify_error(exchange):
        case Foreign(void=False) as foreign:
            return replace(foreign, then=_doubt(strategy, exchange))
        case Unavailable():
            return _doubt(strategy, exchange)
        case None:
            return strategy.refusal(exchange.response) or _doubt(strategy, exchange)
        case step:
            return step


def _recover(strategy: CreateStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    return _doubt(strategy, past[-1])


def _doubt(strategy: CreateStrategy, step: Exchange | LostWrite) -> InDoubt:
    answer = f"not answered ({step.why})" if isinstance(step, LostWrite) else f"answered {describe(step.response)}"
    return InDoubt(f"{step.request} was sent and {answer}. {strategy.why}")
