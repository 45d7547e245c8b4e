"""Owns a run in virtual time: a real journal and real platforms around simulated shops that are called directly.

The shops are the sandbox's, without its server. What befalls a request is said by a script. Every call looks into the
journal for its own intent first.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import virtual_clock

from batchcart.accounts.config import Account, AccountConfig, load_config
from batchcart.accounts.state import AccountState
from batchcart.engine.session import AccountSession, Send
from batchcart.jobs.opening import open_job
from batchcart.journal.schema import open_reading
from batchcart.journal.summary import Summary
from batchcart.journal.writer import JournalFailed, JournalWriter
from batchcart.model.events import Event, OfAccount
from batchcart.model.http import NoResponse, NotSent, Reply, Request, Response
from batchcart.platforms import load_adapters
from batchcart.runs.deps import Deps
from batchcart.runs.journal_file import take_up
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path
from batchcart.runs.runner import run_job
from batchcart.sandbox import Sandbox
from batchcart.sandbox.endpoint import ShopEndpoint
from batchcart.sandbox.messages import Call
from batchcart.sandbox.routing import read_call

Line = dict[str, Any]
EPOCH = 1_800_000_000.0
RUN = f"{random.Random(0).getrandbits(128):032x}"
"""The name of a run whose random numbers have the seed 0."""

CONFIG = """
[accounts.local-3dcart]
platform = "3dcart"
secure_url = "https://acme.example"
private_key = "canary-private-key"
token = "canary-token-3dcart"
base_url = "http://127.0.0.1:1/3dcart"
limits = []
[accounts.local-tray]
platform = "tray"
api_address = "http://127.0.0.1:1/tray/web_api"
access_token = "canary-access-tray"
refresh_token = "canary-refresh-tray"
limits = []
[accounts.local-shoplo]
platform = "shoplo"
auth = "bearer"
access_token = "canary-access-shoplo"
app_id = "12"
base_url = "http://127.0.0.1:1/shoplo"
limits = []
"""


@dataclass(frozen=True)
class Said:
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


class _CountingJournal(JournalWriter):
    """The journal, counting those who wait for the disk, so that virtual time waits with them."""

    waiting = 0

    async def record_intent(self, line: int, number: int, at: float, request: Request) -> None:
        self.waiting += 1
        try:
            await super().record_intent(line, number, at, request)
        finally:
            self.waiting -= 1

    async def flush(self) -> None:
        self.waiting += 1
        try:
            await super().flush()
        finally:
            self.waiting -= 1


def _unlimited() -> Sandbox:
    return Sandbox(limits=dict.fromkeys(("3dcart", "tray", "shoplo"), ()))


@dataclass
class Shops:
    """The shops of all accounts, and what they saw. ``troubles`` lists broken promises that show on arrival."""

    script: Script = lambda _account, _request: ""
    sandbox: Sandbox = field(default_factory=_unlimited)
    latency: Callable[[], float] = lambda: 0.05
    timeout: float = 30.0
    said: list[Said] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
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
        self.said.append(Said(loop.time(), account.name, cart, request, fault))
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
            return await self._given(endpoint, call, fault)
        finally:
            if cart:
                self._flying[account.name, cart] -= 1

    async def _given(self, endpoint: ShopEndpoint, call: Call, fault: str) -> Reply:
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


@dataclass
class Ended:
    """How one start of a run ended."""

    summary: Summary
    results: list[Line]
    told: list[Event]
    failure: JournalFailed | None
    sessions: list[AccountSession]
    seconds: float


@dataclass
class Harness:
    """A folder with one job in it, which is run from there again and again; what it takes from the world is its own."""

    folder: Path
    lines: Sequence[Line]
    shops: Shops
    concurrency: int = 4
    patience: float = 1800.0
    row: int = 0  # lines in a row for one reason that stop their account
    account_states: Mapping[str, AccountState] = field(default_factory=dict)
    config: str = CONFIG

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    def plan(self) -> None:
        """Check the job and lay down its plan, as a run does that is killed right after it."""
        deps = Deps(rng=random.Random(0))
        options = self._options()
        entries = load_config(options.config, load_adapters())
        with open_job(options.job) as source:
            take_up(options, source, entries, RunMonitor(), deps)[0].close()

    def run(
        self,
        *,
        stop_after: float | None = None,
        seed: int = 0,
        during: AbstractContextManager[object] | None = None,
    ) -> Ended:
        """One start of the run, in virtual time, halted ``stop_after`` seconds; ``during`` is open while it works."""
        journals: list[_CountingJournal] = []
        began = self._run(journals, stop_after, random.Random(seed), during or nullcontext())
        return virtual_clock.run(began, lambda: any(journal.waiting for journal in journals))

    async def _run(
        self,
        journals: list[_CountingJournal],
        stop_after: float | None,
        rng: random.Random,
        during: AbstractContextManager[object],
    ) -> Ended:
        loop, told = asyncio.get_running_loop(), list[Event]()
        monitor, began = RunMonitor(sinks=[told.append]), loop.time()
        with ExitStack() as stack:

            def open_journal(*files: Any, **listeners: Any) -> JournalWriter:
                stack.enter_context(during)
                journals.append(_CountingJournal(*files, **listeners))
                return journals[-1]

            deps = Deps(loop.time, lambda: EPOCH + loop.time(), rng, self._open_client, self._open_state, open_journal)
            if stop_after is not None:
                loop.call_later(stop_after, monitor.stop)
            summary = await run_job(self._options(), monitor, deps=deps)
        found = [json.loads(line) for line in self.results.read_text().splitlines()]
        told = [event for event in told if isinstance(event, OfAccount)]
        return Ended(summary, found, told, monitor.failure, monitor.sessions, loop.time() - began)

    def _options(self) -> RunOptions:
        job, config = self.folder / "job.jsonl", self.folder / "batchcart.toml"
        config.write_text(self.config)
        if not job.exists():
            job.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return RunOptions(
            str(job),
            results=self.results,
            config=config,
            concurrency=self.concurrency,
            patience=self.patience / 60,
            stop_after=self.row,
        )

    @asynccontextmanager
    async def _open_client(self, account: Account) -> AsyncIterator[Send]:
        yield partial(self.shops.answer, account, journal_path(self.results))

    def _open_state(self, entry: AccountConfig) -> AccountState:
        return self.account_states.get(entry.name, AccountState(None))
