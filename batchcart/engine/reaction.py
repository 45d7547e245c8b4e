"""Owns the words in which it is said what follows from a reply; who decides it is in transitions.py.

The executor carries out the action, signals.py takes in the signal, and the journal gets the note. An operation is a
past, which a new process finds in the journal, and figures, which it does not need.
"""

import math
from collections.abc import Callable

import msgspec

from batchcart.model.adapter import CartContext, OperationSpec
from batchcart.model.http import Exchange, History, Request
from batchcart.model.operation import Operation
from batchcart.model.outcome import (
    NO_PAUSE,
    AccountError,
    AskedPause,
    Failed,
    InDoubt,
    Succeeded,
    Throttled,
    Unauthorized,
)
from batchcart.model.remedy import Remedy


class Execution(msgspec.Struct, frozen=True):
    """One operation under way: what was said and heard, and the figures of its result line.

    ``classify`` is the adapter's; ``busy`` are the statuses that mean what 429 means. ``foreign``: something else than
    the platform answered its write, or its read. With ``read_only`` nothing is written any more: where a write would
    follow, it has not happened. ``settles`` says that its account is closing and it may still ask what became of its
    write. ``sure``: the shop was left long enough after the last write for a look to be believed, whatever it shows.
    ``writes_sent`` counts the sendings of its write. By the steady clock, ``written_at`` is when the last of them was
    over that it remembers, and ``lost_at`` when it was last known that an answer will not come.
    """

    operation: Operation
    known: CartContext
    spec: OperationSpec
    classify: Callable[[Exchange], AccountError | None]
    timeout: float = 30.0
    past: History = ()
    sends: int = 0
    wasted: int = 0
    first_at: float | None = None
    tries: int = 0
    throttled: int = 0
    foreign_reads: int = 0
    foreign_writes: int = 0
    status: int | None = None
    body: bytes = b""
    why: str = ""
    cut_off: bool = False
    denied: bool = False
    foreign: bool = False
    read_only: bool = False
    settles: bool = False
    sure: bool = False
    writes_sent: int = 0
    written_at: float = -math.inf
    lost_at: float = -math.inf
    busy: frozenset[int] = frozenset()


class Send(msgspec.Struct, frozen=True):
    """Send the request."""

    request: Request


class Retry(msgspec.Struct, frozen=True):
    """Send the request after a pause that grows with the ``tries``, of at least so many seconds."""

    request: Request
    tries: int
    least: float = 0.0


class RefreshTokens(msgspec.Struct, frozen=True):
    """Renew the credentials, then send the request; ``again``: they were refused to it before."""

    request: Request
    denied: Unauthorized
    again: bool


class Finish(msgspec.Struct, frozen=True):
    """The operation has ended."""

    outcome: Succeeded | Failed | InDoubt


class LeavePending(msgspec.Struct, frozen=True):
    """The line stays open; its past is in the journal."""


Action = Send | Retry | RefreshTokens | Finish | LeavePending


class Healthy(msgspec.Struct, frozen=True):
    """The platform answered as one that is up, and took the credentials."""


class Unhealthy(msgspec.Struct, frozen=True):
    """A request failed; an ``alarming`` failure alone makes an outage. ``pause`` is what the answer asked for."""

    why: str
    alarming: bool = False
    pause: AskedPause = NO_PAUSE


class Suspicious(msgspec.Struct, frozen=True):
    """Something else than the platform answered; ``redirected``: it redirects, which needs no second look."""

    why: str
    redirected: bool = False


class Barred(msgspec.Struct, frozen=True):
    """No request will reach the shop before somebody has seen to it, as ``remedy`` says."""

    why: str
    remedy: Remedy


Signal = Healthy | Unhealthy | Suspicious | Barred | Throttled


class Reaction(msgspec.Struct, frozen=True):
    """The operation after the reply, what is done next, and what account and journal get of it.

    ``note`` is the state of the request in the journal; "" where the ending follows at once and takes the past away.
    """

    execution: Execution
    action: Action
    signal: Signal | None = None
    note: str = ""
