"""Owns 3dcart (Shift4Shop) as an adapter: its operations, limits and credentials; it does no I/O.

S000 is 3dcart's "Carts" document. Where it contradicts itself the reading taken stands beside the code, under the
number that PLATFORMS §4 gives the contradiction. Those that need no code stand at the head of the module they concern.
"""

from functools import lru_cache

from msgspec.structs import replace

from batchcart.model.adapter import (
    AccountSchema,
    Adapter,
    AuthScheme,
    Credentials,
    ErrorForms,
    KeyNames,
    Migration,
)
from batchcart.model.http import Request
from batchcart.model.operation import OperationKind
from batchcart.platforms.threedcart import carts, items, requests
from batchcart.platforms.threedcart import from_neutral as making
from batchcart.platforms.threedcart import to_neutral as meaning
from batchcart.platforms.threedcart.examples import EXAMPLES
from batchcart.platforms.threedcart.joining import merge_items
from batchcart.platforms.threedcart.responses import ERRORS, classify_error
from batchcart.platforms.threedcart.schema import CartFields, ItemFields, QuantityFields, ThreedcartSettings
from batchcart.platforms.threedcart.snapshot import CART_READER
from batchcart.platforms.toolkit import add_once as adding
from batchcart.platforms.toolkit import create_once
from batchcart.platforms.toolkit.idempotent import cell

_NAMED = (("SecureURL", "secure_url"), ("PrivateKey", "private_key"), ("Token", "token"))


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with the account's headers (S000 §Create a cart: SecureURL, PrivateKey, Token), or a Bearer token.

    a19 (S000, samples): header names in every spelling; HTTP does not mind, the text's spelling is sent.
    """
    return replace(request, headers=request.headers + _headers(credentials))


@lru_cache(maxsize=64)
def _headers(credentials: Credentials) -> tuple[tuple[str, str], ...]:
    """The same in every request of an account."""
    headers = [(header, value) for header, name in _NAMED if (value := credentials.get(name))]
    if bearer := credentials.get("access_token"):
        headers.append(("Authorization", f"Bearer {bearer}"))
    return tuple(headers)


ADAPTER = Adapter(
    name="3dcart",
    account=AccountSchema(
        settings=ThreedcartSettings,
        address=lambda settings: settings["base_url"].rstrip("/"),
        address_key="base_url",
        shop_key="secure_url",
        auth_methods={"keys": ("secure_url", "private_key", "token"), "bearer": ("access_token",)},
        sandbox_settings={
            "secure_url": "https://sandbox.3dcartstores.example",
            "private_key": "sandbox-private-key",
            "token": "sandbox-token",
            "base_url": "http://127.0.0.1",
        },
        identity_keys=("secure_url",),
    ),
    limits=("bucket 50 leak 2/s",),
    operations={
        OperationKind.CART_CREATE: create_once.cell(requests.create_cart, carts.CREATING, CartFields),
        OperationKind.CART_GET: cell(requests.get_cart, carts.READING),
        OperationKind.CART_UPDATE: cell(requests.update_cart, carts.UPDATING, CartFields),
        OperationKind.CART_DELETE: cell(requests.delete_cart, carts.DELETING),
        OperationKind.ITEM_ADD: adding.cell(items.ADDING, ItemFields),
        OperationKind.ITEM_UPDATE: cell(requests.update_item, items.UPDATING, QuantityFields),
        OperationKind.ITEM_DELETE: cell(requests.delete_item, items.DELETING),
    },
    auth=AuthScheme(sign),
    errors=ErrorForms(classify_error, ERRORS),
    health_check=Request("GET", f"{requests.BASE}/batchcart-ping"),
    keys=KeyNames(cart="OrderKey", item="CartItemID", quantity="ItemQuantity"),
    examples=EXAMPLES,
    migration=Migration(
        meaning.to_neutral, making.from_neutral, meaning.READABLE_FIELDS, meaning.HIDDEN_FIELDS, merge_items
    ),
    snapshot=CART_READER,
)
