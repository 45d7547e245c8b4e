"""Owns who may enter a simulated Tray shop and how its pair of tokens is renewed; it does not know carts.

The vendor's pages say: the access token stands in the query, lives 3 hours, and 401 with error_code 1000 asks
for a renewal; a refresh token lives 30 days, works once, and brings a new pair. What is kept of tokens, also in a state
file, are their hashes: clients may well show real ones.
"""

import hashlib
from datetime import timedelta

from batchcart.sandbox.messages import Answer, Call, Effect, json_answer
from batchcart.sandbox.platforms.tray.answers import as_unauthorized
from batchcart.sandbox.shop import Shop

_ACCESS_LIFE = timedelta(hours=3)
_REFRESH_LIFE = timedelta(days=30)
EXPIRED = 1000
UNKNOWN = 1099


def refusal(shop: Shop, call: Call) -> Answer | None:
    """Why the call's access token does not open the shop; a renewal needs none."""
    if call.route == "GET auth":
        return None
    tokens = shop.tokens
    token = call.query.get("access_token", "")
    given = hash_token(token)
    good = tokens.access or hash_token(shop.credentials.get("access_token", token))
    if token and given == good and not tokens.expired:
        tokens.known.add(given)
        return None
    return _unauthorized_answer(shop, call, EXPIRED if given == good or given in tokens.known else UNKNOWN)


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def denied_answer(shop: Shop, call: Call) -> Answer | None:
    """The access token expires now, so that only a renewal opens the shop again."""
    if call.route == "GET auth":
        return None
    shop.tokens.expired = True
    return _unauthorized_answer(shop, call, EXPIRED)


def renew(shop: Shop, call: Call) -> Answer:
    """A new pair for a refresh token that was not used before; the old pair stops working."""
    tokens = shop.tokens
    token = call.query.get("refresh_token", "")
    given = hash_token(token)
    good = tokens.refresh or hash_token(shop.credentials.get("refresh_token", token))
    if not token or given != good or given in tokens.spent:
        return _unauthorized_answer(shop, call, UNKNOWN)
    tokens.spent.add(given)
    tokens.renewals += 1
    access, refresh = (f"sandbox-{kind}-{shop.name or 'loja'}-{tokens.renewals}" for kind in ("access", "refresh"))
    tokens.access, tokens.refresh = hash_token(access), hash_token(refresh)
    tokens.expired = False
    now = shop.wall()
    pair = {
        "message": "Refresh token",
        "code": 200,
        "access_token": access,
        "refresh_token": refresh,
        "date_expiration_access_token": f"{now + _ACCESS_LIFE:%Y-%m-%d %H:%M:%S}",
        "date_expiration_refresh_token": f"{now + _REFRESH_LIFE:%Y-%m-%d %H:%M:%S}",
        "date_activated": f"{now:%Y-%m-%d %H:%M:%S}",
        "store_id": "123123",
    }
    return json_answer(200, pair, Effect("renew", ""))


def _unauthorized_answer(shop: Shop, call: Call, error_code: int) -> Answer:
    return as_unauthorized(
        shop.readings, call, error_code, "Token expired" if error_code == EXPIRED else "Token unknown"
    )
