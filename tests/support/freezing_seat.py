"""A seat whose process stops itself (SIGSTOP) between the acknowledgement of its first write and the write's send.

usage: freezing_seat.py HOST:PORT SECONDS_THAT_A_PERMIT_LASTS
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from batchcart.accounts.config import Account
from batchcart.model.errors import Stopped
from batchcart.model.http import Reply, Request, Sender
from batchcart.runs.deps import Deps, open_http_client
from batchcart.runs.seats.remote_seat import sit_at
from batchcart.runs.seats.secured import read_address

frozen = False


@asynccontextmanager
async def open_freezing(account: Account) -> AsyncIterator[Sender]:
    async with open_http_client(account) as send:

        async def freeze(request: Request, leaving: Callable[[], None]) -> Reply:
            def stop() -> None:
                global frozen  # noqa: PLW0603
                if request.writes and not frozen:
                    frozen = True
                    os.kill(os.getpid(), signal.SIGSTOP)
                    # What leaves now gets time to arrive before the loop sees that the hub has hung up.
                    asyncio.get_running_loop().call_soon(time.sleep, 0.5)
                leaving()

            return await send(request, stop)

        yield freeze


if __name__ == "__main__":
    address = read_address(sys.argv[1], "seat", (None, None, None))
    lasts, deps = float(sys.argv[2]), Deps(open_client=open_freezing)
    with suppress(Stopped):
        asyncio.run(sit_at(address, asyncio.Event(), lasts=lasts, deps=deps, restart_patience=0.0))
