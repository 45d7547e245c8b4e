"""Owns how long a shop keeps an idle connection, and so what may still go on one; it does not know sockets.

A server closes a connection that was idle for its own time: 2 s, 5 s, a minute. A request that crosses that close on
its way is cut without an answer. For a read that is a repeat; for a write that no read can find again it is a doubt
that stays. So a kept connection is used only well before its end: the time that the server announces
(``Keep-Alive: timeout=5``), the time after which it was seen to close one, or, where neither is known, a time that all
common servers outlast; and for a write only while its last answer is half a second old at the most. A server that ends
its connections after so many answers, without a word, is found out by the first one.
"""

import math
import re
from dataclasses import dataclass, field

KEPT = 4.0
"""Seconds an idle connection is kept at most: less than the 5 after which many servers close it."""

_KEPT_FOR_WRITES = 0.5
"""Seconds after which a write gets a new connection, whatever the server announces, since something in front of it may
close sooner: at a rate at which connections are idle for so long, a new one costs little."""

_ON_THE_WAY = 0.5
"""Seconds before the server's time within which a request may cross its close: its way, and a slow moment here."""

_SHORTEST = 0.1
"""Seconds: a connection that ends after less was closed for something else, perhaps for having answered enough."""

_BELIEVED = 100
"""How often a connection is left out for what another one taught, before that is tried again."""

_TIMEOUT = re.compile(rb"(?:^|[\s,;])timeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_MAX = re.compile(rb"(?:^|[\s,;])max\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


@dataclass(slots=True)
class Promise:
    """What the other side has announced for one connection: seconds of idleness, and requests that it still takes.

    ``answers`` is how many it has given.
    """

    timeout: float = math.inf
    requests: float = math.inf
    answers: int = field(default=0, compare=False)

    def read(self, header: bytes | None) -> None:
        """Take in the Keep-Alive header of one more answer, if it has one."""
        self.requests -= 1
        self.answers += 1
        if header is None:
            return
        if found := _TIMEOUT.search(header):
            self.timeout = float(found[1])
        if found := _MAX.search(header):
            # Some count down what is left, some name all there are, this one included: the least is safe.
            self.requests = min(self.requests, float(found[1]) - 1)


@dataclass(slots=True)
class IdleTimes:
    """What was seen of one shop: ``closed_after`` is how long a connection was idle that it closed last, in seconds.

    ``most_answers`` is how many one had given that it closed right after the last of them; ``left_out`` counts those
    that were not used because of that.
    """

    closed_after: float = math.inf
    most_answers: float = math.inf
    left_out: int = 0

    def record_closed(self, idle: float, answers: int = 0) -> None:
        """The shop closed a connection after this time, and as many ``answers``, or did not answer on one."""
        if idle >= _SHORTEST:
            self.closed_after = idle
        elif answers:
            self.most_answers, self.left_out = answers, 0

    def record_kept(self) -> None:
        """A connection was kept for as long as any is, and the shop did not close it."""
        self.closed_after = math.inf

    def is_good(self, promise: Promise, idle: float, *, writes: bool) -> bool:
        """Whether a request may go on a connection that has been idle for this time."""
        if promise.requests < 1 or idle > (_KEPT_FOR_WRITES if writes else KEPT):
            return False
        if writes and idle < _SHORTEST and promise.answers >= self.most_answers:
            self._leave_out()
            return False
        ends = min(promise.timeout, self.closed_after)
        return idle <= ends - _ON_THE_WAY or idle <= ends / 2

    def _leave_out(self) -> None:
        self.left_out += 1
        if self.left_out >= _BELIEVED:
            self.most_answers = math.inf
