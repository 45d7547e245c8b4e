"""Owns what a run's processes say to one another, and how it goes over a socket; it does not act on any of it."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from batchcart.model.events import Event
from batchcart.runs.snapshot import AccountSnapshot

_LENGTH = 4  # bytes in front of each frame


class IntentRecorded(msgspec.Struct, frozen=True, array_like=True, tag="intent"):
    """A request is about to leave."""

    line: int
    number: int
    at: float
    request: str


class ResponseRecorded(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """What became of a request: state, and status, headers, body, why."""

    line: int
    number: int
    state: str
    row: tuple[int | None, str | None, bytes | None, str | None]


class ResultRecorded(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """How an operation ended."""

    line: int
    status: str
    learnt: str
    text: bytes
    keep_past: bool


class EventRecorded(msgspec.Struct, frozen=True, array_like=True, tag="happened"):
    """What a person must see, for the report's timeline."""

    at: float
    event: Event


class AccountStateRecorded(msgspec.Struct, frozen=True, array_like=True, tag="state"):
    """An account was given up."""

    account: str
    state: str
    reason: str


Row = IntentRecorded | ResponseRecorded | ResultRecorded | AccountStateRecorded | EventRecorded


class Rows(msgspec.Struct, frozen=True, array_like=True, tag="rows"):
    """To the journal's owner: write these down together and say so."""

    rows: Sequence[Row]


class BatchWritten(msgspec.Struct, frozen=True, array_like=True, tag="written"):
    """From the journal's owner: the rows are on the disk; or why they are not, and nothing may be sent any more."""

    failure: str


class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """A shard holds its accounts and can begin."""

    shard: int
    pid: int


class Go(msgspec.Struct, frozen=True, array_like=True, tag="go"):
    """All shards are ready: begin. By account its lines, and those that have ended before, by status."""

    planned: dict[str, int]
    ended: dict[str, dict[str, int]]


class Halt(msgspec.Struct, frozen=True, array_like=True, tag="halt"):
    """Begin nothing more, and end within the requests in flight."""


class Snapshots(msgspec.Struct, frozen=True, array_like=True, tag="seen"):
    """A shard's accounts as they are now."""

    accounts: list[AccountSnapshot]


class EventEmitted(msgspec.Struct, frozen=True, array_like=True, tag="told"):
    """An event for all who are to see it."""

    event: Event


Frame = Rows | BatchWritten | Ready | Go | Halt | Snapshots | EventEmitted

_encode = msgspec.msgpack.Encoder().encode
_decode: Any = msgspec.msgpack.Decoder(Frame).decode


class FrameStream:
    """One end of a connection between two processes of a run."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, frame: Frame) -> None:
        """Send a frame; where the other end is gone it is lost, and ``receive`` says so."""
        if self._writer.is_closing():  # uvloop raises there, asyncio warns
            return
        text = _encode(frame)
        self._writer.write(len(text).to_bytes(_LENGTH) + text)

    async def receive(self) -> Frame | None:
        """The next frame; None where the other end has hung up or died."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH))
            frame: Frame = _decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return frame

    async def close(self) -> None:
        """Hang up, once everything is sent."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
