"""Owns the request of a job line as a person reads it: address and body, without credentials; it sends nothing."""

from urllib.parse import quote, urlencode

from batchcart.accounts.config import AccountConfig
from batchcart.engine.http.form_encoding import encode_body
from batchcart.model.http import Request


def preview_text(request: Request, entry: AccountConfig) -> tuple[str, str]:
    """Address and body; what only a shop can tell stands in braces."""
    query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
    address = f"{entry.address}{request.path}{query}".replace("%7B", "{").replace("%7D", "}")
    return address, encode_body(request, entry.options.encoding).body.decode()
