"""Owns how an operation can end, and the answers that are not endings; it does not know how they come about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from batchcart.exchange import Request


class Status(StrEnum):
    """The endings of a job line, as the result file names them."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_DOUBT = "in_doubt"


class Reason(StrEnum):
    """``error.kind`` of a result line."""

    REJECTED = "rejected"
    THROTTLED = "throttled"
    NETWORK = "network"
    PLATFORM = "platform"
    DEPENDENCY = "dependency"
    UNKNOWN = "unknown"


Facts = Mapping[str, str | None]
"""What an adapter wants to remember about a cart for its later operations; None forgets."""


@dataclass(frozen=True, slots=True)
class Done:
    """It happened. ``names`` are the platform's own words (OrderKey …); ``body`` is the JSON text of a read."""

    cart_id: str | None = None
    item_id: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not happen, and asking again would not help."""

    reason: Reason
    message: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether it happened; ``evidence`` says what was sent, when, and what came back."""

    evidence: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """It was not tried, because the operation on ``line`` did not bring what it needs."""

    line: int
    message: str


Outcome = Done | Refused | Unknown | Skipped


@dataclass(frozen=True, slots=True)
class Busy:
    """The platform did nothing and asks to come back later; ``retry_after`` is its header as written."""

    message: str
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Failing:
    """The platform is in trouble; ``then`` is what to say once it may be better.

    ``slow`` means that something behind it may still be working on the request; ``retry_after`` is its header as
    written.
    """

    message: str
    then: Request
    slow: bool = False
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """The credentials were refused and nothing was done; ``final`` means that renewing them cannot help."""

    message: str
    final: bool = False


Step = Request | Busy | Failing | Denied | Done | Refused | Unknown
"""What an adapter says next: something to send, something to wait for, or an ending."""
