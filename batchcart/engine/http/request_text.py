"""Owns writing a request as it goes over the wire, in one piece; it does not send it."""

import re
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from yarl import URL

from batchcart import __version__
from batchcart.accounts.config import Account
from batchcart.model.http import Request

_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Form(msgspec.Struct, frozen=True):
    """What all requests to one shop have alike: what stands before their path, the host, and the proxy's header."""

    prefix: str
    host: str
    authorization: str = ""
    through_proxy: bool = False

    @classmethod
    def of(cls, account: Account) -> "Form":
        """The form of requests to the account's shop; a proxy for http:// is told whole addresses (RFC 9112, 3.2.2)."""
        parts = urlsplit(account.address)
        host = URL(account.address, encoded=True).host_port_subcomponent or ""
        if account.proxy is None or parts.scheme == "https":
            return cls(parts.path, host)
        return cls(f"http://{host}{parts.path}", host, account.proxy.authorization, through_proxy=True)

    def encode(self, request: Request) -> bytes:
        """The request as it goes over the wire; raises ValueError for a header that would not stay one."""
        target = self.prefix + request.path
        if request.query:
            target += _query_text(request.query)
        length = f"Content-Length: {len(request.body)}\r\n" if request.body or request.writes else ""
        head = f"{request.method} {target} HTTP/1.1\r\nHost: {self.host}\r\n"
        if self.authorization:
            head += f"Proxy-Authorization: {self.authorization}\r\n"
        return f"{head}{_header_lines(request.headers)}{length}\r\n".encode() + request.body


@lru_cache(maxsize=64)
def _query_text(query: tuple[tuple[str, str], ...]) -> str:
    """On some platforms it is the same in most requests."""
    return "?" + urlencode(query, quote_via=quote)


@lru_cache(maxsize=64)
def _header_lines(headers: tuple[tuple[str, str], ...]) -> str:
    """Most shops' headers are the same in every request."""
    lines = [
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        f"User-Agent: batchcart/{__version__}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if any(_UNFIT.search(line) for line in lines):
        raise ValueError("a header holds a line break")
    return "".join(f"{line}\r\n" for line in lines)
