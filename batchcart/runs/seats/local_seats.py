"""Owns the seats that a run starts itself: Python processes of this machine, started again when they die.

They are fresh Pythons, so the caller's own main module is left alone. A terminal's Ctrl-C, or a service manager's
signals to everybody, are for the process that began: the others have them blocked and do what that one says.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Container
from dataclasses import dataclass, field

from batchcart.model.errors import UsageError
from batchcart.model.system import STOP_SIGNALS, block_signals

_PROGRAM = """
import json, sys
given = json.loads(sys.stdin.readline() or sys.exit(1))
sys.path[:] = given["path"]
from batchcart.runs.seats.seat import sit_locally
sit_locally(given["address"])
"""
_TICK, _ENDING_TICK = 0.05, 0.01
_MOST_STILLBORN = 3  # processes in a row that end before they come to the hub
_PATIENCE = 5.0  # seconds that a seat has for ending


@dataclass(slots=True, eq=False)
class _Place:
    """Where one process after the other sits."""

    process: "subprocess.Popen[bytes]"
    stillborn: int = 0
    given_up: bool = False


@dataclass(slots=True)
class LocalSeats:
    """So many seats, which come to the hub at the address. ``greeted`` are the pids of those that did.

    ``others`` are the seats that are expected and somebody else starts. They do not get the variables ``withheld``.
    """

    count: int
    address: str
    greeted: Container[int]
    others: int = 0
    withheld: Collection[str] = ()
    _places: list[_Place] = field(default_factory=list)
    _ends: dict[int, str] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """How many seats are there or will be."""
        return max(self._own, self.others)

    @property
    def _own(self) -> int:
        return sum(1 for place in self._places if not place.given_up)

    def start(self) -> None:
        """Start all of them; raises UsageError where the system starts none."""
        try:
            for _ in range(self.count):
                self._places.append(_Place(self._start_one()))
        except OSError as error:
            raise UsageError(
                f"--processes {self.count}: no process can be started ({error.strerror}); give fewer, or leave it out"
            ) from None

    async def keep(self, give_up: Callable[[str], None]) -> None:
        """Start again those that die, until none is worth it any more."""
        while self._own:
            await asyncio.sleep(_TICK)
            for place in self._places:
                if not place.given_up and place.process.poll() is not None:
                    self._replace(place)
        if self.others:
            return
        how = next(iter(self._ends.values()), "")
        give_up(f"no process for the accounts could be started ({how}); run the same command again")

    async def explain(self, pid: int) -> str:
        """How the process ended, "" if it is none of these or lives; one that is as good as dead is killed."""
        for _ in range(10):
            if pid in self._ends:
                return self._ends[pid]
            await asyncio.sleep(_TICK)
        for place in self._places:
            if place.process.pid == pid:
                place.process.kill()
        return ""

    async def end(self) -> None:
        """Wait a little for those that still run, then kill them: nobody waits for them any longer."""
        for _ in range(round(_PATIENCE / _ENDING_TICK)):
            if all(place.process.poll() is not None for place in self._places):
                break
            await asyncio.sleep(_ENDING_TICK)
        self.kill()

    def kill(self) -> None:
        """End all that still run at once."""
        for place in self._places:
            place.process.kill()
            place.process.wait()

    def _replace(self, place: _Place) -> None:
        pid = place.process.pid
        self._ends[pid] = end = _describe_end(place.process.returncode)
        place.stillborn = 0 if pid in self.greeted else place.stillborn + 1
        place.given_up = place.stillborn >= _MOST_STILLBORN
        if place.given_up:
            return
        try:
            place.process = self._start_one()
        except OSError as error:
            place.given_up = True
            self._ends[pid] = f"{end}, and no other one can be started: {error.strerror}"

    def _start_one(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-c", _PROGRAM]
        environment = {name: value for name, value in os.environ.items() if name not in self.withheld}
        with block_signals(STOP_SIGNALS):  # the process inherits it
            process = subprocess.Popen(  # noqa: S603  # this Python, our program
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment
            )
        with contextlib.suppress(BrokenPipeError):  # it died already
            assert process.stdin is not None
            process.stdin.write(json.dumps({"path": sys.path, "address": self.address}).encode() + b"\n")
            process.stdin.close()
        return process


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # most of the real-time signals have no name
        return f"killed by signal {-code}"
