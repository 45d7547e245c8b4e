"""Owns the bare loops: the same requests by aiohttp alone, without limits, journal, results or checks.

    python benchmarks/bare.py JOB ORIGIN tuned|default --concurrency 50 --loop asyncio|uvloop

Tuned is what is left when everything that costs and can be left out is left out: workers that take the next line from
one iterator, one URL parsed once, headers held by the session, no timers, no cookies, and on asyncio the allocator
settings that keep its receive buffer from being given back each time. Default is aiohttp as its first page shows it.
Both build each body from the line's data and decode each answer, as a client of the platform would. The lines are read
before the clock starts.
"""

import argparse
import asyncio
import ctypes
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from answers import CART, HEADERS, TRAY
from yarl import URL

Bodies = list[tuple[str, dict[str, Any]]]


def read(job: Path) -> Bodies:
    """Route and body of each line; only creates are known here."""
    found: Bodies = []
    for number, line in enumerate(job.read_bytes().splitlines()):
        data = orjson.loads(line)["data"]
        if "product_id" in data:
            found.append((f"{TRAY}?access_token=bench-token", {"Cart": {"session_id": f"{number:032x}", **data}}))
        else:
            found.append((CART, data))
    return found


async def tuned(origin: str, bodies: Bodies, concurrency: int) -> None:
    """aiohttp with nothing that can be left out."""
    urls = {route: URL(f"{origin}{route}", encoded=True) for route, _ in bodies}
    work: Iterator[tuple[str, dict[str, Any]]] = iter(bodies)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None),
        auto_decompress=False,
        headers={**HEADERS, "Content-Type": "application/json", "Accept": "application/json"},
    ) as session:

        async def worker() -> None:
            for route, body in work:
                async with session.post(urls[route], data=orjson.dumps(body), allow_redirects=False) as answer:
                    assert answer.status == 201
                    orjson.loads(await answer.read())

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())


async def default(origin: str, bodies: Bodies, concurrency: int) -> None:
    """aiohttp as people write it: a session with its defaults, `json=`, `await answer.json()`, so many workers."""
    work = iter(bodies)
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def worker() -> None:
            for route, body in work:
                async with session.post(f"{origin}{route}", json=body) as answer:
                    answer.raise_for_status()
                    await answer.json()

        await asyncio.gather(*(worker() for _ in range(concurrency)))


def keep_memory() -> None:
    """Tell glibc to keep what it has; elsewhere nothing happens."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 32 << 20)
        libc.mallopt(-1, 64 << 20)


LOOPS: dict[str, Callable[[str, Bodies, int], Awaitable[None]]] = {"tuned": tuned, "default": default}


def main() -> None:
    """Run one of the loops and say when its first request began and how many there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path)
    parser.add_argument("origin")
    parser.add_argument("kind", choices=LOOPS)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    given = parser.parse_args()
    bodies = read(given.job)
    factory = None
    if given.loop == "uvloop":
        import uvloop  # noqa: PLC0415  # an extra

        factory = uvloop.new_event_loop
    if given.kind == "tuned" and factory is None:
        keep_memory()
    with asyncio.Runner(loop_factory=factory) as runner:
        began = time.time()
        runner.run(_whole(LOOPS[given.kind](given.origin, bodies, given.concurrency)))
    print(json.dumps({"began": began, "operations": len(bodies)}))


async def _whole(loop: Awaitable[None]) -> None:
    await loop


if __name__ == "__main__":
    main()
