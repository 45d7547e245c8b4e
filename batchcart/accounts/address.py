"""Owns what a shop's address may be; it does not know what answers there."""

from urllib.parse import urlsplit

from batchcart.accounts.proxy import is_loopback
from batchcart.model.errors import UsageError


def check_address(address: str, where: str, *, insecure: bool) -> None:
    """Raises UsageError that does not show the address, since its author may have put a password or token into it."""
    try:
        parts = urlsplit(address)
        host, _, _ = parts.hostname or "", parts.port, in_ascii(address)
    except ValueError:
        host, parts = "", urlsplit("")
    strange = "@" in parts.netloc or "?" in address or "#" in address or not address.isprintable() or " " in address
    if parts.scheme not in {"http", "https"} or not host or strange:
        raise UsageError(
            f"{where}: expected an address such as https://shop.example.com, without user, query and fragment"
        )
    if parts.scheme == "http" and not is_loopback(host) and not insecure:
        raise UsageError(
            f"{where}: http:// sends credentials in the clear; use https://, "
            "or set insecure = true if the network is your own"
        )


def in_ascii(address: str) -> str:
    """The address with its host as it goes over the wire; raises ValueError if the host cannot be a name."""
    host = urlsplit(address).hostname or ""
    if host.isascii():
        return address
    from yarl import URL  # noqa: PLC0415  # few need it, and it takes long to import

    return address.replace(urlsplit(address).netloc, URL(address).host_port_subcomponent or "", 1)
