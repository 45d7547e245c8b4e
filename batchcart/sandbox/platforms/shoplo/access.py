"""Owns who may enter a simulated Shoplo shop: Bearer with app-id, or OAuth 1.0a; it does not know carts."""

import hmac
import re
from urllib.parse import unquote

from oauthlib.oauth1 import Client

from batchcart.sandbox.messages import Call
from batchcart.sandbox.shop import Shop

_FIELD = re.compile(r'(oauth_\w+)="([^"]*)"')
_NEEDED = (
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_nonce",
)


def is_allowed(shop: Shop, call: Call) -> bool:
    """Whether the call shows credentials that open the shop."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            app = call.headers.get("app-id", "")
            pinned = shop.credentials
            return (
                bool(token and app) and pinned.get("access_token", token) == token and pinned.get("app_id", app) == app
            )
        case "oauth":
            return _is_signed(shop, call)
        case _:
            return False


def account(call: Call) -> str:
    """Whose limits the call uses: its token's."""
    authorization = call.headers.get("authorization", "")
    return _fields(authorization).get("oauth_token", "") or authorization


def _fields(authorization: str) -> dict[str, str]:
    return {name: unquote(value) for name, value in _FIELD.findall(authorization)}


def _is_signed(shop: Shop, call: Call) -> bool:
    fields = _fields(call.headers["authorization"])
    if not all(fields.get(name) for name in _NEEDED) or fields["oauth_signature_method"] != "HMAC-SHA1":
        return False
    once = (fields["oauth_timestamp"], fields["oauth_nonce"])
    if once in shop.nonces:
        return False
    shop.nonces.add(once)
    if "consumer_secret" not in shop.credentials:
        return True
    return hmac.compare_digest(fields["oauth_signature"], _expected_signature(shop, call, fields))


def _expected_signature(shop: Shop, call: Call, fields: dict[str, str]) -> str:
    pinned = shop.credentials
    client = Client(
        pinned.get("consumer_key", fields["oauth_consumer_key"]),
        client_secret=pinned["consumer_secret"],
        resource_owner_key=pinned.get("token", fields["oauth_token"]),
        resource_owner_secret=pinned.get("token_secret", ""),
        nonce=fields["oauth_nonce"],
        timestamp=fields["oauth_timestamp"],
    )
    content_type = call.headers.get("content-type", "")
    is_form = content_type.startswith("application/x-www-form-urlencoded")
    body = call.body.decode() if is_form else None
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if is_form else {}
    _, signed, _ = client.sign(call.url, call.method, body, headers)  # type: ignore[arg-type]  # a method is text here
    return _fields(signed["Authorization"])["oauth_signature"]
