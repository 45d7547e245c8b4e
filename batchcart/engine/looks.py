"""Owns when a shop is asked what became of a write, and when its answer is believed; it talks to nobody.

What a shop answers reads from may lag behind what it writes to. So a look is believed at once only where that makes no
difference, as where it shows the line that was added; any other is taken again later.
"""

from msgspec.structs import replace

from batchcart.model.adapter import CartContext
from batchcart.model.http import Exchange, History, LostWrite, Request
from batchcart.model.operation import DELETES, OperationKind
from batchcart.model.outcome import Step, Succeeded

SURE_AFTER = 3.5
"""Seconds to leave a shop after a first look before a second one is believed whatever it shows."""

_SETTLED_AFTER = 2.0
"""Seconds after its sending from which a request that was on its way when we died has surely been acted on."""

_CUT_SETTLED_AFTER = 0.5
"""Seconds to leave a shop that cut the line, or failed, before asking it what it did."""


def settling(past: History, now: float) -> float:
    """Seconds to leave the shop that a request was on its way to when the process died, at wall-clock time ``now``."""
    last = past[-1] if past else None
    return min(max(0.0, last.at + _SETTLED_AFTER - now), _SETTLED_AFTER) if isinstance(last, LostWrite) else 0.0


def wait_before(following: Request) -> float:
    """Seconds to wait before what follows an unclear answer to a write: a look that comes too early proves nothing."""
    return 0.0 if following.writes else _CUT_SETTLED_AFTER


def up_to_last_write(past: History) -> History:
    """The past with what was read since the last write forgotten, so that it is read again; all of it without one."""
    ends = [end for end, step in enumerate(past, 1) if step.request.writes]
    return past[: ends[-1]] if ends else past


def date_last_write(past: History, earliest: float) -> History:
    """The past with its last write no earlier than it can have been: the wall clock was set forward since."""
    written = up_to_last_write(past)
    if not written or written[-1].at >= earliest:
        return past
    return (*written[:-1], replace(written[-1], at=earliest), *past[len(written) :])


def misleads(
    step: Step,
    past: History,
    look: Exchange,
    operation: OperationKind,
    known: CartContext,
    *,
    repeats: bool,
    foreign: bool,
) -> bool:
    """Whether the step that a look leads to may be wrong because the look shows the shop as it was seconds ago.

    Then a cart may lack what was added last, still hold what was deleted, and hold what it held before an update.
    ``repeats``: a write that did not happen is sent again, and not said to have failed. ``foreign``: something else
    than the platform answered it.
    """
    written = up_to_last_write(past)
    if look.request.writes or not written or not written[-1].request.writes:
        return False
    write = written[-1]
    match step:
        case Request(writes=True):
            return step != write.request or operation.creates_item or not repeats
        case Request():
            return False
        case Succeeded() if operation.creates_item:
            return known.rewritten
        case Succeeded():
            return operation in DELETES or isinstance(write, LostWrite) or foreign or write.response.status >= 300
        case _:
            return True


def is_recent(past: History, at: float, timeout: float) -> bool:
    """Whether the last write may have been acted on only shortly before a look, whose last read left at ``at``.

    The write was answered within the ``timeout``, or given up then. A look of several reads is as old as its first.
    """
    written = up_to_last_write(past)
    began = past[len(written)].at if len(past) > len(written) else at
    return began - written[-1].at < timeout + SURE_AFTER
