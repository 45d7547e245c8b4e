"""Owns the simulator's HTTP server on loopback; it does not know limits, faults or what carts are.

It calls itself a simulator in its Server header and on the pages of its own.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from batchcart.model.errors import UsageError
from batchcart.model.limits import Limit
from batchcart.sandbox import socket_faults as wire
from batchcart.sandbox import statefile
from batchcart.sandbox.endpoint import Handling, RetryAfter, ShopEndpoint
from batchcart.sandbox.faults import Fault, fault_injector
from batchcart.sandbox.messages import Answer, Call, Effect
from batchcart.sandbox.readings import deviate
from batchcart.sandbox.routing import PLATFORMS, address, find_platform, read_call
from batchcart.sandbox.shop import Platform, Shop

SERVER = "batchcart-sandbox (a simulator)"
HOST = "127.0.0.1"

_GRACE = 0.01
_ABOUT = (
    f"batchcart-sandbox: a simulator of shops ({', '.join(PLATFORMS)}). Nothing here is a real shop.\n"
    "What it saw: /sandbox/counters   What it holds: /sandbox/state\n"
)

Hook = Callable[[Call], str | None]
"""Names the kind of fault that a call meets; None leaves it to chance, "" lets it pass."""


@dataclass(kw_only=True, eq=False)
class Sandbox:
    """Simulated shops of all simulated platforms behind one port of loopback.

    Keys of ``limits`` and ``credentials`` are ``PLATFORM`` or ``PLATFORM/SHOP``; limits of ``()`` are none.
    ``credentials`` pins what clients must show, in the words of the config file; any will do otherwise.
    ``delay`` is the range, in seconds, of the fault of that name. ``sloppy`` answers in the malformed shapes
    that the documents print. ``readings`` sets the switches of contested points by their names. ``state_file``
    carries carts and tokens over a restart.
    """

    limits: Mapping[str, Sequence[Limit]] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    seed: int = 0
    sloppy: bool = False
    hook: Hook | None = None
    state_file: Path | None = None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    delay: tuple[float, float] = (0.05, 0.5)
    retry_after: RetryAfter = "seconds"
    readings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in (*self.limits, *self.credentials):
            find_platform(key.partition("/")[0])
        self._fronts: dict[tuple[str, str], ShopEndpoint] = {}
        self._sequence: Iterator[int] = itertools.count(1)
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._file: statefile.StateFile | None = None
        for platform in PLATFORMS:
            self.shop(platform)
        if self.state_file:
            statefile.restore(self.state_file, lambda platform, name: self.shop(platform, name).shop)
            for endpoint in self._fronts.values():
                statefile.index(endpoint.shop)

    def shop(self, platform: str, name: str = "") -> ShopEndpoint:
        """One shop, to look at or to change while it runs; it exists as soon as somebody asks for it."""
        endpoint = self._fronts.get((platform, name))
        if endpoint is None:
            endpoint = self._fronts[platform, name] = self._open_shop(find_platform(platform), name)
        return endpoint

    def _open_shop(self, platform: Platform, name: str) -> ShopEndpoint:
        keys = (f"{platform.name}/{name}", platform.name)
        limits = next((self.limits[key] for key in keys if key in self.limits), platform.limits)
        credentials = next((self.credentials[key] for key in keys if key in self.credentials), {})
        zone = timezone(timedelta(hours=platform.hours))
        return ShopEndpoint(
            platform=platform,
            shop=Shop(
                platform.name,
                name,
                credentials,
                lambda: self.wall().astimezone(zone),
                deviate(platform.name, self.readings),
            ),
            limits=limits,
            chances=fault_injector(self.faults, self.seed, platform.name, name),
            sequence=self._sequence,
            noted=self._note,
            delay=self.delay,
            sloppy=self.sloppy,
            retry_after=self.retry_after,
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port, once it serves."""
        return f"http://{HOST}:{self._port}"

    def address(self, platform: str, shop: str = "") -> str:
        """The address that an account of the shop has in its config."""
        return address(self.origin, platform, shop)

    def counters(self) -> dict[str, Any]:
        """What each shop saw: platform, then shop, then its counters."""
        return self._by_place(lambda endpoint: endpoint.saw.as_dict())

    def state(self) -> dict[str, Any]:
        """What each shop holds: platform, then shop, then its carts by key."""
        return self._by_place(lambda endpoint: {"carts": deepcopy(endpoint.shop.carts)})

    def _by_place(self, shown: Callable[[ShopEndpoint], dict[str, Any]]) -> dict[str, Any]:
        places: dict[str, Any] = {platform: {} for platform in PLATFORMS}
        for (platform, name), endpoint in self._fronts.items():
            places[platform][name] = shown(endpoint)
        return places

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve on a port of loopback (any free one for 0) to the end of the block; yields the origin."""
        self._server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        self._port = port
        await self._listen()
        try:
            if self.state_file:
                self._file = statefile.StateFile(self.state_file, [endpoint.shop for endpoint in self._fronts.values()])
            yield self.origin
        finally:
            await self._hang_up()
            if self._file:
                self._file.close()
                self._file = None

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """While the block lasts nobody listens: connections are refused, open ones are dropped."""
        await self._hang_up()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        assert self._server is not None
        try:
            self._listener = await asyncio.get_running_loop().create_server(self._server, HOST, self._port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            then = "give another --port, or --port 0 for a free one"
            raise UsageError(f"the sandbox cannot listen on {HOST}:{self._port}: {why}; {then}") from error
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        assert self._server is not None
        assert self._listener is not None
        self._listener.close()
        # Calls that hang are cut off: a moment for answers on their way, none for those that never come.
        await self._server.shutdown(_GRACE)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read() if request.can_read_body else b""
        call = read_call(request.method, request.raw_path, request.headers.items(), body)
        transport = request.transport
        if call is None or transport is None:
            return self._own_page(request.raw_path)
        endpoint = self.shop(call.platform, call.shop)
        cart = endpoint.platform.cart(endpoint.shop, call)
        if not cart:
            return await self._respond(transport, endpoint, call)

        def alive() -> bool:
            return wire.has_peer(transport)

        endpoint.saw.request_started(cart, alive)
        try:
            # One turn of the loop, so that two calls sent at once are seen to be.
            await asyncio.sleep(0)
            return await self._respond(transport, endpoint, call)
        finally:
            endpoint.saw.request_finished(cart, alive)

    async def _respond(self, transport: asyncio.Transport, endpoint: ShopEndpoint, call: Call) -> web.StreamResponse:
        by_chance = endpoint.chances.draw()
        scripted = self.hook(call) if self.hook else None
        verdict = endpoint.handle(call, self.clock(), by_chance if scripted is None else scripted)
        await _carry_out(transport, verdict)
        return _response(verdict.answer)

    def _own_page(self, target: str) -> web.Response:
        match target:
            case "/sandbox/counters":
                return _response(Answer(200, orjson.dumps(self.counters())))
            case "/sandbox/state":
                return _response(Answer(200, orjson.dumps(self.state())))
            case _:
                status = 200 if target == "/" else 404
                return _response(Answer(status, _ABOUT.encode(), content_type="text/plain; charset=utf-8"))

    def _note(self, shop: Shop, effect: Effect) -> None:
        if self._file is None:
            return
        if effect.cart:
            self._file.note_cart(shop, effect.cart)
        else:
            self._file.note_tokens(shop)


def _response(answer: Answer) -> web.Response:
    headers = {"Server": SERVER, "Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _carry_out(transport: asyncio.Transport, verdict: Handling) -> None:
    """Do to the connection what the verdict says; an answer after the end of it reaches nobody."""
    if verdict.late:
        await asyncio.sleep(verdict.late)
    match verdict.manner:
        case "hang":
            await asyncio.Event().wait()
        case "reset":
            wire.reset(transport)
        case "truncate":
            wire.send_truncated(transport, verdict.answer, SERVER)
        case "answer":
            pass
