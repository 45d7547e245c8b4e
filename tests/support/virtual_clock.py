"""Owns an event loop whose time stands still while something works and jumps while everything waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_TURN = 1e-9  # seconds that a turn of the loop takes
_PATIENCE = 60.0  # real seconds after which a loop that waits for nothing that could come is called stuck


class _Jumping(selectors.DefaultSelector):
    """A selector that passes no real time; ``busy`` says that another thread will wake the loop.

    For ``grace`` real seconds bytes may still be on their way through the system before time jumps.
    """

    def __init__(self, busy: Callable[[], bool], grace: float) -> None:
        super().__init__()
        self.now = 1000.0
        self._busy = busy
        self._grace = grace

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += _TURN
        if timeout is None or (timeout > 0 and self._busy()):
            ready = super().select(_PATIENCE)
            assert ready, "everything waits for ever"
            return list(ready)
        ready = super().select(self._grace if timeout > 0 else 0)
        if not ready:
            self.now += timeout
        return list(ready)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its ``time`` is the selector's. What was given to another thread is waited for."""

    def __init__(self, busy: Callable[[], bool], grace: float) -> None:
        self.given = 0
        self.jumping = _Jumping(lambda: self.given > 0 or busy(), grace)
        super().__init__(self.jumping)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.given += 1
        future.add_done_callback(lambda _: self._take())
        return future

    def _take(self) -> None:
        self.given -= 1

    def time(self) -> float:
        return self.jumping.now


def run(work: Coroutine[Any, Any, T], busy: Callable[[], bool] = lambda: False, grace: float = 0.0) -> T:
    """The coroutine's result, in virtual time; where both ends of real sockets are in it, with some grace."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(busy, grace)) as runner:
        return runner.run(work)
