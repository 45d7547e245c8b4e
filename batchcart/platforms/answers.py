"""Owns reading what a shop sent back, well-formed or not; it does not know any platform's words."""

import re
from decimal import Decimal
from typing import Any

import msgspec

from batchcart.exchange import Exchange, Lost, Past, Request, Response
from batchcart.outcome import Busy, Failing, Reason, Refused, Step

BODY_SHOWN = 2048
"""How many bytes of a shop's answer an error shows at the most."""

# Decimal keeps money and quantities as written; a float would round them.
_decoder = msgspec.json.Decoder(float_hook=Decimal)

_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*")
_TRAILING_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]]|\s*\Z)")
_MISSING_COMMA = re.compile(rf'({_STRING}|[}}\]0-9el])(\s*\n\s*(?="))')
_TAG = re.compile(r"<[^>]+>")


class Unreadable(ValueError):
    """The body is not JSON, even when read with the documents' own mistakes forgiven."""


def json_text(body: bytes) -> bytes:
    """The body as one line of well-formed JSON; raises Unreadable.

    Strict first. The documents of all three platforms print answers that are not JSON: trailing commas
    (S000 and S004 in nearly every sample), a missing comma (S003 "Atualizar Dados do Carrinho"), `//` comments
    (S004 "Add/update cart item discount"), and objects side by side without brackets (S003 "Consultar Dados do
    Carrinho"). What strict reading refuses is tried once more with exactly these forgiven.
    """
    if not body.strip():
        raise Unreadable("the body is empty")
    candidates = [body]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    if _is_json(body):
        return _one_line(body)
    mended = _COMMENT.sub(lambda found: found[1] or "", text)
    mended = _MISSING_COMMA.sub(lambda found: f"{found[1]},{found[2]}", mended)
    mended = _TRAILING_COMMA.sub(lambda found: found[1] or "", mended).strip()
    candidates = [mended.encode(), f"[{mended}]".encode()]
    for candidate in candidates:
        if _is_json(candidate):
            return _one_line(candidate)
    raise Unreadable("the body is not JSON")


def decoded(body: bytes) -> Any:
    """The body as Python values, fractions as Decimal; raises Unreadable."""
    return _decoder.decode(json_text(body))


def readable(body: bytes) -> bool:
    """Whether the body can be read as JSON."""
    try:
        json_text(body)
    except Unreadable:
        return False
    return True


def shown(body: bytes) -> str:
    """The body as an error shows it: text of at most BODY_SHOWN bytes."""
    return body[:BODY_SHOWN].decode("utf-8", "ignore")


def described(response: Response) -> str:
    """The answer in words, for a sentence: its status, and what kind of thing came with it."""
    body = response.body.strip()
    if not body:
        return f"HTTP {response.status} with an empty body"
    if body.startswith(b"<"):
        words = " ".join(_TAG.sub(" ", shown(body)).split())[:80]
        return f'HTTP {response.status} with a web page ("{words}")'
    if not readable(body):
        return f"HTTP {response.status} with something that is not JSON"
    return f"HTTP {response.status}"


def http_trouble(exchange: Exchange) -> Busy | Failing | None:
    """What every platform's answer is looked at for first: throttled, failing, redirected, unreadable.

    429 is taken to mean that nothing was done: all three platforms refuse before they act (PLATFORMS §1.2, §2.2,
    §3.2: no case of the opposite is known for them).
    """
    response = exchange.response
    if response.status == 429:
        return Busy("the shop answered HTTP 429 (too many requests)", response.headers.get("retry-after", ""))
    fails = (
        response.status >= 500
        or response.status == 408
        or (300 <= response.status < 400 and exchange.request.writes)
        or (200 <= response.status < 300 and not readable(response.body))
    )
    if fails:
        return Failing(f"the shop answered {described(response)}", exchange.request)
    return None


def rejected(response: Response, said: str = "") -> Refused:
    """The platform said no; ``said`` is its own reason where it gave one."""
    if 300 <= response.status < 400:
        target = response.headers.get("location", "elsewhere").partition("?")[0]
        return Refused(
            Reason.REJECTED,
            f"the shop redirects to {target} (HTTP {response.status}); redirects are not followed: "
            "check the account's address",
            shown(response.body),
        )
    return Refused(Reason.REJECTED, said or f"the shop answered {described(response)}", shown(response.body))


def wrote_before(past: Past) -> bool:
    """Whether an earlier write of this operation may have reached the shop without an answer one can trust."""
    return any(isinstance(step, Lost) or step.request.writes for step in past[:-1])


def after_failure(failing: Failing, past: Past, then: Step) -> Step:
    """What follows a failing answer: for a read the same question again, for a write what ``recover`` said."""
    last = past[-1]
    if not last.request.writes:
        return Failing(failing.message, last.request)
    if isinstance(then, Request):
        return Failing(failing.message, then)
    return then


def lost(past: Past, why: str) -> Past:
    """The past with its last exchange seen as a write without an answer."""
    last = past[-1]
    return (*past[:-1], Lost(last.request, why, last.at))


def _is_json(body: bytes) -> bool:
    try:
        _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _one_line(text: bytes) -> bytes:
    # JSON strings hold no raw line ends, so these are all between tokens.
    return text.strip().replace(b"\r", b"").replace(b"\n", b"").replace(b"\t", b"")
