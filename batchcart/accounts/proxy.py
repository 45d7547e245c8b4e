"""Owns which proxy stands between an account and its shop, by the config or the environment; it opens no connection."""

import base64
import ipaddress
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from batchcart.model.errors import UsageError


@dataclass(frozen=True, slots=True, repr=False)
class Proxy:
    """An HTTP proxy. ``url`` names it without credentials; ``source`` is where it was read: a config key or a variable.

    ``authorization`` is the header that it wants, "" if it wants none; ``secrets`` is what must never be seen.
    """

    url: str
    source: str
    authorization: str = ""
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.url} ({self.source})"


def read_proxy(text: str, source: str, where: str) -> Proxy:
    """The proxy that the text names, with or without a scheme and ``user:password@``.

    Raises UsageError, which begins with ``where`` and shows nothing of the text, since a password may be in it.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and text.isprintable() and " " not in text
    if parts.scheme not in {"http", "https"} or not host or not bare:
        raise UsageError(
            f"{where}: expected an HTTP proxy's address such as http://proxy.example.com:3128, "
            "or http://user:password@proxy.example.com:3128"
        )
    named = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{named}" + (f":{port}" if port else "")
    if parts.username is None:
        return Proxy(url, source)
    user, password = unquote_to_bytes(parts.username), unquote_to_bytes(parts.password or "")
    if b":" in user:
        raise UsageError(f"{where}: a proxy takes no user name with a colon in it, and this one has %3A")
    both = user + b":" + password
    coded = base64.b64encode(both).decode()
    secrets = (coded, _text(both), _text(password), parts.password or "")
    return Proxy(url, source, f"Basic {coded}", tuple(filter(None, secrets)))


def _text(secret: bytes) -> str:
    """The secret as it may be read: in UTF-8, or in Latin-1 where it is no UTF-8."""
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return secret.decode("latin-1")


VARIABLES = frozenset({"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"})
"""The environment variables that name a proxy, and may hold its password."""


def proxy_of_environment(address: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for the address; None for this machine's own addresses.

    Each may be written in lower case, which comes first. Raises UsageError that names the variable.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    left_out = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    if is_loopback(host) or any(_covers(entry, host, port) for entry in left_out.replace(",", " ").split()):
        return None
    name = f"{parts.scheme}_proxy"
    for variable in (name, name.upper()):
        if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
            continue  # under CGI it is a header that anybody can send
        if text := environment.get(variable, "").strip():
            return read_proxy(text, variable, f"environment variable {variable}")
    return None


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY means the host: a name with all below it, one with a port, a network, or "*"."""
    if entry == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    named = urlsplit(f"//{entry.lstrip('*.')}")
    with suppress(ValueError):  # what is no port
        if named.port not in {None, port}:
            return False
    name = named.hostname or ""
    return bool(name) and f".{host}".endswith(f".{name}")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
