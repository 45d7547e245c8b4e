"""Bytes that a shop sends on an idle connection, which nobody asked for, are never the start of the next answer."""

import asyncio
import importlib.util
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from byte_server import OK, account, request
from certificates import Authority, open_authority

from batchcart.accounts.config import Account
from batchcart.engine.http.client import open_client
from batchcart.model.http import Response

LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
))]  # fmt: skip
STRAY = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"stray":true}'


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Authority]:
    authority = open_authority(tmp_path_factory.mktemp("tls") / "authority")
    pair = authority.sign("shop", "IP:127.0.0.1")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made, authority


@dataclass
class TalkativeShop:
    """A shop that says more after its first answer, once it is told to, and the rest before its next one."""

    unasked: bytes
    rest: bytes
    connections: int = 0
    go_on: Event = field(default_factory=Event)
    said: Event = field(default_factory=Event)

    def serve(self, taken: socket.socket, context: ssl.SSLContext | None) -> None:
        with suppress(OSError), taken if context is None else context.wrap_socket(taken, server_side=True) as talking:
            talking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if talking.recv(65536):
                talking.sendall(OK)
            if not self.said.is_set():
                self.go_on.wait(60)
                talking.sendall(self.unasked)
                self.said.set()
                if talking.recv(65536):
                    talking.sendall(self.rest + OK)
            talking.recv(1)


@contextmanager
def listening(shop: TalkativeShop, context: ssl.SSLContext | None) -> Iterator[int]:
    """The shop's port; the shop stands in threads, so that our loop can be kept from seeing what it says."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken, _ = listener.accept()
                shop.connections += 1
                Thread(target=shop.serve, args=(taken, context), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def on_loop(name: str, work: Callable[[], Any]) -> None:
    factory = importlib.import_module("uvloop").new_event_loop if name == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["plain", "TLS"])
@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "not seen yet"])
@pytest.mark.parametrize("cut", [len(STRAY), 20, 1, 0], ids=["a whole answer", "a part", "a byte", "a line end"])
def test_bytes_that_come_on_an_idle_connection_close_it(
    tmp_path: Path, context: tuple[ssl.SSLContext, Authority], way: str, cut: int, loop: str, *, seen: bool
) -> None:
    shop = TalkativeShop(STRAY[:cut] or b"\r\n", STRAY[cut:])
    served, authority = context
    bodies: list[bytes] = []

    async def work(of_shop: Account) -> None:
        async with open_client(of_shop) as send:
            for _ in range(2):
                reply = await send(request("GET"), lambda: None)
                assert isinstance(reply, Response)
                bodies.append(reply.body)
                shop.go_on.set()
                if seen:
                    await asyncio.to_thread(shop.said.wait, 60)
                    await asyncio.sleep(0.01)
                else:
                    shop.said.wait(60)

    with listening(shop, served if way == "TLS" else None) as port:
        of_shop = account(tmp_path, f"{'https' if way == 'TLS' else 'http'}://127.0.0.1:{port}")
        if way == "TLS":
            of_shop = replace(of_shop, ca_file=authority.certificate)
        on_loop(loop, lambda: work(of_shop))
    assert bodies == [b"{}", b"{}"]
    assert shop.connections == 2
