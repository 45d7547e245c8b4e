"""Owns the conversation of an add, which must not be repeated blindly; it does not know any platform's words.

Where a cart's lines are not known, the cart is read before the add. The add is done once its answer says so in a
documented form. After any other answer, and after none, it is looked for: what the cart held before it, what the cart
holds now, and whether one add explains the difference. Only a look that says "not there" lets the add be said again,
and a yes in no documented form is not said again even then, since a read may lag behind. A refusal after a lost add is
not believed before one more look.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import takewhile

import msgspec
from msgspec.structs import replace

from batchcart.model.adapter import CartContext, Evidence, OperationSpec
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, History, Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import (
    AccountError,
    CartFacts,
    ErrorKind,
    Failed,
    Foreign,
    InDoubt,
    Step,
    Succeeded,
    Unavailable,
)
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import describe, doubt_message, last, last_write, ok
from batchcart.platforms.toolkit.lenient_json import readable

_MOST_TRIES = 2
"""How often an add is said to what is not the platform, or says nothing, if the cart then shows: nothing was added."""


class Added(msgspec.Struct, frozen=True):
    """What the shop calls the line that was added, and the cart that it is in."""

    cart_id: str
    item_id: str | None
    names: Mapping[str, str] = {}


class CartSeen(msgspec.Struct, frozen=True):
    """The lines that a read of the cart shows, all of them."""

    lines: lines.Lines


class CartUnreadable(msgspec.Struct, frozen=True):
    """A read of the cart does not tell its lines."""

    why: str


class CartGone(msgspec.Struct, frozen=True):
    """A read says that there is no such cart, in a shop that makes a cart before its first line."""

    refused: Failed


View = CartSeen | CartUnreadable | CartGone

Pages = tuple[Exchange, ...]
"""The answers that make one look at a cart."""


class Look(msgspec.Struct, frozen=True):
    """One look at a cart. ``decides``: what it shows says whether the add is said again, so it must be sure."""

    pages: Pages
    decides: bool


class AddStrategy(msgspec.Struct, frozen=True):
    """How a platform adds: what is said, and what the answers mean.

    ``evidence`` finds what an answer says was made. ``view`` may ask for another page. ``line_key`` is the key a line
    has in ``view``. ``located`` is what a look's line is called. Where the look does not show a line's own id,
    ``detail`` reads it, and ``located`` is given that answer.
    """

    classify_error: Callable[[Exchange], AccountError | None]
    evidence: Evidence
    refusal: Callable[[Response], Failed | None]
    look: Callable[[Operation, CartContext], Request]
    view: Callable[[Operation, CartContext, Look], View | Request]
    post: Callable[[Operation, CartContext], Request]
    expected_line: Callable[[Operation], lines.Line]
    line_key: Callable[[lines.Line, Added], str]
    located: Callable[[Operation, CartContext, str, Response], Added]
    detail: Callable[[Operation, CartContext], Request] | None = None


def cell(strategy: AddStrategy, table: type[msgspec.Struct], note: str = "") -> OperationSpec:
    """The operations table's cell of an add."""
    interpret, recover = partial(_interpret, strategy), partial(_recover, strategy)
    return OperationSpec(
        partial(_build, strategy), interpret, recover, strategy.evidence, table, idempotent=False, note=note
    )


def _build(strategy: AddStrategy, operation: Operation, known: CartContext) -> Request:
    if lines.was_read(known.facts) or _is_new_cart(operation, known):
        return strategy.post(operation, known)
    return strategy.look(operation, known)


def _is_new_cart(operation: Operation, known: CartContext) -> bool:
    """Whether the cart does not exist before this operation: its key is the run's own."""
    return operation.kind is OperationKind.CART_CREATE and known.cart_id is None


