"""Owns HTTP as plain data, and what became of each request; it does not know sockets or platforms."""

from collections.abc import Mapping

import msgspec


class Request(msgspec.Struct, frozen=True):
    """What is said to a shop. ``path`` is percent-encoded and begins with "/"; it names no host and no secret.

    ``body`` is JSON text, b"" where the request has none; signing adds ``headers``.
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
    """What the shop answered; header names are lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class NotSent(msgspec.Struct, frozen=True):
    """No byte left this process, so the shop cannot have acted; ``why`` is a sentence without secrets."""

    why: str


class Unanswered(msgspec.Struct, frozen=True):
    """The request may have reached the shop and no whole answer came; ``slow`` means that time ran out."""

    why: str
    slow: bool = False


class Exchange(msgspec.Struct, frozen=True):
    """A request with its answer; ``at`` is the wall-clock time it was sent."""

    request: Request
    response: Response
    at: float = 0.0


class Lost(msgspec.Struct, frozen=True):
    """A write that may have reached the shop and has no answer; ``at`` is its wall-clock time."""

    request: Request
    why: str
    at: float


Past = tuple[Exchange | Lost, ...]
"""What one operation has said and heard so far, without what cannot have changed anything."""
