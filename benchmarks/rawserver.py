"""Owns a load server that needs nothing but Python: an asyncio Protocol that reads just enough to answer.

    python benchmarks/rawserver.py        (prints its port)

It is used where nginx is not installed. With uvloop, where that is installed, it is about twice as fast.
"""

import asyncio
import itertools
import socket
from contextlib import suppress

from answers import answer_to

_numbers = itertools.count(1)
_known: dict[bytes, list[bytes]] = {}


class Shop(asyncio.Protocol):
    """One connection; requests may arrive in pieces or several at once."""

    def __init__(self) -> None:
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's

    def data_received(self, data: bytes) -> None:
        """Answer every request that is there as a whole."""
        unread = self._unread + data if self._unread else data
        said = []
        while (head := unread.find(b"\r\n\r\n")) >= 0:
            end = head + 4 + length_of(unread, head)
            if len(unread) < end:
                break
            said.append(_answer(unread))
            unread = unread[end:]
        self._unread = unread
        if said and self._transport is not None:
            self._transport.write(b"".join(said))


def length_of(unread: bytes, head: int) -> int:
    """The length of the body of the request whose header ends at ``head``."""
    at = unread.find(b"Content-Length: ", 0, head)
    return int(unread[at + 16 : unread.index(b"\r", at + 16)]) if at >= 0 else 0


def _answer(unread: bytes) -> bytes:
    path = unread[unread.index(b" ") + 1 : unread.index(b" HTTP/")].partition(b"?")[0]
    route = path if path.count(b"/") < 4 else path[path.rindex(b"/") :]
    if route not in _known:
        answer = answer_to(path.decode())
        # A number of ten digits, so that the length is known beforehand.
        body = answer.text.replace("{n}", "0000000000").encode()
        head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if len(_known) > 1000:
            _known.clear()
        _known[route] = (head.encode() + body).split(b"0000000000")
    return (b"%010d" % next(_numbers)).join(_known[route])


async def serve() -> None:
    """Listen on a free port of the loopback and say which."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await asyncio.get_running_loop().create_server(Shop, sock=listening)
    print(listening.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    factory = None
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  # an extra

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner, suppress(KeyboardInterrupt):
        runner.run(serve())


if __name__ == "__main__":
    main()
