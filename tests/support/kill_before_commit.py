"""The command line, killed by SIGKILL right before its journal's N-th commit: `kill_before_commit.py N ARGUMENTS…`."""

import os
import signal
import sqlite3
import sys
from typing import Any

from batchcart.cli import main

_left = int(sys.argv.pop(1))


def _count(statement: str) -> None:
    global _left  # noqa: PLW0603  # it is this program's only state
    if statement == "COMMIT":
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Watched(sqlite3.Connection):
    def __init__(self, *arguments: Any, **keys: Any) -> None:
        super().__init__(*arguments, **keys)
        self.set_trace_callback(_count)


if __name__ == "__main__":
    _connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **keys: _connect(*arguments, **{"factory": _Watched, **keys})
    main()
