"""Owns HTTP as plain data, and what became of each request; it does not know sockets or platforms."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from batchcart.model.remedy import Remedy

Made = TypeVar("Made")


class Request(msgspec.Struct, frozen=True):
    """What is said to a shop. ``path`` is percent-encoded and begins with "/"; it names no host and no secret.

    ``body`` is JSON text, b"" if the request has none; signing adds ``headers``.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def writes(self) -> bool:
        """Whether the request may change the shop."""
        return self.method != "GET"

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")


class Response(msgspec.Struct, frozen=True):
    """What the shop answered; header names are lower case. ``made`` is for `once` alone."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    made: dict[Any, tuple[bytes, Any]] = {}

    @property
    def redirects(self) -> bool:
        """Whether the answer points elsewhere."""
        return 300 <= self.status < 400

    def once(self, make: "Callable[[Response], Made]") -> Made:
        """What ``make`` makes of the answer, made the first time that it is asked for."""
        kept = self.made.get(make)
        if kept is None or kept[0] is not self.body:  # a copy with another body is another answer
            kept = self.made[make] = (self.body, make(self))
        made: Made = kept[1]
        return made


class NotSent(msgspec.Struct, frozen=True):
    """The shop cannot have acted: no request reached it; ``why`` is a sentence without secrets.

    ``remedy`` is what somebody has to do before trying again can change anything, if that is so.
    """

    why: str
    remedy: Remedy | None = None


class NoResponse(msgspec.Struct, frozen=True):
    """The request may have reached the shop and no whole answer came; ``timed_out`` means that time ran out."""

    why: str
    timed_out: bool = False


Reply = Response | NotSent | NoResponse

Sender = Callable[[Request, Callable[[], None]], Awaitable[Reply]]
"""Sends a signed request; the callable it is given is called when its bytes begin to leave."""


class Exchange(msgspec.Struct, frozen=True):
    """A request with its answer; ``at`` is the wall-clock time it was sent."""

    request: Request
    response: Response
    at: float = 0.0


class LostWrite(msgspec.Struct, frozen=True):
    """A write that may have reached the shop and has no answer; ``at`` is its wall-clock time."""

    request: Request
    why: str
    at: float


History = tuple[Exchange | LostWrite, ...]
"""What one operation has said and heard so far, without what cannot have changed anything."""
