"""Owns simulated shops that are called directly: the sandbox's, without its server; a script decides on their faults.

Every call looks into the journal for its own intent first.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlencode

from batchcart.accounts.config import Account
from batchcart.journal.schema import open_reading
from batchcart.model.http import NoResponse, NotSent, Reply, Request, Response
from batchcart.sandbox import Sandbox
from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.messages import Call
from batchcart.sandbox.routing import read_call

EPOCH = 1_800_000_000.0
"""The wall's seconds at which virtual time begins."""


@dataclass(frozen=True)
class SeenRequest:
    """One request as a shop saw it."""

    at: float
    account: str
    cart: str
    request: Request
    fault: str


Script = Callable[[str, Request], str]
"""Names what befalls a request of an account: a fault of the sandbox, one of _OWN, or "" for nothing.

"page-403" is answered by a web page with that status, "redirect-301" by a redirect; with "-after" the shop acts first.
"""

_OWN = {
    "not-sent": "no byte leaves",
    "garbage": "it is acted on, the answer cannot be read",
    "garbage-before": "it is not acted on, the answer cannot be read",
    "empty": "it is acted on, the answer is a 200 without a body",
    "redirect": "it is not acted on, the answer is a redirect",
    "429-date": "429 with a date",
    "429-none": "429 without Retry-After",
    "1001": "the store is blocked",
}
FAULTS = (
    "refuse", "reset-before", "reset-after", "hang", "hang-after", "delay", "truncate", "html-502", "500-before",
    "500-after", "429", "not-sent", "garbage", "garbage-before", "empty", "redirect", "429-date", "429-none",
)  # fmt: skip


def _unlimited() -> Sandbox:
    return Sandbox(limits=dict.fromkeys(("3dcart", "tray", "shoplo"), ()))


@dataclass
class Shops:
    """The shops of all accounts, and what they saw. ``troubles`` lists broken promises that show on arrival."""

    script: Script = lambda _account, _request: ""
    sandbox: Sandbox = field(default_factory=_unlimited)
    latency: Callable[[], float] = lambda: 0.05
    timeout: float = 30.0
    seen: list[SeenRequest] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    ahead: float = 0.0  # seconds by which somebody set this machine's wall clock forward
    still: threading.Lock = field(default_factory=threading.Lock)  # held where the shops must not change
    _flying: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def answer(self, account: Account, journal: Path, request: Request, leaving: Callable[[], None]) -> Reply:
        loop = asyncio.get_running_loop()
        call = read_call(
            request.method,
            f"{account.address.partition(':1')[2]}{request.path}?{urlencode(request.query)}",
            [("host", "shop"), *request.headers],
            request.body,
        )
        assert call is not None
        self._look_into(journal, request)
        endpoint = self.sandbox.shop(call.platform)
        cart = endpoint.platform.cart(endpoint.shop, call)
        fault = self.script(account.name, request)
        self.seen.append(SeenRequest(loop.time(), account.name, cart, request, fault))
        if fault == "not-sent":
            await asyncio.sleep(self.latency())
            return NotSent("127.0.0.1:1 cannot be reached: connection refused")
        leaving()
        await asyncio.sleep(self.latency())
        if cart:
            self._flying[account.name, cart] += 1
            if self._flying[account.name, cart] > 1:
                self.troubles.append(f"two requests at once on {account.name} {cart}")
        try:
            return await self._act(endpoint, call, fault)
        finally:
            if cart:
                self._flying[account.name, cart] -= 1

    async def _act(self, endpoint: ShopEndpoint, call: Call, fault: str) -> Reply:
        now = asyncio.get_running_loop().time()
        if fault in _OWN or fault.startswith(("page-", "redirect-", "422", "pause-")):
            if fault in {"garbage", "empty"} or fault.endswith("-after"):
                with self.still:
                    endpoint.handle(call, now, "")
            return _own_answer(fault, call)
        with self.still:
            verdict = endpoint.handle(call, now, fault)
        match verdict.manner:
            case "reset":
                return NoResponse("the connection was cut before the answer came")
            case "truncate":
                return NoResponse("the answer was cut short")
            case "hang":
                await asyncio.sleep(self.timeout)
                return NoResponse(f"no answer within {self.timeout:g} s", timed_out=True)
            case _:
                await asyncio.sleep(verdict.late)
                headers = {name.lower(): value for name, value in verdict.answer.headers.items()}
                return Response(verdict.answer.status, verdict.answer.body, headers)

    def _look_into(self, journal: Path, request: Request) -> None:
        with closing(open_reading(journal)) as connection:
            rows = connection.execute("SELECT request FROM send WHERE state = 'sent'").fetchall()
        if not any(json.loads(text)[:2] == [request.method, request.path] for (text,) in rows):
            self.troubles.append(f"{request.method} {request.path} is not in the journal")


def _refusal(fault: str, call: Call) -> str:
    """Why Tray refuses an add."""
    match fault:
        case "422-other":
            return "Not for sale"
        case "422-quoting":
            key = json.loads(call.body)["Cart"]["session_id"]
            return f"no room for {key} at {asyncio.get_running_loop().time()}"
        case _:
            return "Out of stock"


def _own_answer(fault: str, call: Call) -> Reply:
    match fault:
        case "empty":
            return Response(200)
        case "redirect":
            return Response(302, b"", {"location": "https://elsewhere.example/"})
        case "429-date":
            again = datetime.fromtimestamp(EPOCH + asyncio.get_running_loop().time() + 3, UTC)
            return Response(429, b"{}", {"retry-after": format_datetime(again, usegmt=True)})
        case "429-none":
            return Response(429, b"slow down")
        case refusal if refusal.startswith("422"):
            return Response(422, json.dumps({"code": 422, "name": "No", "causes": [_refusal(refusal, call)]}).encode())
        case pause if pause.startswith("pause-"):
            _, status, after = pause.split("-", 2)
            return Response(int(status), b"", {"retry-after": after})
        case page if page.startswith("page-"):
            return Response(int(page.split("-")[1]), b"<!DOCTYPE html><html><title>Blocked</title></html>")
        case redirect if redirect.startswith("redirect-"):
            return Response(int(redirect.split("-")[1]), b"", {"location": "https://new.example/c?access_token=t0k3n"})
        case "1001":
            return Response(401, b'{"code": 401, "error_code": 1001, "causes": ["blocked"]}')
        case _:
            return NoResponse("the answer was not HTTP")
