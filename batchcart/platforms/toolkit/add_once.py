"""Owns the conversation of an add, which must not be repeated blindly; it does not know any platform's words.

Where a cart's lines are not known, the cart is read before the add. The add is done once its answer says so in a
documented form. After any other answer, and after none, it is looked for: what the cart held before it, what the cart
holds now, and whether one add explains the difference. Only a look that says "not there" lets the add be said again,
and a yes in no documented form is not said again even then, since a read may lag behind. A refusal after a lost add is
not believed before one more look.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

import msgspec
from msgspec.structs import replace

from batchcart.model.adapter import Cell, Evidence, Known
from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, Past, Request, Response
from batchcart.model.operation import Kind, Operation
from batchcart.model.outcome import AccountTrouble, Done, Facts, Failing, Foreign, Reason, Refused, Step, Unknown
from batchcart.platforms.toolkit import cart_lines as lines
from batchcart.platforms.toolkit.http_status import described, evidence, last, last_write, ok
from batchcart.platforms.toolkit.lenient_json import readable

_MOST_TRIES = 2
"""How often an add is said to what is not the platform, or says nothing, if the cart then shows: nothing was added."""


class Made(msgspec.Struct, frozen=True):
    """What the shop calls the line that was added, and the cart that it is in."""

    cart_id: str
    item_id: str | None
    names: Mapping[str, str] = {}


class Seen(msgspec.Struct, frozen=True):
    """The lines that a read of the cart shows, all of them."""

    lines: lines.Lines


class Untold(msgspec.Struct, frozen=True):
    """A read of the cart does not tell its lines."""

    why: str


class Gone(msgspec.Struct, frozen=True):
    """A read says that there is no such cart, in a shop that makes a cart before its first line."""

    refused: Refused


View = Seen | Untold | Gone

Pages = tuple[Exchange, ...]
"""The answers that make one look at a cart."""


class Look(msgspec.Struct, frozen=True):
    """One look at a cart. ``decides``: what it shows says whether the add is said again, so it must be sure."""

    pages: Pages
    decides: bool


@dataclass(frozen=True, slots=True)
class Adding:
    """How a platform adds: what is said, and what the answers mean.

    ``evidence`` finds what an answer says was made. ``view`` may ask for another page. ``line_key`` is the key a line
    has in ``view``. ``found`` is what a look's line is called. Where the look does not show a line's own id,
    ``detail`` reads it, and ``found`` is given that answer.
    """

    trouble: Callable[[Exchange], AccountTrouble | None]
    evidence: Evidence
    refusal: Callable[[Response], Refused | None]
    look: Callable[[Operation, Known], Request]
    view: Callable[[Operation, Known, Look], View | Request]
    post: Callable[[Operation, Known], Request]
    wanted: Callable[[Operation], lines.Line]
    line_key: Callable[[lines.Line, Made], str]
    found: Callable[[Operation, Known, str, Response], Made]
    detail: Callable[[Operation, Known], Request] | None = None


def cell(ways: Adding, table: type[msgspec.Struct], note: str = "") -> Cell:
    """The operations table's cell of an add."""
    hear, recover = partial(_interpret, ways), partial(_recover, ways)
    return Cell(partial(_build, ways), hear, recover, ways.evidence, table, repeatable=False, note=note)


def _build(ways: Adding, operation: Operation, known: Known) -> Request:
    if lines.looked_at(known.facts) or _made_here(operation, known):
        return ways.post(operation, known)
    return ways.look(operation, known)


def _made_here(operation: Operation, known: Known) -> bool:
    """Whether the cart does not exist before this operation: its key is the run's own."""
    return operation.kind is Kind.CART_CREATE and known.cart_id is None


def _recover(ways: Adding, operation: Operation, known: Known, past: Past) -> Step:
    return ways.look(operation, known)


def _interpret(ways: Adding, operation: Operation, known: Known, past: Past) -> Step:
    exchange = last(past)
    if exchange.request.writes:
        return _answered(ways, operation, known, past)
    if trouble := ways.trouble(exchange):
        return trouble
    if ways.detail is not None and exchange.request == ways.detail(operation, known):
        key = ways.wanted(operation).product
        return _done(ways, operation, known, past, ways.found(operation, known, key, exchange.response))
    return _looked(ways, operation, known, past)


