"""Owns how long a noted intent allows its request to leave; it does not know who noted it.

A journal in this process allows it without an end. One that is written elsewhere does so for a few seconds, counted
from when the intent was handed over: whoever writes it may give the account to somebody else after that time, and what
has not left by then never may.
"""

import math
import sys
import time

import msgspec


class PermitExpired(Exception):
    """A request may not leave any more, and no byte of it has: its intent must be noted again first."""


class Permit(msgspec.Struct):
    """A request may leave until ``until``, by ``read_clock``, or until that is taken back."""

    until: float

    def check(self) -> None:
        """To be called right before the first byte; raises PermitExpired where it is too late."""
        if read_clock() > self.until:
            raise PermitExpired

    def take_back(self) -> None:
        """Nothing leaves any more that has not left yet."""
        self.until = -math.inf


def read_clock() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    if sys.platform != "linux":
        return time.monotonic()
    return time.clock_gettime(time.CLOCK_BOOTTIME)
