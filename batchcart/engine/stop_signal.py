"""Owns whether an account goes on: stopped with its run, or given up for a reason; it does not judge reasons.

Invariant: once ``stopped`` is true it stays so, whatever waits in ``cancellable`` has been broken off, and nothing
is begun but, with ``settles``, reads about old writes. What is on its way to a shop stands outside of ``cancellable``
and comes to its end.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class StopSignal:
    """``closed`` says why the account was given up, ``state`` how; ``settles``: it may still ask about old writes."""

    stopped: bool = False
    settles: bool = False
    state: str = "running"
    closed: str = ""
    _waiting: "set[asyncio.Task[object]]" = field(default_factory=set)

    def stop(self) -> None:
        """Begin nothing more. What waits is broken off; what is on its way to the shop ends first."""
        self.settles = False
        self._break_off()

    def close(self, state: str, reason: str, *, settles: bool) -> None:
        """Give the account up for this run; its open lines stay pending. The first reason is the one that counts."""
        if not self.closed:
            self.settles = settles and not self.stopped
            self.state, self.closed = state, reason
            self._break_off()

    def _break_off(self) -> None:
        self.stopped = True
        for task in self._waiting:
            task.cancel()

    async def wait(self, seconds: float, *, settles: bool = False) -> bool:
        """Wait, unless all is stopped; whether to go on. ``settles``: to ask about an old write."""
        if not self.stopped or (settles and self.settles):
            with self.cancellable():
                await asyncio.sleep(seconds)
        return not self.stopped or (settles and self.settles)

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """Mark what stands in the block as waiting: a stop breaks it off."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)
