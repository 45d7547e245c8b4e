"""Owns HTTP as plain data, and what became of each request; it does not know sockets or platforms."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
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


@dataclass(frozen=True, slots=True)
class Response:
    """What the shop answered; header names are lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte left this process, so the shop cannot have acted; ``why`` is a sentence without secrets."""

    why: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The request may have reached the shop and no whole answer came; ``slow`` means that time ran out."""

    why: str
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its answer; ``at`` is the wall-clock time it was sent."""

    request: Request
    response: Response
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """A write that may have reached the shop and has no answer; ``at`` is its wall-clock time."""

    request: Request
    why: str
    at: float


Past = tuple[Exchange | Lost, ...]
"""What one operation has said and heard so far, without what cannot have changed anything."""
