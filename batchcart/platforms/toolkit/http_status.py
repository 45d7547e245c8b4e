"""Owns what an answer means by HTTP alone: throttled, failing, not the platform's; it knows no platform's words."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, History, LostWrite, Response
from batchcart.model.outcome import ErrorKind, Failed, Foreign, Throttled, Unavailable
from batchcart.model.throttle import asked_pause, read_throttle
from batchcart.platforms.toolkit.lenient_json import readable, value_of, why_unreadable

_TAG = re.compile(r"<[^>]+>")
_MOST_WORDS = 80  # characters of an answer that a sentence quotes

_SURELY_NOT_DONE = {301, 307, 308}
"""Redirects that ask for the same request elsewhere: a write was not acted on here. 302 and 303 may follow an act."""


def ok(response: Response) -> bool:
    """Whether HTTP says that all went well; the documents name 200 and 201 for the same calls, so any 2xx does."""
    return 200 <= response.status < 300


def last(past: History) -> Exchange:
    """The answer that an interpretation is about."""
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    return exchange


def describe(response: Response) -> str:
    """The answer in words, for a sentence: its status, and what kind of thing came with it."""
    body = _bare(response)
    if response.redirects:
        return f"HTTP {response.status}, a redirect to {_target(response)}"
    if not body:
        return f"HTTP {response.status} with an empty body"
    if body.startswith(b"<") and not readable(response):
        words = " ".join(_TAG.sub(" ", excerpt(body)).split())[:_MOST_WORDS]
        return f'HTTP {response.status} with a web page ("{words}")'
    if why := why_unreadable(response):
        return f"HTTP {response.status} with {why}"
    return f"HTTP {response.status} with {_beginning(body)}"


def classify_http(
    exchange: Exchange, documented: Callable[[Response], bool], said: int = 0
) -> Throttled | Unavailable | Foreign | None:
    """What every platform's answer is looked at for first: throttled, failing, not the platform's.

    ``documented`` says whether an answer below 500 has a form that the platform's documents know, ``said`` is the
    status that stands in the body, where that is worse. 429 is taken to mean that nothing was done: all three
    platforms refuse before they act (PLATFORMS §1.2, §2.2, §3.2: no case of the opposite is known).
    """
    response = exchange.response
    status = max(response.status, said)
    if status == 429:
        return read_throttle("the shop answered HTTP 429 (too many requests)", response)
    moved = response.redirects
    fails = status >= 500 or status == 408 or (not moved and (_is_cut(response) or _says_nothing(exchange)))
    if not fails and (moved or not documented(response)):
        return Foreign(f"the shop answered {describe(response)}", exchange.request, response.status in _SURELY_NOT_DONE)
    if fails:
        inside = f" that says {said}" if said > response.status else ""
        # A gateway that gave up waiting does not stop what it was waiting for.
        slow = status in {408, 504}
        after = asked_pause(response)
        return Unavailable(f"the shop answered {describe(response)}{inside}", exchange.request, slow, after)
    return None


def reject(response: Response, said: str = "") -> Failed:
    """The platform said no; ``said`` is its own reason where it gave one."""
    return Failed(ErrorKind.REJECTED, said or f"the shop answered {describe(response)}", excerpt(response.body))


def was_sent_before(past: History) -> bool:
    """Whether the last write was sent once before in this operation, so that it may have been acted on twice."""
    writes = [step.request for step in past if step.request.writes]
    return writes.count(writes[-1]) > 1


def last_write(past: History) -> Exchange | LostWrite:
    """The write that was sent last; there must be one."""
    return next(step for step in reversed(past) if step.request.writes)


def doubt_message(past: History, why: str) -> str:
    """The sentence for a write of which nobody can say whether it happened."""
    write = last_write(past)
    first, *again = [step for step in past if step.request == write.request]
    more = f", sent again and {_became(again[-1])}" if again else ""
    return f"{write.request} was sent and {_became(first)}{more}, and {why}"


def _became(step: Exchange | LostWrite) -> str:
    return "not answered" if isinstance(step, LostWrite) else f"answered {describe(step.response)}"


def _says_nothing(exchange: Exchange) -> bool:
    """Whether a 2xx has an empty body, or, in answer to a write, nothing but null."""
    response = exchange.response
    if not ok(response):
        return False
    return not _bare(response) or (exchange.request.writes and readable(response) and value_of(response) is None)


def _is_cut(response: Response) -> bool:
    """Whether the answer begins like JSON and does not end like it, as one that was cut off does."""
    return _bare(response)[:1] in {b"{", b"["} and not readable(response)


def _bare(response: Response) -> bytes:
    return response.body.removeprefix(b"\xef\xbb\xbf").strip()


def _target(response: Response) -> str:
    """Scheme and host that a redirect points to; what stands behind them may be anybody's secret."""
    target = response.headers.get("location", "")
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "somewhere that cannot be read"
    if not target:
        return "nowhere: it names no place"
    if not host:
        return "another path of the same host"
    return f"{parts.scheme or 'the same scheme'}://{host}{f':{port}' if port else ''}"


def _beginning(body: bytes) -> str:
    """The first words of a body, for a sentence."""
    words = " ".join(excerpt(body).split())
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"
