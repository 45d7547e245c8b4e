"""Owns reading large answers beside the loop, so that no other account waits for one; it does not know what they say.

What adapters make of an answer is made by pure functions, so any thread can do it. Python threads take turns, though:
the loop gets one only where the other thread's code is between two steps of Python. So the readers of large answers
work in small steps, and while one works the turns are short.

An account's large answers are read one after the other, so that a shop which sends nothing else gets one thread.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from batchcart.model.http import Made, Reply, Response

LARGE = 1 << 14
"""Bytes from which on an answer is read beside the loop; less takes a few milliseconds at the worst."""

_THREADS = 2
_TURN = 0.0005
"""Seconds after which a thread that wants to work makes the one that works stop; Python's own 5 ms are felt in each
of the several waits that a request has."""


@dataclass(slots=True)
class _Readers:
    """The threads of this process, and how many of them are at work."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "batchcart-reader"))
    busy: int = 0
    usual_turn: float = 0.0


_readers = _Readers()


def is_large(reply: Reply) -> bool:
    """Whether the reply is to be read beside the loop."""
    return isinstance(reply, Response) and len(reply.body) >= LARGE


async def read_reply(alone: asyncio.Lock, reply: Reply, make: Callable[[], Made]) -> Made:
    """What ``make`` makes of the reply; of a large one beside the loop."""
    return await offload(alone, make) if is_large(reply) else make()


async def offload(alone: asyncio.Lock, make: Callable[[], Made]) -> Made:
    """What ``make`` makes, made by another thread while the loop goes on; ``alone`` is the account's."""
    async with alone:
        if not _readers.busy:
            _readers.usual_turn = sys.getswitchinterval()
            sys.setswitchinterval(_TURN)
        _readers.busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_readers.pool, make)
        finally:
            _readers.busy -= 1
            if not _readers.busy:
                sys.setswitchinterval(_readers.usual_turn)
