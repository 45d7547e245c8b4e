"""Owns the sandbox as a benchmark's counterpart: in a process of its own that ends with the one that began it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from batchcart.model.errors import Stopped
from batchcart.model.limits import parse_limit
from batchcart.model.system import STOP_SIGNALS
from batchcart.sandbox.server import Sandbox

_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from batchcart.bench.sandbox_process import serve; "
    "serve({platform!r}, {limits!r})"
)


@contextmanager
def running(platform: str, limits: Sequence[str]) -> Iterator[str]:
    """The origin of a sandbox whose shops of that platform have these limits, or none; raises Stopped if it fails."""
    program = _PROGRAM.format(path=sys.path, platform=platform, limits=list(limits))
    command = [sys.executable, "-P", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # this Python, our program
        assert process.stdout is not None
        origin = process.stdout.readline()
        if not origin:
            raise Stopped("the sandbox did not start; nothing was sent")
        try:
            yield json.loads(origin)
        finally:
            process.kill()


def serve(platform: str, limits: Sequence[str]) -> None:
    """In the process that was started: say the origin on stdout, and serve until stdin ends."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # they are for the benchmark, whose last requests end first
    asyncio.run(_serve(Sandbox(limits={platform: tuple(map(parse_limit, limits))})))


async def _serve(sandbox: Sandbox) -> None:
    ended = asyncio.Event()

    class Stdin(asyncio.Protocol):
        def eof_received(self) -> None:
            ended.set()

        def connection_lost(self, _error: Exception | None) -> None:
            ended.set()

    async with sandbox.serving() as origin:
        await asyncio.get_running_loop().connect_read_pipe(Stdin, sys.stdin)
        sys.stdout.write(f"{json.dumps(origin)}\n")
        sys.stdout.flush()
        await ended.wait()
