"""Owns how an operation can end, and the answers that are not endings; it does not know how they come about.

Every sentence here may quote a shop, so here is where it gets its greatest length.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import force_setattr

from batchcart.model.excerpt import shorten
from batchcart.model.http import Request


class Status(StrEnum):
    """The endings of a job line, as the result file names them."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_DOUBT = "in_doubt"


class ErrorKind(StrEnum):
    """``error.kind`` of a result line."""

    REJECTED = "rejected"
    THROTTLED = "throttled"
    NETWORK = "network"
    PLATFORM = "platform"
    DEPENDENCY = "dependency"
    UNKNOWN = "unknown"


CartFacts = Mapping[str, str | None]
"""What an adapter wants to remember about a cart for its later operations; None forgets."""


class Succeeded(msgspec.Struct, frozen=True):
    """It happened. ``names`` are the platform's own words for the ids; ``body`` is the JSON text of a read."""

    cart_id: str | None = None
    item_id: str | None = None
    names: Mapping[str, str] = {}
    body: bytes = b""
    facts: CartFacts = {}


class Failed(msgspec.Struct, frozen=True):
    """It did not happen, and asking again would not help; ``body`` is the beginning of the last answer."""

    reason: ErrorKind
    message: str
    body: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "message", shorten(self.message))


class InDoubt(msgspec.Struct, frozen=True):
    """Nobody can say whether it happened; ``evidence`` says what was sent, when, and what came back.

    ``body`` is the beginning of the last answer, "" if there was none.
    """

    evidence: str
    facts: CartFacts = {}
    body: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "evidence", shorten(self.evidence))


class Skipped(msgspec.Struct, frozen=True):
    """It was not tried, because the operation on ``line`` did not bring what it needs."""

    line: int
    message: str


Outcome = Succeeded | Failed | InDoubt | Skipped


class _Said(msgspec.Struct, frozen=True):
    message: str

    def __post_init__(self) -> None:
        force_setattr(self, "message", shorten(self.message))


class AskedPause(msgspec.Struct, frozen=True):
    """A pause as an answer's header has it: seconds or a moment, ``written`` as it came; "" for none.

    ``clock`` is the answer's Date, by which a moment is to be read: what the shop's own clock showed.
    """

    written: str = ""
    clock: str = ""


NO_PAUSE = AskedPause()


class Throttled(_Said, frozen=True):
    """The platform did nothing and asks to come back later, as ``retry_after`` says.

    ``hint`` is when its limit begins anew, by another header: seconds, or a moment in Unix time. Without ``teaches`` it
    says nothing of a limit, as the pause of a shop that is being looked after.
    """

    retry_after: AskedPause = NO_PAUSE
    hint: AskedPause = NO_PAUSE
    teaches: bool = True


class Unavailable(_Said, frozen=True):
    """The platform is in trouble; ``then`` is what to say once it may be better.

    ``timed_out`` means that something behind it may still be working on the request.
    """

    then: Request
    timed_out: bool = False
    retry_after: AskedPause = NO_PAUSE


class Foreign(_Said, frozen=True):
    """What answered is not the platform: a web page, a redirect, an error in no documented form.

    ``then`` is what to say if the platform is there after all, or the ending where nothing can be said; ``void`` means
    that nothing was done here, so that a write may be said again.
    """

    then: Request | Failed | InDoubt
    void: bool = False


class Unauthorized(_Said, frozen=True):
    """The credentials were refused and nothing was done; ``permanent`` means that renewing them cannot help."""

    permanent: bool = False


AccountError = Throttled | Unavailable | Foreign | Unauthorized
"""What may be wrong with the shop or the credentials, whatever the operation was."""

Step = Request | Throttled | Unavailable | Foreign | Unauthorized | Succeeded | Failed | InDoubt
"""What an adapter says next: something to send, something to wait for, or an ending."""