def _answered(ways: Adding, operation: Operation, known: Known, past: Past) -> Step:
    exchange = last(past)
    made = ways.evidence.says(operation, known, exchange.response)
    if isinstance(made, Made):
        return _done(ways, operation, known, past, made)
    match ways.trouble(exchange):
        case Failing() as failing:
            return replace(failing, then=ways.look(operation, known))
        case Foreign(void=False) as foreign:
            return replace(foreign, then=ways.look(operation, known))
        case None:
            pass
        case step:
            return step
    if refused := ways.refusal(exchange.response):
        wrote_before = any(step.request.writes for step in past[:-1])
        return ways.look(operation, known) if wrote_before else refused
    why = f"the shop answered {described(exchange.response)}, which does not name what was added"
    return Failing(why, ways.look(operation, known))


def _looked(ways: Adding, operation: Operation, known: Known, past: Past) -> Step:
    wrote = any(step.request.writes for step in past)
    view = ways.view(operation, known, Look(_pages(tuple(reversed(past)))[::-1], decides=wrote))
    if isinstance(view, Request):
        return view
    if wrote:
        return _settled(ways, operation, known, past, view)
    return view.refused if isinstance(view, Gone) else ways.post(operation, known)


def _settled(ways: Adding, operation: Operation, known: Known, past: Past, view: View) -> Step:
    """Whether the add happened, by what the cart held before it and holds now."""
    before = _before(ways, operation, known, past)
    match view:
        case Gone(refused):
            return refused  # and what was added to it is gone with it
        case Untold(why):
            return Unknown(evidence(past, f"a read of the cart does not settle it: {why}"), lines.distrust())
        case Seen() if before is None:
            return Unknown(evidence(past, "what the cart held before is not known"), lines.distrust())
        case Seen(now):
            return _compared(ways, operation, known, past, lines.compare(before, now, ways.wanted(operation)))


def _compared(
    ways: Adding, operation: Operation, known: Known, past: Past, verdict: lines.Added | lines.NotAdded | lines.Unclear
) -> Step:
    match verdict:
        case lines.Added(key):
            if ways.detail is not None:
                return ways.detail(operation, known)
            return _done(ways, operation, known, past, ways.found(operation, known, key, last(past).response))
        case lines.NotAdded():
            return _last_word(ways, operation, known, past) or ways.post(operation, known)
        case lines.Unclear(why):
            return Unknown(evidence(past, why), lines.distrust())


def _last_word(ways: Adding, operation: Operation, known: Known, past: Past) -> Refused | Unknown | None:
    """What the answer to the last try means once a read does not show the add; None lets it be said again.

    A refusal stands. A yes in no documented form is not said again: the read may lag behind what was written. What
    came from somebody else (a web page, a gateway's error) is said again once, and so is what says nothing.
    """
    write = last_write(past)
    if not isinstance(write, Exchange):
        return None
    trouble = ways.trouble(write)
    if trouble is None and (refused := ways.refusal(write.response)):
        return refused
    often = sum(step.request.writes for step in past) >= _MOST_TRIES
    if trouble is None or (ok(write.response) and (often or _is_unknown_yes(trouble, write.response))):
        return Unknown(evidence(past, "a read of the cart does not show it"), lines.distrust())
    if isinstance(trouble, Foreign) and often:
        why = f"{trouble.message} to {write.request}, and a read of the cart shows that nothing was added"
        return Refused(Reason.PLATFORM, why, excerpt(write.response.body))
    return None


def _is_unknown_yes(trouble: AccountTrouble, response: Response) -> bool:
    """Whether a program, and no web page, said that all went well, in words that no document knows."""
    return isinstance(trouble, Foreign) and readable(response)


def _done(ways: Adding, operation: Operation, known: Known, past: Past, made: Made) -> Done:
    facts = _facts(ways, operation, known, past, made)
    return Done(cart_id=made.cart_id, item_id=made.item_id, names=made.names, facts=facts)


def _facts(ways: Adding, operation: Operation, known: Known, past: Past, made: Made) -> Facts:
    before = _before(ways, operation, known, past)
    if before is None:
        return lines.hidden()
    wanted = ways.wanted(operation)
    key = ways.line_key(wanted, made)
    line = lines.raised(before.get(key), wanted)
    if lines.all_known(known.facts):
        return lines.remember({key: line})
    return lines.remember_all({**before, key: line}, known.facts)


def _before(ways: Adding, operation: Operation, known: Known, past: Past) -> lines.Lines | None:
    """The cart's lines before this operation's first write: read at its start, remembered, or none."""
    if pages := _pages(past):
        view = ways.view(operation, known, Look(pages, decides=False))
        return view.lines if isinstance(view, Seen) else None
    remembered = lines.known_lines(known.facts)
    return {} if remembered is None and _made_here(operation, known) else remembered


def _pages(past: Past) -> Pages:
    """The answers that the past begins with, up to the first write."""
    reads = takewhile(lambda step: not step.request.writes, past)
    return tuple(step for step in reads if isinstance(step, Exchange))
