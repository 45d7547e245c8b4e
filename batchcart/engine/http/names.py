"""Owns looking up host names, each in a thread of its own; it does not know who connects to them.

The system's own look-up blocks, for half a minute where a name server is silent, and event loops run it in a handful of
threads that all shops share: then some names that nobody answers for hold up every other shop. Here no name waits for
another one. The threads are daemons, so that the end of the program waits for none of them.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

Found = list[tuple[int, str]]
"""Addresses of a name: the family of each, and its number as text."""

_Key = tuple[asyncio.AbstractEventLoop, str, int]

_under_way: dict[_Key, "asyncio.Future[Found]"] = {}
"""Shops of one host share a look-up, as those of one vendor do."""


async def look_up(host: str, family: int = socket.AF_UNSPEC) -> Found:
    """The addresses of the host; raises OSError where it has none, or nobody tells."""
    key = asyncio.get_running_loop(), host, family
    if key not in _under_way:
        _start_look_up(key)
    return await asyncio.shield(
        _under_way[key]
    )  # whoever gives up leaves the look-up to the others, and to a later try


def _start_look_up(key: _Key) -> None:
    loop, host, family = key
    found: asyncio.Future[Found] = loop.create_future()

    def ask() -> None:
        try:
            addresses = _addresses(host, family)
        except (OSError, ValueError) as error:  # ValueError: the host cannot be a name
            tell(found.set_exception, error)
        else:
            tell(found.set_result, addresses)

    def tell(how: Callable[..., None], what: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(how, what)

    def forget(found: "asyncio.Future[Found]") -> None:
        del _under_way[key]
        found.exception()  # taken note of, also where nobody waits any more

    try:
        Thread(target=ask, name=f"look up {host}", daemon=True).start()
    except RuntimeError:  # no more threads
        raise OSError(errno.EAGAIN, "no thread for the look-up") from None
    _under_way[key] = found
    found.add_done_callback(forget)


def _addresses(host: str, family: int) -> Found:
    flags = getattr(socket, "AI_ADDRCONFIG", 0)
    infos = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM, flags=flags)
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return [(info[0], socket.getnameinfo(info[4], numeric)[0]) for info in infos]  # with the zone of a link-local one
