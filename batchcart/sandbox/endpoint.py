"""Owns the course of one call at one shop: limits, faults, credentials, answer; it does not know sockets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from math import ceil
from typing import Literal

from batchcart.model.limits import Limit
from batchcart.sandbox.faults import KINDS, FaultInjector
from batchcart.sandbox.messages import Answer, Call, Effect
from batchcart.sandbox.rate_meters import Meter, meter
from batchcart.sandbox.recorder import ShopRecorder
from batchcart.sandbox.shop import Platform, Shop

Manner = Literal["answer", "reset", "hang", "truncate"]
RetryAfter = Literal["seconds", "date", "none"]
Down = Literal["", "reset", "503"]

_HTML_502 = (
    b"<html><head><title>502 Bad Gateway</title></head>\n<body><center><h1>502 Bad Gateway</h1></center>"
    b"<hr><center>batchcart-sandbox, a simulator</center></body></html>\n"
)
_HTML = "text/html; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"
_BROKEN = Answer(500, b"Internal Server Error (simulated)\n", content_type=_PLAIN)
_CLOSED = Answer(503, b"Service Unavailable (simulated)\n", content_type=_PLAIN)
_FAULT_RETRY_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Handling:
    """What becomes of a call on the wire: its answer, the manner of giving it, and how late."""

    answer: Answer
    manner: Manner = "answer"
    late: float = 0.0


@dataclass(slots=True)
class ShopEndpoint:
    """One shop as its clients meet it; ``down`` may be set while it runs, and set back to "".

    ``noted`` is told of each effect before its answer goes out; ``sequence`` numbers effects of all shops.
    """

    platform: Platform
    shop: Shop
    limits: Sequence[Limit]
    chances: FaultInjector
    sequence: Iterator[int]
    noted: Callable[[Shop, Effect], None]
    delay: tuple[float, float]
    sloppy: bool
    retry_after: RetryAfter
    down: Down = ""
    saw: ShopRecorder = field(default_factory=ShopRecorder)

    def expire_token(self) -> None:
        """The access token stops working until it is renewed, where tokens are."""
        self.shop.tokens.expired = True

    def handle(self, call: Call, now: float, fault: str) -> Handling:
        """What becomes of ``call``, which has arrived at ``now`` and meets ``fault`` ("" for none)."""
        if self.down:
            self.saw.turned_away += 1
            return Handling(_CLOSED, "reset" if self.down == "reset" else "answer")
        fault = self.chances.resolve(fault)
        if fault:
            assert fault in KINDS, f"the hook names an unknown kind of fault: {fault}"
            self.saw.faults[fault] += 1
        if fault == "refuse":
            return Handling(_CLOSED, "reset")
        self.saw.requests[call.route] += 1
        wait = self._meter(call).arrive(now)
        # Asked of every call, since a nonce is spent by arriving.
        refusal = self.platform.refusal(self.shop, call)
        verdict = self._throttle(call, wait) if wait else self._before(call, fault)
        if verdict is None:
            verdict = self._after(refusal or self._answer(call), fault)
        if verdict.manner == "answer":
            self.saw.answered[verdict.answer.status] += 1
        return verdict

    def _meter(self, call: Call) -> Meter:
        account = self.platform.account(call)
        found = self.saw.meters.get(account)
        if found is None:
            found = self.saw.meters[account] = meter(self.limits)
        return found

    def _throttle(self, call: Call, wait: float) -> Handling:
        self.saw.throttled += 1
        answer = self.platform.throttled(self.shop, call)
        match self.retry_after:
            case "seconds":
                return Handling(replace(answer, headers={"Retry-After": str(ceil(wait))}))
            case "date":
                again = self.shop.wall() + timedelta(seconds=ceil(wait) + 1)
                return Handling(
                    replace(answer, headers={"Retry-After": format_datetime(again.astimezone(UTC), usegmt=True)})
                )
            case "none":
                return Handling(answer)

    def _before(self, call: Call, fault: str) -> Handling | None:
        """The end that a fault makes before the effect, if it is one of those."""
        match fault:
            case "reset-before":
                return Handling(_CLOSED, "reset")
            case "hang":
                return Handling(_CLOSED, "hang")
            case "html-502":
                return Handling(Answer(502, _HTML_502, content_type=_HTML))
            case "500-before":
                return Handling(_BROKEN)
            case "429":
                return self._throttle(call, _FAULT_RETRY_AFTER)
            case "401":
                denied = self.platform.denied(self.shop, call)
                return Handling(denied) if denied else None
            case _:
                return None

    def _after(self, answer: Answer, fault: str) -> Handling:
        """How the answer is given, once there is one."""
        match fault:
            case "reset-after":
                return Handling(answer, "reset")
            case "hang-after":
                return Handling(answer, "hang")
            case "truncate":
                return Handling(answer, "truncate")
            case "500-after":
                return Handling(_BROKEN)
            case "delay":
                return Handling(answer, late=self.chances.rng.uniform(*self.delay))
            case _:
                return Handling(answer)

    def _answer(self, call: Call) -> Answer:
        route = self.platform.routes.get(call.route)
        answer = route(self.shop, call) if route else self.platform.missing(self.shop, call)
        if answer.effect:
            self.saw.record_effect(call, answer.effect, next(self.sequence))
            self.noted(self.shop, answer.effect)
        return self.platform.as_printed(call, answer) if self.sloppy else answer
