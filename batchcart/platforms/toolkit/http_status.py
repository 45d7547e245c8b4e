"""Owns what an answer means by HTTP alone: throttled, failing, refused; it does not know any platform's words."""

import re

from batchcart.model.http import Exchange, Past, Response
from batchcart.model.outcome import Busy, Failing, Reason, Refused
from batchcart.platforms.toolkit.lenient_json import readable, value_of

BODY_SHOWN = 2048
"""How many bytes of a shop's answer an error shows at the most."""

_TAG = re.compile(r"<[^>]+>")


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


def shown(body: bytes) -> str:
    """The body as an error shows it: text of at most BODY_SHOWN bytes."""
    return body[:BODY_SHOWN].decode("utf-8", "ignore")


def described(response: Response) -> str:
    """The answer in words, for a sentence: its status, and what kind of thing came with it."""
    body = response.body.strip()
    if _redirects(response):
        return f"HTTP {response.status}, a redirect to {_target(response)}"
    if not body:
        return f"HTTP {response.status} with an empty body"
    if body.startswith(b"<"):
        words = " ".join(_TAG.sub(" ", shown(body)).split())[:80]
        return f'HTTP {response.status} with a web page ("{words}")'
    if not readable(body):
        return f"HTTP {response.status} with something that is not JSON"
    return f"HTTP {response.status}"


def http_trouble(exchange: Exchange, said: int = 0) -> Busy | Failing | None:
    """What every platform's answer is looked at for first: throttled, failing, redirected, unreadable.

    ``said`` is the status that stands in the body, where that is worse. 429 is taken to mean that nothing was done:
    all three platforms refuse before they act (PLATFORMS §1.2, §2.2, §3.2: no case of the opposite is known).
    """
    response = exchange.response
    status = max(response.status, said)
    if status == 429:
        return Busy("the shop answered HTTP 429 (too many requests)", response.headers.get("retry-after", ""))
    fails = (
        status >= 500
        or status == 408
        or (300 <= response.status < 400 and exchange.request.writes)
        or (ok(response) and not _says_something(exchange))
    )
    if fails:
        inside = f" that says {said}" if said > response.status else ""
        # A gateway that gave up waiting does not stop what it was waiting for.
        slow = status in {408, 504}
        after = response.headers.get("retry-after", "")
        return Failing(f"the shop answered {described(response)}{inside}", exchange.request, slow, after)
    return None


def rejected(response: Response, said: str = "") -> Refused:
    """The platform said no; ``said`` is its own reason where it gave one."""
    if _redirects(response):
        said = (
            f"the shop redirects to {_target(response)} (HTTP {response.status}); redirects are not followed: "
            "check the account's address"
        )
    return Refused(Reason.REJECTED, said or f"the shop answered {described(response)}", shown(response.body))


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


def _redirects(response: Response) -> bool:
    return 300 <= response.status < 400 and response.status != 304  # which says "not modified" to nobody who asked


def _target(response: Response) -> str:
    return response.headers.get("location", "elsewhere").partition("?")[0]
