"""Owns how words become rows of the journal and back; it does not know when they are written."""

from typing import Literal

import msgspec

from batchcart.model.errors import quote
from batchcart.model.http import Request, Response

RequestState = Literal["sent", "answered", "failing", "lost", "void"]
"""What became of a request: nothing is known, it was answered, by trouble, not at all, or it changed nothing."""


class SentRequest(msgspec.Struct, frozen=True):
    """A request that was sent, as the journal says it, and what became of it.

    ``body`` is None if it follows from the job line. What is "void" is not a part of the operation's past.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes | None
    at: float
    state: RequestState
    response: Response | None
    why: str

    def is_like(self, made: Request) -> bool:
        """Whether this is what was sent of ``made``."""
        same = (self.method, self.path, self.query) == (made.method, made.path, made.query)
        return same and self.body in {None, made.body}

    def __str__(self) -> str:
        return quote(str(Request(self.method, self.path, self.query)))


_Parts = tuple[str, str, tuple[tuple[str, str], ...], str | None]


def encode_request(request: Request, number: int) -> str:
    """An operation's ``number``-th request as the journal keeps it: unsigned, so without secrets.

    The first follows from the job line and the lines before it, so its body is not kept: that is most of what a
    commit would write. What has no body is kept whole: a look's place is taken by an add, say, once `settle` has told
    what is in the cart.
    """
    follows = number == 1 and request.body
    parts = (request.method, request.path, request.query, None if follows else request.body.decode())
    return msgspec.json.encode(parts).decode()


def encode_response(response: Response) -> tuple[int, str, bytes, None]:
    """An answer as the journal keeps it: status, headers, body, why."""
    return response.status, msgspec.json.encode(dict(response.headers)).decode(), response.body, None


def encode_loss(why: str) -> tuple[None, None, None, str]:
    """A missing answer as the journal keeps it."""
    return None, None, None, why


def decode_row(
    at: float,
    state: RequestState,
    request: str,
    status: int | None,
    headers: str | None,
    body: bytes | None,
    why: str | None,
) -> SentRequest:
    """A row of the past; raises ValueError if it is none."""
    method, path, query, said = msgspec.json.decode(request, type=_Parts)
    answer = None
    if status is not None:
        kept = msgspec.json.decode(headers or "{}", type=dict[str, str])
        answer = Response(status, body or b"", kept)
    elif state in {"answered", "failing"}:
        raise ValueError(f"a request is {state} by no answer")
    parts = (method, path, query, None if said is None else said.encode())
    return SentRequest(*parts, at, state, answer, why or "")
