"""Owns Tray as an adapter: its operations, limits, tokens; it does no I/O.

S003 is Tray's "APIs de Carrinho de Compra" document. Where it contradicts itself the reading taken stands beside the
code, under the number that PLATFORMS §4 gives the contradiction. Those that need no code stand at the head of the
module they concern.
"""

from msgspec.structs import replace

from batchcart.model.adapter import (
    AccountSchema,
    Adapter,
    AuthScheme,
    Credentials,
    ErrorForms,
    KeyNames,
    Migration,
    TokenRefresh,
)
from batchcart.model.http import Request, Response
from batchcart.model.operation import OperationKind
from batchcart.platforms.toolkit import add_once as adding
from batchcart.platforms.toolkit.http_status import ok
from batchcart.platforms.toolkit.idempotent import cell
from batchcart.platforms.toolkit.lenient_json import object_of, text_of
from batchcart.platforms.tray import carts, requests
from batchcart.platforms.tray import from_neutral as making
from batchcart.platforms.tray import to_neutral as meaning
from batchcart.platforms.tray.examples import EXAMPLES
from batchcart.platforms.tray.responses import ERRORS, classify_error, why_not_renewed
from batchcart.platforms.tray.schema import KEY_LENGTH, TrayAddFields, TraySettings, UpdateFields
from batchcart.platforms.tray.snapshot import CART_READER


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with the token, which Tray takes in the query only (PLATFORMS §2.1)."""
    if request.query and any(name == "refresh_token" for name, _ in request.query):
        return request
    return replace(request, query=(*request.query, ("access_token", credentials["access_token"])))


def _read_renewal(response: Response) -> dict[str, str] | None:
    """The fresh pair (PLATFORMS §2.1: a renewal answers a new pair, and the old one dies)."""
    answer = object_of(response)
    if not ok(response) or not text_of(answer.get("access_token")):
        return None
    return {name: text for name in ("access_token", "refresh_token") if (text := text_of(answer.get(name)))}


ADAPTER = Adapter(
    name="tray",
    account=AccountSchema(
        settings=TraySettings,
        address=requests.address,
        address_key="api_address",
        shop_key="api_address",
        auth_methods={"tokens": ("api_address", "access_token", "refresh_token", "consumer_key", "consumer_secret")},
        sandbox_settings={
            "api_address": "http://127.0.0.1/web_api",
            "access_token": "sandbox-access-token",
            "refresh_token": "sandbox-refresh-token",
        },
        currency=meaning.CURRENCY,
    ),
    limits=("180/min", "10000/day"),
    operations={
        OperationKind.CART_CREATE: adding.cell(carts.ADDING, TrayAddFields, note="one product"),
        OperationKind.CART_GET: cell(requests.get, carts.READING, views=("complete",)),
        OperationKind.CART_UPDATE: cell(requests.update, carts.UPDATING, UpdateFields),
        OperationKind.CART_DELETE: cell(requests.delete, carts.DELETING),
        OperationKind.ITEM_ADD: adding.cell(carts.ADDING, TrayAddFields, note="same session_id"),
    },
    auth=AuthScheme(
        sign,
        TokenRefresh(
            requests.renew,
            _read_renewal,
            why_not_renewed,
            required_setting="refresh_token",
            further_settings=("consumer_key", "consumer_secret"),
        ),
    ),
    errors=ErrorForms(classify_error, ERRORS),
    health_check=Request("GET", "/carts/batchcart-ping"),
    keys=KeyNames(cart="session_id", quantity="quantity", client_chooses=True, max_length=KEY_LENGTH),
    examples=EXAMPLES,
    create_adds_item=True,
    migration=Migration(meaning.to_neutral, making.from_neutral, meaning.READABLE_FIELDS, meaning.HIDDEN_FIELDS),
    snapshot=CART_READER,
)
