"""Owns an event loop whose time stands still while something works and jumps while everything waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_TURN = 1e-9  # seconds that a turn of the loop takes
_PATIENCE = 20.0  # real seconds after which a loop that waits for nothing that could come is called stuck


class _Jumping(selectors.DefaultSelector):
    """A selector that passes no real time; ``busy`` says that another thread will wake the loop."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        super().__init__()
        self.now = 1000.0
        self._busy = busy

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += _TURN
        if timeout is None or (timeout > 0 and self._busy()):
            ready = super().select(_PATIENCE)
            assert ready, "everything waits for ever"
            return list(ready)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return list(ready)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its ``time`` is the selector's."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self.jumping = _Jumping(busy)
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def run(work: Coroutine[Any, Any, T], busy: Callable[[], bool] = lambda: False) -> T:
    """The coroutine's result, in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(busy)) as runner:
        return runner.run(work)
