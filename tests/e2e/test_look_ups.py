"""Accounts don't wait for one another's names, and nobody waits for a look-up that nobody wants any more."""

import asyncio
import importlib
import importlib.util
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from byte_server import OK, account, request, say, serving
from cli_harness import until

from batchcart.engine.http.client import open_client
from batchcart.engine.http.names import look_up
from batchcart.model.http import NotSent, Response

HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None
SILENT = 60


class NameServers:
    """The system's look-up, where nobody answers for names that end in .silent; ``asked`` are all names."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.speak = threading.Event()
        self._look_up = socket.getaddrinfo

    def __call__(self, host: str, *rest: Any, **more: Any) -> Any:
        self.asked.append(host)
        if host.endswith(".silent"):
            self.speak.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody told")
        return self._look_up(host, *rest, **more)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    servers = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", servers)
    yield servers
    servers.speak.set()


def run(work: Callable[[], Any], *, uvloop: bool) -> None:
    with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop if uvloop else None) as runner:
        runner.run(work())


@pytest.mark.parametrize(
    "uvloop", [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_UVLOOP, reason="uvloop is not installed"))]
)
def test_a_shop_is_asked_at_once_beside_many_whose_names_nobody_answers_for(
    tmp_path: Path, servers: NameServers, *, uvloop: bool
) -> None:
    async def work() -> None:
        async with serving(lambda writer, _: say(writer, OK)) as (_, address), AsyncExitStack() as stack:
            silent = [
                await stack.enter_async_context(
                    open_client(account(tmp_path, f"http://shop{number}.silent", timeout=20))
                )
                for number in range(SILENT)
            ]
            waiting = [asyncio.ensure_future(send(request("GET"), lambda: None)) for send in silent]
            await asyncio.to_thread(until, lambda: len(servers.asked) == SILENT)
            healthy = await stack.enter_async_context(
                open_client(account(tmp_path, address.replace("127.0.0.1", "localhost")))
            )
            assert isinstance(await healthy(request("GET"), lambda: None), Response)
            assert not any(one.done() for one in waiting)
            servers.speak.set()
            replies = await asyncio.gather(*waiting)
        assert {reply.why.partition(": ")[2] for reply in replies if isinstance(reply, NotSent)} == {
            "its name cannot be looked up just now, this machine may be offline"
        }

    run(work, uvloop=uvloop)


async def test_shops_of_one_host_share_a_look_up_and_each_may_give_it_up(servers: NameServers) -> None:
    asking = [asyncio.ensure_future(look_up("one.silent")) for _ in range(5)]
    await asyncio.to_thread(until, lambda: servers.asked)
    asking[0].cancel()
    await asyncio.wait(asking[:1])
    assert servers.asked == ["one.silent"]
    servers.speak.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] + [socket.gaierror] * 4


async def test_a_look_up_that_everyone_gave_up_is_no_error_and_the_next_one_is_new(servers: NameServers) -> None:
    asking = asyncio.ensure_future(look_up("one.silent"))
    await asyncio.to_thread(until, lambda: servers.asked)
    asking.cancel()
    await asyncio.wait([asking])
    servers.speak.set()
    await asyncio.to_thread(
        until, lambda: "look up one.silent" not in [thread.name for thread in threading.enumerate()]
    )
    with pytest.raises(socket.gaierror):
        await look_up("one.silent")
    assert servers.asked == ["one.silent"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_look_up_gives_numbers_only(host: str) -> None:
    assert (socket.AF_INET, "127.0.0.1") in await look_up(host)


def test_the_end_of_the_program_waits_for_no_look_up() -> None:
    program = """
import asyncio, socket, time
from batchcart.engine.http.names import look_up
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
async def work():
    asking = asyncio.ensure_future(look_up("a.silent"))
    await asyncio.sleep(0.1)
    asking.cancel()
asyncio.run(work())
"""
    began = time.monotonic()
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=50)
    assert time.monotonic() - began < 30
