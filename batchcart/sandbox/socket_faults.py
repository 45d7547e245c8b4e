"""Owns the rude things a server can do to a connection; it does not know HTTP servers or shops."""

import asyncio
import os
import socket
import struct
from http import HTTPStatus

from batchcart.model.system import PEEK
from batchcart.sandbox.messages import Answer

_LINGER_NOT = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Drop the connection with a TCP reset instead of an orderly end."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


def send_truncated(transport: asyncio.Transport, answer: Answer, server: str) -> None:
    """Send the answer's head and the first half of its body, then end the connection."""
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nServer: {server}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body) + 1}\r\n\r\n"
    )
    transport.write(head.encode() + answer.body[: len(answer.body) // 2])
    transport.close()


def has_peer(transport: asyncio.Transport) -> bool:
    """Whether the other side still holds the connection, asked of the system, not of events yet unread."""
    if transport.is_closing():
        return False
    looking = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    try:
        return looking.recv(1, PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        looking.close()
