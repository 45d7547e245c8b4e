"""Owns Medusa's store carts (version 2) as an adapter of batchcart; it does no I/O."""

from msgspec.structs import replace

from batchcart.model.adapter import (
    AccountSchema,
    Adapter,
    AuthScheme,
    Credentials,
    ErrorForms,
    Examples,
    KeyNames,
    SecretRef,
)
from batchcart.model.http import Request
from batchcart.model.operation import OperationKind
from batchcart.platforms.toolkit import add_once, create_once
from batchcart.platforms.toolkit.idempotent import cell
from batchcart_medusa import operations, requests
from batchcart_medusa.responses import CART_READER, ERRORS, classify_error
from batchcart_medusa.schema import AddFields, CartFields, MedusaSettings, QuantityFields


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with the sales channel's key."""
    key = ("x-publishable-api-key", credentials["publishable_key"])
    return replace(request, headers=(*request.headers, key))


ADAPTER = Adapter(
    name="medusa",
    account=AccountSchema(
        settings=MedusaSettings,
        address=lambda settings: settings["base_url"].rstrip("/"),
        address_key="base_url",
        shop_key="base_url",
        auth_methods={"key": ("base_url", "publishable_key")},
        sandbox_settings={"base_url": "http://127.0.0.1:9000", "publishable_key": "pk_made_up"},
    ),
    limits=("10/s",),
    operations={
        OperationKind.CART_CREATE: create_once.cell(requests.create_cart, operations.CREATING, CartFields),
        OperationKind.CART_GET: cell(requests.get_cart, operations.READING),
        OperationKind.CART_UPDATE: cell(requests.update_cart, operations.UPDATING, CartFields),
        OperationKind.ITEM_ADD: add_once.cell(operations.ADDING, AddFields),
        OperationKind.ITEM_UPDATE: cell(requests.update_item, operations.QUANTIFYING, QuantityFields),
        OperationKind.ITEM_DELETE: cell(requests.delete_item, operations.DELETING),
    },
    auth=AuthScheme(sign),
    errors=ErrorForms(classify_error, ERRORS),
    health_check=Request("GET", f"{requests.CARTS}/batchcart-ping"),
    keys=KeyNames(cart="cart_id", quantity="quantity"),
    examples=Examples(
        account=(
            "medusa",
            {"base_url": "https://backend.example.com", "publishable_key": SecretRef(env="MEDUSA_PUBLISHABLE_KEY")},
        ),
        job=(
            '{"op":"cart.create","cart":"c1","data":{"email":"anna@example.com"}}',
            '{"op":"item.add","cart":"c1","item":"i1","data":{"variant_id":"variant_01","quantity":2}}',
            '{"op":"cart.get","cart":"c1"}',
            '{"op":"item.update","cart":"c1","item":"i1","data":{"quantity":3}}',
            '{"op":"item.delete","cart":"c1","item":"i1"}',
        ),
    ),
    snapshot=CART_READER,
)
