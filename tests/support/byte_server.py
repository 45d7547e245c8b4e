"""A server that reads whole requests and answers each as the test says, byte by byte; and one account's client."""

import asyncio
import itertools
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from batchcart.accounts.config import Account, load_config
from batchcart.engine.http.client import open_client
from batchcart.model.http import NoResponse, NotSent, Request, Response
from batchcart.platforms import load_adapters

CANARY = "canary-3a5b7c9d-token"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
Reply = Response | NotSent | NoResponse
Act = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


class Server:
    """A server that reads whole requests and then does as it is told; ``seen`` are the request lines."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.seen: list[str] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().splitlines()
            length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
            await reader.readexactly(length)
            self.seen.append(lines[0])
            await self.act(writer, len(self.seen))
            await writer.drain()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server's port, with TLS where there is a context; at the end no connection of it is left."""
    at_work: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work[asyncio.current_task()] = writer
        with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()

    listener = await asyncio.start_server(work, "127.0.0.1", 0, ssl=context)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task, writer in at_work.items():
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            writer.transport.abort()
        await asyncio.sleep(0.01)  # for transports to end


@asynccontextmanager
async def serving(act: Act) -> AsyncIterator[tuple[Server, str]]:
    server = Server(act)
    async with listening(server) as port:
        yield server, f"http://127.0.0.1:{port}"


def account(tmp_path: Path, address: str, *, timeout: float = 5.0) -> Account:
    config = tmp_path / "batchcart.toml"
    config.write_text(
        f'[accounts.loja]\nplatform = "tray"\napi_address = "http://127.0.0.1:1"\naccess_token = "{CANARY}"\n'
    )
    read = load_config(config, load_adapters())["loja"].resolve()
    return replace(read, address=address, options=structs.replace(read.options, timeout=timeout))


def request(method: str = "POST", path: str = "/carts") -> Request:
    body = b'{"Cart":{}}' if method in {"POST", "PUT"} else b""
    return Request(method, path, (("access_token", CANARY),), body)


async def told(tmp_path: Path, address: str, *requests: Request, within: float = 5.0) -> tuple[list[Reply], list[int]]:
    """The replies to the requests, one after the other on one client, and how often each was said to leave."""
    replies, left = [], []
    async with open_client(account(tmp_path, address, timeout=within)) as send:
        for one in requests:
            times = itertools.count()
            replies.append(await send(one, partial(next, times)))
            left.append(next(times))
    assert CANARY not in repr(replies)
    return replies, left


async def say(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not there to make a certificate with")
    return cert, key
