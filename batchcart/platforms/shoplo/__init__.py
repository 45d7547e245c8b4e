"""Owns Shoplo as an adapter: its operations, limits and credentials; it does no I/O.

S004 is Shoplo's "/services/carts" document. Where it contradicts itself the reading taken stands beside the code,
under the number that PLATFORMS §4 gives the contradiction. Those that need no code stand at the head of the module
they concern.
"""

from typing import Any, cast
from urllib.parse import quote, urlencode

from msgspec.structs import replace

from batchcart.model.adapter import (
    AccountSchema,
    Adapter,
    AuthScheme,
    Credentials,
    ErrorForms,
    KeyNames,
    Migration,
    OperationSpec,
)
from batchcart.model.http import Request
from batchcart.model.operation import OperationKind
from batchcart.platforms.shoplo import carts, items, requests
from batchcart.platforms.shoplo import from_neutral as making
from batchcart.platforms.shoplo import to_neutral as meaning
from batchcart.platforms.shoplo.examples import EXAMPLES
from batchcart.platforms.shoplo.listing import LISTING
from batchcart.platforms.shoplo.responses import ERRORS, classify_error
from batchcart.platforms.shoplo.schema import (
    WAYS,
    CartQuery,
    CountQuery,
    DiscountFields,
    FieldsQuery,
    LineQuantityFields,
    ListQuery,
    ShoploAddFields,
    ShoploSettings,
)
from batchcart.platforms.shoplo.snapshot import CART_READER
from batchcart.platforms.toolkit import add_once as adding
from batchcart.platforms.toolkit.idempotent import cell, resend


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with a Bearer token and app-id, or with an OAuth 1.0a signature (PLATFORMS §3.1)."""
    if credentials["auth"] == "bearer":
        headers = (("Authorization", f"Bearer {credentials['access_token']}"), ("app-id", credentials["app_id"]))
        return replace(request, headers=(*request.headers, *headers))
    from oauthlib.oauth1 import Client  # noqa: PLC0415  # 50 ms of import that Bearer accounts need not pay

    client = Client(
        credentials["consumer_key"],
        client_secret=credentials["consumer_secret"],
        resource_owner_key=credentials["token"],
        resource_owner_secret=credentials["token_secret"],
        nonce=nonce,
        timestamp=str(int(now)),
    )
    url = credentials["base_url"].rstrip("/") + request.path
    if request.query:
        url = f"{url}?{urlencode(request.query, quote_via=quote)}"
    method = cast("Any", request.method)  # oauthlib's stubs list HTTP's methods one by one
    _, signed, _ = client.sign(url, method, _body_to_sign(request), dict(request.headers))
    return replace(request, headers=tuple(signed.items()))


def _body_to_sign(request: Request) -> str | None:
    """What of the body is part of an OAuth 1.0a signature: a form's fields, and nothing of JSON.

    oauthlib takes a form only with its brackets quoted; what is signed are the fields, the same either way.
    """
    if not dict(request.headers).get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return None
    return request.body.decode().replace("[", "%5B").replace("]", "%5D")


ADAPTER = Adapter(
    name="shoplo",
    account=AccountSchema(
        settings=ShoploSettings,
        address=lambda settings: settings["base_url"].rstrip("/"),
        address_key="base_url",
        shop_key="base_url",
        auth_methods=WAYS,
        sandbox_settings={
            "auth": "bearer",
            "access_token": "sandbox-access-token",
            "app_id": "sandbox-app",
            "base_url": "http://127.0.0.1",
        },
        identity_keys=("app_id",),
        currency=meaning.CURRENCY,
    ),
    limits=("2/s",),
    operations={
        OperationKind.CART_CREATE: adding.cell(carts.ADDING, ShoploAddFields, note="one variant"),
        OperationKind.CART_GET: OperationSpec(
            requests.first_page,
            carts.interpret_pages,
            resend,
            carts.READ,
            query_schema=CartQuery,
            note="by user_key, all pages",
        ),
        OperationKind.CART_DELETE: OperationSpec(
            requests.first_page, carts.interpret_delete, carts.delete_lost, carts.DELETED, note="each line, one by one"
        ),
        OperationKind.CART_LIST: cell(requests.list_carts, items.LISTING, query=ListQuery),
        OperationKind.CART_COUNT: cell(requests.count_carts, items.COUNTING, query=CountQuery),
        OperationKind.ITEM_ADD: adding.cell(carts.ADDING, ShoploAddFields, note="same user_key"),
        OperationKind.ITEM_GET: cell(requests.get_line, items.READING, query=FieldsQuery),
        OperationKind.ITEM_UPDATE: cell(requests.update_line, items.UPDATING, LineQuantityFields),
        OperationKind.ITEM_DELETE: cell(requests.delete_line, items.DELETING),
        OperationKind.DISCOUNT_SET: cell(requests.set_discount, items.DISCOUNTING, DiscountFields),
        OperationKind.DISCOUNT_DELETE: cell(requests.delete_discount, items.DISCOUNT_DELETING),
    },
    auth=AuthScheme(sign),
    errors=ErrorForms(classify_error, ERRORS),
    health_check=Request("GET", f"{requests.CARTS}/count"),
    keys=KeyNames(cart="user_key", quantity="quantity", client_chooses=True),
    examples=EXAMPLES,
    item_needs_cart=False,
    create_adds_item=True,
    migration=Migration(meaning.to_neutral, making.from_neutral, meaning.READABLE_FIELDS, meaning.HIDDEN_FIELDS),
    snapshot=CART_READER,
    listing=LISTING,
)
