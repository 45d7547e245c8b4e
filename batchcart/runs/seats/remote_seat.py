"""Owns a seat that comes to a hub over a network: how it gets there, and why it did not; not what it does there."""

import asyncio
import os
import socket
import ssl
from functools import partial

from batchcart.model.errors import Stopped
from batchcart.platforms import load_adapters
from batchcart.runs.deps import Deps
from batchcart.runs.seats.frames import FrameStream, hear_hub
from batchcart.runs.seats.late_answers import WayBack
from batchcart.runs.seats.protocol import FromHub
from batchcart.runs.seats.seat import SEATED, HungUp, sit
from batchcart.runs.seats.secured import HubAddress, describe_refusal, open_tls
from batchcart.runs.seats.settling import LASTS, RESTART_PATIENCE

_IN_TIME = 10.0  # seconds for reaching a hub, and for it to acknowledge what it was sent
_BUFFER = 1 << 20


async def sit_at(
    address: HubAddress,
    leaving: asyncio.Event,
    *,
    lasts: float = LASTS,
    deps: Deps = SEATED,
    restart_patience: float = RESTART_PATIENCE,
) -> None:
    """Be a seat of the hub there until it says good-bye, or until ``leaving`` is set and all accounts are given back.

    A hub that is gone may be started again within ``restart_patience`` seconds, if there is something to tell it.

    Raises UsageError for certificates that cannot be used, and Stopped where no hub is there, it refuses the seat, or
    it is gone.
    """
    load_adapters()  # before the hub waits for a word
    stream = await _reach(address)
    try:
        name = f"{socket.gethostname()}:{os.getpid()}"
        await sit(
            stream, name, leaving, lasts=lasts, deps=deps, back=WayBack(partial(_open, address), restart_patience)
        )
    except HungUp as stopped:  # with TLS 1.3 a refusal comes after our side is ready
        if isinstance(stream.fault, ssl.SSLError):
            raise Stopped(describe_refusal(stream.fault, address)) from None
        hint = "is this seat's certificate of the hub's --tls-ca?" if address.tls else "does it want TLS?"
        raise Stopped(f"{address}: {stopped}; {hint}") from None
    except Stopped as stopped:
        raise Stopped(f"{address}: {stopped}") from None
    finally:
        stream.cut()


async def _reach(address: HubAddress) -> FrameStream[FromHub]:
    try:
        return await _open(address)
    except TimeoutError:
        raise Stopped(f"no hub at {address}: no answer in {_IN_TIME:g} s") from None
    except OSError as error:
        raise Stopped(describe_refusal(error, address)) from None


async def _open(address: HubAddress) -> FrameStream[FromHub]:
    """A connection to the hub; raises OSError where there is none in time."""
    context = open_tls(address.tls, server=False) if address.tls else None
    async with asyncio.timeout(_IN_TIME):
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context, limit=_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a hub that is cut off is noticed by what it does not acknowledge
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_IN_TIME * 1000))
    return FrameStream(reader, writer, hear_hub())