def _recover(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    return strategy.look(operation, known)


def _interpret(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    exchange = last(past)
    if exchange.request.writes:
        return _after_write(strategy, operation, known, past)
    if error := strategy.classify_error(exchange):
        return error
    if strategy.detail is not None and exchange.request == strategy.detail(operation, known):
        wanted = strategy.expected_line(operation)
        made = strategy.located(operation, known, wanted.product, exchange.response)
        return _succeed(strategy, operation, known, past, made, wanted)
    return _after_look(strategy, operation, known, past)


def _after_write(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    exchange = last(past)
    made = strategy.evidence.says(operation, known, exchange.response)
    if isinstance(made, Added):
        wanted = strategy.expected_line(operation)
        if not _is_other_product(strategy, known, made, wanted):
            return _succeed(strategy, operation, known, past, made, wanted)
    match strategy.classify_error(exchange):
        case Unavailable() as failing:
            return replace(failing, then=strategy.look(operation, known))
        case Foreign(void=False) as foreign:
            return replace(foreign, then=strategy.look(operation, known))
        case None:
            pass
        case step:
            return step
    if refused := strategy.refusal(exchange.response):
        wrote_before = any(step.request.writes for step in past[:-1])
        return strategy.look(operation, known) if wrote_before else refused
    why = f"the shop answered {describe(exchange.response)}, which does not name what was added"
    return Unavailable(why, strategy.look(operation, known))


def _is_other_product(strategy: AddStrategy, known: CartContext, made: Added, wanted: lines.Line) -> bool:
    """Whether the line that an answer names is known to hold another product: then it answers another request.

    What has given the cart no second line yet may be a stub that gives all lines one id.
    """
    held = lines.read_line(strategy.line_key(wanted, made), known.facts)
    return held is not None and held.product != wanted.product and len(lines.parse_facts(known.facts)) > 1


def _after_look(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> Step:
    wrote = any(step.request.writes for step in past)
    view = strategy.view(operation, known, Look(_pages(tuple(reversed(past)))[::-1], decides=wrote))
    if isinstance(view, Request):
        return view
    if wrote:
        return _settle(strategy, operation, known, past, view)
    return view.refused if isinstance(view, CartGone) else strategy.post(operation, known)


def _settle(strategy: AddStrategy, operation: Operation, known: CartContext, past: History, view: View) -> Step:
    """Whether the add happened, by what the cart held before it and holds now."""
    before = _before(strategy, operation, known, past)
    match view:
        case CartGone(refused):
            return refused  # and what was added to it is gone with it
        case CartUnreadable(why):
            return InDoubt(doubt_message(past, f"a read of the cart does not settle it: {why}"), lines.invalidate())
        case CartSeen() if before is None:
            return InDoubt(doubt_message(past, "what the cart held before is not known"), lines.invalidate())
        case CartSeen(now):
            return _after_comparison(
                strategy, operation, known, past, lines.compare(before, now, strategy.expected_line(operation))
            )


def _after_comparison(
    strategy: AddStrategy,
    operation: Operation,
    known: CartContext,
    past: History,
    verdict: lines.WasAdded | lines.WasNotAdded | lines.Unclear,
) -> Step:
    match verdict:
        case lines.WasAdded(key):
            if strategy.detail is not None:
                return strategy.detail(operation, known)
            made = strategy.located(operation, known, key, last(past).response)
            return _succeed(strategy, operation, known, past, made, strategy.expected_line(operation))
        case lines.WasNotAdded():
            return _last_word(strategy, operation, known, past) or strategy.post(operation, known)
        case lines.Unclear(why):
            return InDoubt(doubt_message(past, why), lines.invalidate())


def _last_word(
    strategy: AddStrategy, operation: Operation, known: CartContext, past: History
) -> Failed | InDoubt | None:
    """What the answer to the last try means once a read does not show the add; None lets it be said again.

    A refusal stands. A yes in no documented form is not said again: the read may lag behind what was written. What
    came from somebody else (a web page, a gateway's error) is said again once, and so is what says nothing.
    """
    write = last_write(past)
    if not isinstance(write, Exchange):
        return None
    error = strategy.classify_error(write)
    if error is None and (refused := strategy.refusal(write.response)):
        return refused
    often = sum(step.request.writes for step in past) >= _MOST_TRIES
    if error is None or (ok(write.response) and (often or _is_unknown_yes(error, write.response))):
        return InDoubt(doubt_message(past, "a read of the cart does not show it"), lines.invalidate())
    if isinstance(error, Foreign) and often:
        why = f"{error.message} to {write.request}, and a read of the cart shows that nothing was added"
        return Failed(ErrorKind.PLATFORM, why, excerpt(write.response.body))
    return None


def _is_unknown_yes(error: AccountError, response: Response) -> bool:
    """Whether a program, and no web page, said that all went well, in words that no document knows."""
    return isinstance(error, Foreign) and readable(response)


def _succeed(
    strategy: AddStrategy, operation: Operation, known: CartContext, past: History, made: Added, wanted: lines.Line
) -> Succeeded:
    key = strategy.line_key(wanted, made)
    facts = _facts(strategy, operation, known, past, key, wanted)
    return Succeeded(cart_id=made.cart_id, item_id=made.item_id, names=made.names, facts=facts)


def _facts(
    strategy: AddStrategy, operation: Operation, known: CartContext, past: History, key: str, wanted: lines.Line
) -> CartFacts:
    """What is known of the cart once its line ``key`` has what was wanted."""
    if not _pages(past):
        if lines.knows_all(known.facts):
            return lines.remember({key: lines.increase(lines.read_line(key, known.facts), wanted)})
        return lines.remember_all({key: wanted}, known.facts) if _is_new_cart(operation, known) else lines.mark_hidden()
    seen = _seen_before(strategy, operation, known, past)
    if seen is None:
        return lines.mark_hidden()
    if not lines.agrees(seen, known.facts):
        line = lines.increase(lines.read_line(key, known.facts), wanted)
        return {**lines.remember({key: line}), **lines.invalidate()}
    line = lines.increase(seen.get(key), wanted)
    if lines.knows_all(known.facts):
        return lines.remember({key: line})
    return lines.remember_all({**seen, key: line}, known.facts)


def _before(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> lines.Lines | None:
    """The cart's lines before this operation's first write: read at its start, remembered, or none.

    A read that lacks what this run itself put into the cart tells nothing: it may lag behind, or the shop took it out.
    """
    if _pages(past):
        seen = _seen_before(strategy, operation, known, past)
        return seen if seen is not None and lines.agrees(seen, known.facts) else None
    remembered = lines.read_lines(known.facts)
    return {} if remembered is None and _is_new_cart(operation, known) else remembered


def _seen_before(strategy: AddStrategy, operation: Operation, known: CartContext, past: History) -> lines.Lines | None:
    """The lines that a read at this operation's start shows."""
    pages = _pages(past)
    view = strategy.view(operation, known, Look(pages, decides=False)) if pages else None
    return view.lines if isinstance(view, CartSeen) else None


def _pages(past: History) -> Pages:
    """The answers that the past begins with, up to the first write."""
    if past[0].request.writes:
        return ()
    reads = takewhile(lambda step: not step.request.writes, past)
    return tuple(step for step in reads if isinstance(step, Exchange))
