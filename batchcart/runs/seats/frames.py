"""Owns how words go over a connection: each in a frame of its own, its length in front; not what they mean."""

import asyncio
import contextlib
from typing import Generic, TypeVar

import msgspec

from batchcart.model.json_text import UNDECODABLE
from batchcart.runs.seats.protocol import FromHub, FromSeat

_LENGTH = 4  # bytes in front of each frame
MAX_FRAME = 256 << 20
"""Bytes of a frame at the most: an answer of 32 MiB may come as a row and as a result line, both escaped."""

MAX_GREETING = 64 << 10
"""Bytes of the first frame at the most, from a peer that nobody knows yet."""

_encode = msgspec.msgpack.Encoder().encode
_Heard = TypeVar("_Heard", bound=FromHub | FromSeat)


class NotSpoken(Exception):
    """The peer said something that is no word of ours; its text is a sentence about that."""


class FrameStream(Generic[_Heard]):
    """One end of a connection, on which words of the ``heard`` kind come in.

    What is said in one turn of the loop leaves together, at its end.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: "msgspec.msgpack.Decoder[_Heard]"
    ) -> None:
        self._reader, self._writer, self._decode = reader, writer, heard.decode
        self._unsent: list[bytes] = []
        self.fault: OSError | None = None  # what ended the connection, if it was no hanging up

    def send(self, word: FromHub | FromSeat) -> None:
        """Say something; where the other end is gone it is lost, and ``receive`` says so."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        text = _encode(word)
        self._unsent += (len(text).to_bytes(_LENGTH), text)

    async def receive(self, longest: int = MAX_FRAME) -> _Heard | None:
        """The next word; None where the other end has hung up or died. Raises NotSpoken."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH))
            if length > longest:
                raise NotSpoken(f"it sent a frame of {length:,} bytes, and {longest:,} are the most")
            text = await self._reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return None
        except OSError as fault:
            self.fault = fault
            return None
        try:
            return self._decode(text)
        except UNDECODABLE:
            raise NotSpoken("it sent what no hub and no seat says") from None

    def cut(self) -> None:
        """End the connection at once; what was not sent yet is lost."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Hang up, once everything is sent."""
        self._flush()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._writer.is_closing():  # uvloop raises there, asyncio warns
            self._writer.writelines(unsent)


def hear_seat() -> "msgspec.msgpack.Decoder[FromSeat]":
    """What reads a seat's words."""
    return msgspec.msgpack.Decoder(FromSeat)


def hear_hub() -> "msgspec.msgpack.Decoder[FromHub]":
    """What reads a hub's words."""
    return msgspec.msgpack.Decoder(FromHub)
