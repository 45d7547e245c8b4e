"""Owns whether an account goes on: stopped with its run, or given up for a reason; it does not judge reasons.

Invariant: once ``stopped`` is true it stays so, whatever waits in ``cancellable`` has been broken off, and nothing
is begun but, with ``settles``, reads about old writes. What is on its way to a shop stands outside of ``cancellable``
and comes to its end.
"""

import asyncio
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

    def cancellable(self) -> "_Waiting":
        """Mark what stands in the block as waiting: a stop breaks it off."""
        task = asyncio.current_task()
        assert task is not None
        return _Waiting(self._waiting, task)


class _Waiting:
    """A block that a stop breaks off."""

    __slots__ = ("_all", "_task")

    def __init__(self, everything: "set[asyncio.Task[object]]", task: "asyncio.Task[object]") -> None:
        self._all, self._task = everything, task

    def __enter__(self) -> None:
        self._all.add(self._task)

    def __exit__(self, *_failure: object) -> None:
        self._all.discard(self._task)
