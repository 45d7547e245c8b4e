"""An HTTP proxy that notes what it was asked: CONNECT makes a tunnel, a whole address is passed on."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from byte_server import listening


@dataclass
class Proxy:
    """``leads_to`` is the port on this machine that stands for every shop; ``user`` is who may come, if not everyone.

    ``refusal`` is the status that everyone gets instead; ``asked`` has the first lines, ``heads`` all of the heads.
    """

    leads_to: int
    user: str = ""
    refusal: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        self.asked.append(head.split("\r\n")[0])
        status = self.refusal or (407 if self.user and self._authorization not in head else 0)
        if status:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        else:
            await self._pass_on(head, reader, writer)

    @property
    def _authorization(self) -> str:
        return f"Proxy-Authorization: Basic {base64.b64encode(self.user.encode()).decode()}"

    async def _pass_on(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shop_reader, shop_writer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        if head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            method, address, rest = head.split(" ", 2)
            parts = urlsplit(address)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            shop_writer.write(f"{method} {target} {rest}".encode())
        try:
            await asyncio.gather(_copy(reader, shop_writer), _copy(shop_reader, writer))
        finally:
            shop_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(leads_to: int, *, user: str = "", refusal: int = 0) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy at work, and its address as host:port."""
    proxy = Proxy(leads_to, user, refusal)
    async with listening(proxy) as port:
        yield proxy, f"127.0.0.1:{port}"
