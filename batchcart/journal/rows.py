"""Owns how words become rows of the journal and back; it does not know when they are written."""

import msgspec

from batchcart.exchange import Exchange, Lost, Request, Response


def request_text(request: Request) -> str:
    """A request as the journal keeps it: unsigned, so without secrets."""
    parts = (request.method, request.path, request.query, request.body.decode())
    return msgspec.json.encode(parts).decode()


def request_of(text: str) -> Request:
    """The request back."""
    method, path, query, body = msgspec.json.decode(text, type=tuple[str, str, tuple[tuple[str, str], ...], str])
    return Request(method, path, query, body.encode())


def response_row(response: Response) -> tuple[int, str, bytes, None]:
    """An answer as the journal keeps it: status, headers, body, why."""
    return response.status, msgspec.json.encode(dict(response.headers)).decode(), response.body, None


def lost_row(why: str) -> tuple[None, None, None, str]:
    """A missing answer as the journal keeps it."""
    return None, None, None, why


def step_of(
    row: tuple[float, str, str, int | None, str | None, bytes | None, str | None],
) -> Exchange | Lost | None:
    """What a row (at, state, request, status, headers, body, why) means to a new process; None: nothing to remember.

    An intent without an answer is a request that was on its way when the process died.
    """
    at, state, text, status, headers, body, why = row
    request = request_of(text)
    if state in {"answered", "failing"}:
        kept = msgspec.json.decode(headers or "{}", type=dict[str, str])
        return Exchange(request, Response(status or 0, body or b"", kept), at)
    if state == "lost":
        return Lost(request, why or "no answer", at)
    if state == "sent":
        return Lost(request, "batchcart was stopped before the answer came", at) if request.writes else None
    if state != "void":
        raise ValueError(f"{state!r} is no state of a request")
    return None
