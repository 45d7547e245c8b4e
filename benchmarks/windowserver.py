"""Owns a shop with a sliding-window limit: it delays each request by a little, counts it, and answers 429 beyond.

    python benchmarks/windowserver.py COUNT SECONDS [LATE]        (prints its port)

`GET /seen` tells how many requests were let through, how many were answered 429, when the first and the last one that
was let through arrived, and by how many seconds the shop itself was late at the worst. It asks the system to be run
before other work, since its own lateness looks like jitter.
"""

import asyncio
import json
import os
import random
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from answers import CREATED
from rawserver import length_of

LATE = 0.002
"""Seconds that a request is late at most, where nothing else is said."""


@dataclass(slots=True)
class Window:
    """At most ``count`` requests in any ``seconds`` before now; those that were refused do not count."""

    count: int
    seconds: float
    let_through: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    late: float = 0.0
    recent: deque[float] = field(default_factory=deque)

    def ask(self, now: float) -> bool:
        """Whether a request that arrives now is let through; it is counted."""
        while self.recent and self.recent[0] <= now - self.seconds:
            self.recent.popleft()
        if len(self.recent) >= self.count:
            self.refused += 1
            return False
        self.recent.append(now)
        self.first = self.first or now
        self.last = now
        self.let_through += 1
        return True

    def seen(self) -> str:
        """The figures as JSON."""
        return json.dumps({name: getattr(self, name) for name in ("let_through", "refused", "first", "last", "late")})


class Shop(asyncio.Protocol):
    """One connection; a client that waits for each answer is expected."""

    def __init__(self, window: Window, rng: random.Random, way: float) -> None:
        self._window = window
        self._rng = rng
        self._way = way
        self._unread = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Let each whole request arrive a little late."""
        self._unread += data
        while (head := self._unread.find(b"\r\n\r\n")) >= 0:
            end = head + 4 + length_of(self._unread, head)
            if len(self._unread) < end:
                return
            request, self._unread = self._unread[:end], self._unread[end:]
            if request.startswith(b"GET /seen"):
                self._answer(200, self._window.seen())
            else:
                loop = asyncio.get_running_loop()
                arrival = loop.time() + self._rng.uniform(0, self._way)
                loop.call_at(arrival, self._arrived, arrival)

    def _arrived(self, planned: float) -> None:
        self._window.late = max(self._window.late, asyncio.get_running_loop().time() - planned)
        if self._window.ask(asyncio.get_running_loop().time()):
            self._answer(CREATED.status, CREATED.text.replace("{n}", str(self._window.let_through)))
        else:
            self._answer(429, '{"message": "too many requests"}')

    def _answer(self, status: int, text: str) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self._transport.write((head + text).encode())


async def serve(window: Window, way: float = LATE) -> None:
    """Listen on a free port of the loopback and say which."""
    rng = random.Random(1)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = await asyncio.get_running_loop().create_server(lambda: Shop(window, rng, way), sock=listening)
    print(listening.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def _first_of_all() -> None:
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


if __name__ == "__main__":
    _first_of_all()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(Window(int(sys.argv[1]), float(sys.argv[2])), *map(float, sys.argv[3:])))
