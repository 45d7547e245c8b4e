"""Owns unpacking an answer's body on its way in, never more of it than is asked for; it does not know connections.

Each coding is a stage that pulls from the one before it, so that a few bytes that unpack to gigabytes cost what was
asked for and no more. What curl, browsers and the clients for Python read is read: bytes behind a whole gzip member
that are no member are dropped, a trailer that is missing is no loss, deflate comes with and without zlib's frame, names
that pack nothing ("identity", "utf-8") are passed over, and what does not begin as gzip does is taken as it came.
"""

import zlib
from collections.abc import Callable
from enum import Enum, auto

_PART = 4 << 10
"""Bytes that are unpacked at once: each end of a packed part copies what is left of them."""

_MOST_MEMBERS = 1000
"""Members of one gzip body. Real ones have one or a few, and each costs time, also when it is empty."""

_MOST_CODINGS = 4
_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZLIB_METHOD = 8  # the low half of a zlib stream's first byte
_RAW, _ZLIB, _GZIP = -zlib.MAX_WBITS, zlib.MAX_WBITS, zlib.MAX_WBITS | 16  # as zlib names the frames
_NAMES = {b"gzip": b"gzip", b"x-gzip": b"gzip", b"deflate": b"deflate", b"x-deflate": b"deflate"}


class NotPacked(Exception):
    """The body is not packed as it says."""


class NotWhole(Exception):
    """The body ends before what is packed in it does."""


def codings_of(header: bytes) -> tuple[bytes, ...]:
    """What a body with this Content-Encoding was packed with, in that order; raises NotPacked where it is absurd."""
    names = [name.strip().lower() for name in header.split(b",")]
    codings = tuple(_NAMES[name] for name in names if name in _NAMES)
    if len(codings) > _MOST_CODINGS:
        raise NotPacked
    return codings


class Unpacker:
    """Unpacks one body; ``codings`` are those it was packed with, at least one."""

    def __init__(self, codings: tuple[bytes, ...]) -> None:
        self._arrived = bytearray()
        self._stages: list[_Stage] = []
        self._pull = self._take
        for coding in reversed(codings):
            self._stages.append(_Stage(self._pull, is_gzip=coding == b"gzip"))
            self._pull = self._stages[-1].pull

    def push(self, part: bytes) -> None:
        """Take in a part of the body as it came."""
        self._arrived += part

    def pull(self, most: int) -> bytes:
        """Up to ``most`` bytes of the unpacked body; b"" where more has to come in first. Raises NotPacked."""
        return self._pull(most)

    def end(self) -> None:
        """Nothing more comes in; a last pull may bring a rest."""
        for stage in self._stages:
            stage.ends = True

    def check_whole(self) -> None:
        """Raises NotWhole where the compressed data do not end, once all was pulled."""
        if not all(stage.is_whole for stage in self._stages):
            raise NotWhole

    def _take(self, most: int) -> bytes:
        part = bytes(self._arrived[:most])
        del self._arrived[:most]
        return part


class _At(Enum):
    BEGIN = auto()
    PACKED = auto()
    PLAIN = auto()  # it is not packed after all
    BEHIND = auto()  # what follows is dropped


class _Stage:
    """One coding; ``ends`` says that its source brings nothing new."""

    def __init__(self, source: Callable[[int], bytes], *, is_gzip: bool) -> None:
        self.ends = False
        self._source = source
        self._is_gzip = is_gzip
        self._at = _At.BEGIN
        self._rest = b""
        self._members = 0
        self._inflating = zlib.decompressobj(_GZIP)
        self._holds_more = False  # zlib itself does, beyond what was asked for last

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing. A gzip member may lack its trailer, or a part of it."""
        return self._at is not _At.PACKED or all(_only_trailer_lacks(self._inflating, fill) for fill in (0x00, 0xFF))

    def pull(self, most: int) -> bytes:
        while True:
            part = self._unpack(most)
            if part or not (more := self._source(_PART)):
                return part
            self._rest += more

    def _unpack(self, most: int) -> bytes:
        """Unpack what is at hand; b"" where that is not enough."""
        while self._rest or self._holds_more:
            match self._at:
                case _At.BEGIN:
                    if not self._recognise():
                        return b""
                case _At.PACKED:
                    if part := self._inflate(most):
                        return part
                case _At.PLAIN:
                    part, self._rest = self._rest[:most], self._rest[most:]
                    return part
                case _At.BEHIND:
                    self._rest = b""
        return b""

    def _recognise(self) -> bool:
        """Whether what is at hand is enough to tell what begins there."""
        if not self.ends and len(self._rest) < len(_GZIP_MAGIC):
            return False
        if not self._is_gzip:
            # A zlib frame's first two bytes are a multiple of 31 (RFC 1950); without them it is deflate itself.
            framed = self._rest[0] & 0x0F == _ZLIB_METHOD and int.from_bytes(self._rest[:2]) % 31 == 0
            self._at, self._inflating = _At.PACKED, zlib.decompressobj(_ZLIB if framed else _RAW)
        elif self._rest.startswith(_GZIP_MAGIC):
            self._at, self._inflating = _At.PACKED, zlib.decompressobj(_GZIP)
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise NotPacked
        else:
            self._at = _At.BEHIND if self._members else _At.PLAIN
        return True

    def _inflate(self, most: int) -> bytes:
        try:
            part = self._inflating.decompress(self._rest, most)
        except zlib.error:
            raise NotPacked from None
        if self._inflating.eof:
            self._rest, self._holds_more = self._inflating.unused_data, False
            self._at = _At.BEGIN if self._is_gzip else _At.BEHIND
        else:
            self._rest, self._holds_more = self._inflating.unconsumed_tail, len(part) == most
        return part


def _only_trailer_lacks(inflating: "zlib._Decompress", fill: int) -> bool:
    """Whether the data were at their end: then any bytes behind them are read as the trailer, and found wrong.

    Data that are not at their end may be ended by one filling, if that is their code for it, but never by two.
    """
    result = inflating.copy()
    try:
        for _ in range(8):
            if result.decompress(bytes([fill])):
                return False
    except zlib.error as error:
        return "incorrect data check" in str(error) or "incorrect length check" in str(error)
    return result.eof
