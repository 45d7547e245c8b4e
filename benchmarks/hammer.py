"""Owns a client that does as little as can be: bytes out, bytes in, counted; it shows what a load server can answer.

python benchmarks/hammer.py ORIGIN SECONDS        (prints requests a second)
"""

import asyncio
import sys
import time
from contextlib import suppress

from answers import CART

_BODY = b'{"CustomerId":1,"BillingFirstName":"Ada","BillingLastName":"Ada","BillingCity":"Miami"}'
_CONNECTIONS = 50


class Hammer(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    answered = 0

    def __init__(self, host: str) -> None:
        self._request = (
            b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (CART.encode(), host.encode(), len(_BODY), _BODY)
        )
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        assert self._transport is not None
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer; the servers send one in one piece."""
        Hammer.answered += data.count(b"HTTP/1.1 201")
        self.ask()


async def hammer(origin: str, seconds: float) -> float:
    """Requests a second over so many seconds."""
    host, _, port = origin.rpartition("/")[2].partition(":")
    loop = asyncio.get_running_loop()
    for _ in range(_CONNECTIONS):
        await loop.create_connection(lambda: Hammer(host), host, int(port))
    before, began = Hammer.answered, time.monotonic()
    await asyncio.sleep(seconds)
    return (Hammer.answered - before) / (time.monotonic() - began)


def main() -> None:
    """Hammer and print the rate."""
    factory = None
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  # an extra

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(runner.run(hammer(sys.argv[1], float(sys.argv[2]))))


if __name__ == "__main__":
    main()
