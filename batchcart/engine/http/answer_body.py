"""Owns one answer's body while it comes in: one buffer, within the room it has been given; it does not know sockets.

It gathers in steps, so that a body that unpacks to thousands of times its size holds up nobody else for long.
"""

from enum import Enum, auto

from batchcart.engine.http.content_coding import Unpacker

_PULLED = 64 << 10
_STEP = 1 << 20  # bytes unpacked before others get their turn


class ProtocolError(Exception):
    """What came is no HTTP answer, or cannot be read for sure."""


class IncompleteResponse(Exception):
    """The answer began and its end is missing."""


class ResponseTooLarge(Exception):
    """The body is longer than it may be."""


class Progress(Enum):
    """How far gathering came: all that arrived is in; there is no room left; or it goes on after others' turn."""

    ALL_IN = auto()
    NO_ROOM = auto()
    MORE = auto()


class Body:
    """A body of ``limit`` bytes at most, unpacked; ``room`` is how many it may take up as yet."""

    __slots__ = ("_arrived", "_gathered", "_limit", "_unpacker", "room")

    def __init__(self, limit: int, room: int, codings: tuple[bytes, ...]) -> None:
        self.room = room
        self._limit = limit
        self._gathered = bytearray()
        self._arrived = b""
        self._unpacker = Unpacker(codings) if codings else None

    def push(self, part: bytes) -> None:
        """Take in a part of the body as it came."""
        if self._unpacker is not None:
            self._unpacker.push(part)
        else:
            self._arrived += part  # it is empty, but for one read's parts while there is no room

    def gather(self) -> Progress:
        """Put what arrived where it belongs; raises ResponseTooLarge and NotPacked."""
        if self._unpacker is not None:
            return self._unpack(self._unpacker)
        if len(self._gathered) + len(self._arrived) > self._limit:
            raise ResponseTooLarge
        if len(self._gathered) + len(self._arrived) > self.room:
            return Progress.NO_ROOM
        self._gathered += self._arrived
        self._arrived = b""
        return Progress.ALL_IN

    def whole(self) -> bytes:
        """The body, of which nothing more comes; raises NotPacked and NotWhole."""
        if self._unpacker is not None:
            self._unpacker.end()
            self._gathered += self._unpacker.pull(_PULLED)
            self._unpacker.check_whole()
        return bytes(self._gathered)

    def let_go(self) -> None:
        """Free the memory now: the failure that ended the body may still be held somewhere, and the body with it."""
        self._gathered.clear()
        self._arrived = b""
        self._unpacker = None

    def _unpack(self, unpacker: Unpacker) -> Progress:
        enough = len(self._gathered) + _STEP
        while len(self._gathered) < enough:
            # One byte beyond the room tells whether there is more.
            part = unpacker.pull(min(_PULLED, self.room + 1 - len(self._gathered)))
            if not part:
                return Progress.ALL_IN
            self._gathered += part
            if len(self._gathered) > self._limit:
                raise ResponseTooLarge
            if len(self._gathered) > self.room:
                return Progress.NO_ROOM
        return Progress.MORE
