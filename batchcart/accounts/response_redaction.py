"""Owns what of an answer may be seen: its texts without secrets, and of a redirect no more than where it leads."""

from urllib.parse import urlsplit

import msgspec

from batchcart.accounts.redaction import Redactor, is_surely_clean, redact, redact_text
from batchcart.model.http import Response

_UNREADABLE = "//["
"""What stands for an address that cannot be read."""


def redact_response(response: Response, secrets: Redactor | None) -> Response:
    """The answer as everything behind the connection sees it: no secret in it, and of a redirect scheme and host."""
    headers = response.headers
    if not is_surely_clean(headers.values(), secrets):
        headers = {name: redact_text(value, secrets) for name, value in headers.items()}
    if "location" in headers:
        headers = dict(headers)
        headers["location"] = _public_address(headers["location"])
    body = redact(response.body, secrets)
    if body is response.body and headers == response.headers:
        return response
    return msgspec.structs.replace(response, body=body, headers=headers)


def _public_address(address: str) -> str:
    """Scheme and host of the address; what stands behind them may be anybody's secret."""
    try:
        parts = urlsplit(address)
        host, port = parts.netloc.rpartition("@")[2], parts.port  # that raises where it is none
    except ValueError:
        return _UNREADABLE
    if not host or (port is None and not parts.hostname):
        return "/" if address else ""
    return f"{parts.scheme}://{host}" if parts.scheme else f"//{host}"
