"""Owns how words become rows of the journal and back; it does not know when they are written."""

from collections.abc import Callable, Iterable

import msgspec

from batchcart.model.http import Exchange, LostWrite, Request, Response


class RequestMismatch(Exception):
    """The first request of an operation that was begun is no longer the one that was sent; says both."""


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


def decode_request(text: str, firsts: Callable[[], Iterable[Request]]) -> Request:
    """The request back; ``firsts`` makes the operation's first one again, in each way in which it may have been made.

    Raises MadeOtherwise where it is none of them.
    """
    method, path, query, body = msgspec.json.decode(text, type=_Parts)
    if body is not None:
        return Request(method, path, query, body.encode())
    for made in (tried := tuple(firsts())):
        if (made.method, made.path, made.query) == (method, path, query):
            return made
    raise RequestMismatch(f"{method} {path} was sent, and is made as {tried[0]} now")


def encode_response(response: Response) -> tuple[int, str, bytes, None]:
    """An answer as the journal keeps it: status, headers, body, why."""
    return response.status, msgspec.json.encode(dict(response.headers)).decode(), response.body, None


def encode_loss(why: str) -> tuple[None, None, None, str]:
    """A missing answer as the journal keeps it."""
    return None, None, None, why


def decode_step(
    row: tuple[float, str, str, int | None, str | None, bytes | None, str | None],
    firsts: Callable[[], Iterable[Request]],
) -> Exchange | LostWrite | None:
    """What a row (at, state, request, status, headers, body, why) means to a new process; None: nothing to remember.

    ``firsts`` makes the operation's first request, in each way in which it may have been made.

    An intent without an answer is a request that was on its way when the process died.
    """
    at, state, text, status, headers, body, why = row
    request = decode_request(text, firsts)
    if state in {"answered", "failing"}:
        kept = msgspec.json.decode(headers or "{}", type=dict[str, str])
        return Exchange(request, Response(status or 0, body or b"", kept), at)
    if state == "lost":
        return LostWrite(request, why or "no answer", at)
    if state == "sent":
        return LostWrite(request, "batchcart was stopped before the answer came", at) if request.writes else None
    if state != "void":
        raise ValueError(f"{state!r} is no state of a request")
    return None
