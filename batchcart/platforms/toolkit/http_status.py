"""Owns what an answer means by HTTP alone: throttled, failing, not the platform's; it knows no platform's words."""

import re
from urllib.parse import urlsplit

from batchcart.model.excerpt import excerpt
from batchcart.model.http import Exchange, Past, Response
from batchcart.model.outcome import Busy, Failing, Foreign, Reason, Refused
from batchcart.platforms.toolkit.lenient_json import readable, value_of, why_unreadable

_TAG = re.compile(r"<[^>]+>")

_SURELY_NOT_DONE = {301, 307, 308}
"""Redirects that ask for the same request elsewhere: a write was not acted on here. 302 and 303 may follow an act."""

_SAID_BY_STATUS = {400, 401, 404, 415}
"""Errors that a platform says with nothing in the body (PLATFORMS §1.3); any other without a body is a gateway's."""


def ok(response: Response) -> bool:
    """Whether HTTP says that all went well; the documents name 200 and 201 for the same calls, so any 2xx does."""
    return 200 <= response.status < 300


def not_there(response: Response) -> bool:
    """Whether the platform itself says 404; a web page with 404 is some server on the way that knows no carts."""
    return response.status == 404 and (not response.body.strip() or readable(response.body))


def last(past: Past) -> Exchange:
    """The answer that an interpretation is about."""
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    return exchange


def described(response: Response) -> str:
    """The answer in words, for a sentence: its status, and what kind of thing came with it."""
    body = _bare(response)
    if _redirects(response):
        return f"HTTP {response.status}, a redirect to {_target(response)}"
    if not body:
        return f"HTTP {response.status} with an empty body"
    if body.startswith(b"<") and not readable(response.body):
        words = " ".join(_TAG.sub(" ", excerpt(body)).split())[:80]
        return f'HTTP {response.status} with a web page ("{words}")'
    why = why_unreadable(response.body)
    return f"HTTP {response.status} with {why}" if why else f"HTTP {response.status}"


def http_trouble(exchange: Exchange, said: int = 0) -> Busy | Failing | Foreign | None:
    """What every platform's answer is looked at for first: throttled, failing, redirected, a web page, unreadable.

    ``said`` is the status that stands in the body, where that is worse. 429 is taken to mean that nothing was done:
    all three platforms refuse before they act (PLATFORMS §1.2, §2.2, §3.2: no case of the opposite is known).
    """
    response = exchange.response
    status = max(response.status, said)
    if status == 429:
        return Busy("the shop answered HTTP 429 (too many requests)", response.headers.get("retry-after", ""))
    down = status >= 500 or status == 408
    if not down and _is_foreign(response):
        return Foreign(
            f"the shop answered {described(response)}", exchange.request, response.status in _SURELY_NOT_DONE
        )
    if down or (ok(response) and not _says_something(exchange)):
        inside = f" that says {said}" if said > response.status else ""
        # A gateway that gave up waiting does not stop what it was waiting for.
        slow = status in {408, 504}
        after = response.headers.get("retry-after", "")
        return Failing(f"the shop answered {described(response)}{inside}", exchange.request, slow, after)
    return None


def rejected(response: Response, said: str = "") -> Refused:
    """The platform said no; ``said`` is its own reason where it gave one."""
    return Refused(Reason.REJECTED, said or f"the shop answered {described(response)}", excerpt(response.body))


def sent_before(past: Past) -> bool:
    """Whether the last write was sent once before in this operation, so that it may have been acted on twice."""
    writes = [step.request for step in past if step.request.writes]
    return writes.count(writes[-1]) > 1


def evidence(past: Past, why: str) -> str:
    """The sentence for a write of which nobody can say whether it happened."""
    write = next(step for step in reversed(past) if step.request.writes)
    return f"{write.request} was sent and not answered, and {why}"


def _says_something(exchange: Exchange) -> bool:
    body = exchange.response.body
    return value_of(body) is not None or (readable(body) and not exchange.request.writes)


def _is_foreign(response: Response) -> bool:
    """Whether no platform can have said this: a redirect, a web page, an error that is not JSON."""
    body = _bare(response)
    if ok(response):
        return body.startswith(b"<") and not readable(response.body)
    if not body:
        return response.status not in _SAID_BY_STATUS
    return _redirects(response) or not readable(response.body)


def _bare(response: Response) -> bytes:
    return response.body.removeprefix(b"\xef\xbb\xbf").strip()


def _redirects(response: Response) -> bool:
    return 300 <= response.status < 400


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
