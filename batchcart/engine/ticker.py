"""Owns doing something again and again beside other work; it does not know what."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def every(seconds: float, step: Callable[[], object]) -> AsyncIterator[None]:
    """Call ``step`` every so many seconds as long as the block runs; what it raises is raised at the block's end."""
    task = asyncio.create_task(_repeat(seconds, step))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(seconds: float, step: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(seconds)
        step()
