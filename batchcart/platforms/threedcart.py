"""Owns 3dcart (Shift4Shop): its routes, fields, answers and what a lost write means; it does no I/O.

S000 is 3dcart's "Carts" document. Where it contradicts itself the reading taken stands beside the code, under the
number that PLATFORMS §4 gives the contradiction. Those that need no code:

- a12 (S000 §Create a cart): CustomerId may be negative, so its sign is not checked.
- a14 (S000, titles): "retrieve a Cart" above delete item, "carts (i.e. orders)": slips of the pen.
- a15 (S000 §Create a cart): BillingPhoneNumber but ShipmentPhone; the names are taken as printed.
- a17 (S000, C# samples): the machine's own charset; bodies are UTF-8.
- a19 (S000, samples): header names in every spelling; HTTP does not mind, the text's spelling is sent.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from batchcart.adapter import Adapter, Cell, Credentials, Known, SecretText
from batchcart.exchange import Exchange, Past, Request, Response
from batchcart.operation import Kind, Operation
from batchcart.outcome import Busy, Denied, Done, Facts, Failing, Reason, Refused, Step, Unknown
from batchcart.platforms import lines
from batchcart.platforms.answers import (
    Unreadable,
    after_failure,
    decoded,
    described,
    http_trouble,
    json_text,
    lost,
    rejected,
    wrote_before,
)
from batchcart.platforms.fields import Id, Quantity, Text, Whole

_BASE = "/3dCartWebAPI/v1/Cart"


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An account's own keys: the three headers of S000, or ``access_token`` for a Bearer token."""

    secure_url: str | None = None
    private_key: SecretText | None = None
    token: SecretText | None = None
    access_token: SecretText | None = None
    base_url: str = "https://apirest.3dcart.com"

    def __post_init__(self) -> None:
        headers = (self.secure_url, self.private_key, self.token)
        if self.access_token is None and None in headers:
            raise ValueError("3dcart needs secure_url, private_key and token, or access_token")


class CartFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart, §Update a cart: the request body."""

    CustomerId: Whole | msgspec.UnsetType = msgspec.UNSET
    BillingFirstName: Text | msgspec.UnsetType = msgspec.UNSET
    BillingLastName: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCompany: Text | msgspec.UnsetType = msgspec.UNSET
    BillingAddress: Text | msgspec.UnsetType = msgspec.UNSET
    BillingAddress2: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCity: Text | msgspec.UnsetType = msgspec.UNSET
    BillingState: Text | msgspec.UnsetType = msgspec.UNSET
    BillingZipCode: Text | msgspec.UnsetType = msgspec.UNSET
    BillingCountry: Text | msgspec.UnsetType = msgspec.UNSET
    BillingPhoneNumber: Text | msgspec.UnsetType = msgspec.UNSET
    BillingEmail: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentFirstName: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentLastName: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCompany: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentAddress: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentAddress2: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCity: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentState: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentZipCode: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentCountry: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentPhone: Text | msgspec.UnsetType = msgspec.UNSET
    ShipmentEmail: Text | msgspec.UnsetType = msgspec.UNSET


class ItemOption(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart item: one of ItemOptions."""

    OptionSetID: Id
    OptionID: Id
    OptionValue: Text | msgspec.UnsetType = msgspec.UNSET


class ItemFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Create a cart item. a11: ItemQuantity may be a fraction, and goes out as written."""

    CatalogID: Id
    ItemQuantity: Quantity
    ItemOptions: list[ItemOption] | msgspec.UnsetType = msgspec.UNSET


class QuantityFields(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """S000 §Update a cart item. a18: options cannot be changed; delete the item and add it again."""

    ItemQuantity: Quantity


def _build_create(operation: Operation, known: Known) -> Request:
    return Request("POST", _BASE, body=_body(operation))


def _build_get(operation: Operation, known: Known) -> Request:
    return Request("GET", _cart(known))


def _build_update(operation: Operation, known: Known) -> Request:
    # a3 (S000 §Update a cart): the Ruby and Python samples leave the key out of the path; text and the others have it.
    return Request("PUT", _cart(known), body=_body(operation))


def _build_delete(operation: Operation, known: Known) -> Request:
    return Request("DELETE", _cart(known))


def _build_add(operation: Operation, known: Known) -> Request:
    if not lines.looked_at(known.facts):
        # What the cart held before is needed to tell later whether a lost add happened.
        return Request("GET", _cart(known))
    return _add(operation, known)


def _add(operation: Operation, known: Known) -> Request:
    return Request("POST", f"{_cart(known)}/Item", body=_body(operation))


def _build_item_update(operation: Operation, known: Known) -> Request:
    # a1 (S000 §Update a cart item): the request line misses the slash of "/Item/{cartitemid}"; all samples have it.
    return Request("PUT", _item(operation, known), body=_body(operation))


def _build_item_delete(operation: Operation, known: Known) -> Request:
    # a2 (S000 §Delete a cart item): the request line leaves "/Item" out; all samples have it.
    return Request("DELETE", _item(operation, known))


def _cart(known: Known) -> str:
    return f"{_BASE}/{quote(known.cart_id or '', safe='')}"


def _item(operation: Operation, known: Known) -> str:
    item_id = operation.item_id or known.items.get(operation.item or "", "")
    return f"{_cart(known)}/Item/{quote(item_id, safe='')}"


def trouble(exchange: Exchange) -> Busy | Failing | Denied | None:
    """Whether the answer means that shop or credentials fail.

    a16 (S000, every "Responses and Errors"): 401 is wrong keys as well as a missing scope; neither mends itself.
    """
    if exchange.response.status == 401:
        return Denied(
            "3dcart refused the credentials (HTTP 401): the PrivateKey/Token/SecureURL combination is invalid, "
            "or the application lacks the right to read or write",
            final=True,
        )
    return http_trouble(exchange)


def _interpret_write(operation: Operation, known: Known, past: Past) -> Step:
    """Read the answer to a write that may simply be sent again (PUT, DELETE)."""
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing() as failing:
            return after_failure(failing, past, exchange.request)
        case None:
            return _write_done(operation, known, past, exchange.response)
        case step:
            return step


def _write_done(operation: Operation, known: Known, past: Past, response: Response) -> Step:
    deletes = operation.kind in {Kind.CART_DELETE, Kind.ITEM_DELETE}
    # a13 (S000, create and delete item list no 404): 404 means everywhere that cart or item is gone.
    if response.status == 404 and deletes and wrote_before(past):
        return _done(operation, known, {})
    if not 200 <= response.status < 300:
        return _rejected(response)
    row = _row(response)
    if row is None:
        return after_failure(
            Failing(f"the shop answered {described(response)}", past[-1].request), past, past[-1].request
        )
    if refusal := _refusal(row, response):
        return refusal
    return _done(operation, known, row)


def _done(operation: Operation, known: Known, row: Mapping[str, str]) -> Done:
    item_id = operation.item_id or known.items.get(operation.item or "")
    names = {"OrderKey": known.cart_id or ""}
    if operation.kind is Kind.ITEM_UPDATE or operation.kind is Kind.ITEM_DELETE:
        names["CartItemID"] = item_id or ""
    return Done(
        cart_id=known.cart_id,
        item_id=item_id,
        names=names,
        facts=_facts_after(operation, known, item_id or ""),
    )


def _facts_after(operation: Operation, known: Known, item_id: str) -> Facts:
    match operation.kind:
        case Kind.ITEM_DELETE:
            return lines.forget(item_id)
        case Kind.ITEM_UPDATE:
            quantity = lines.decimal(decoded(operation.data)["ItemQuantity"])
            return lines.requantified(item_id, quantity, known.facts)
        case _:
            return {}


def _interpret_create(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing(message):
            return _recover_create(operation, known, lost(past, message))
        case None:
            pass
        case step:
            return step
    response = exchange.response
    # a4 (S000 §Retrieve a cart): success is 201 in one table and 200 in another; any 2xx is.
    if not 200 <= response.status < 300:
        return _rejected(response)
    row = _row(response)
    if row is not None and (refusal := _refusal(row, response)):
        return refusal
    if row is None or row["key"] != "orderkey" or not row["value"]:
        return _recover_create(operation, known, lost(past, f"{described(response)} and no OrderKey in it"))
    key = row["value"]
    return Done(cart_id=key, names={"OrderKey": key}, facts=lines.remember_all({}, {}))


def _recover_create(operation: Operation, known: Known, past: Past) -> Step:
    # PLATFORMS §1.6: the key exists only in the answer, and no route finds a cart without it.
    why = getattr(past[-1], "why", "no answer")
    return Unknown(
        f"{past[-1].request} was sent and not answered ({why}). 3dcart makes the OrderKey and has no route that finds "
        "a cart without it, so nobody can read back whether the cart exists"
    )


def _interpret_add(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    match trouble(exchange):
        case Failing(message) as failing:
            return after_failure(failing, past, _recover_add(operation, known, lost(past, message)))
        case None:
            pass
        case step:
            return step
    response = exchange.response
    if not exchange.request.writes:
        return _after_look(operation, known, past, response)
    if not 200 <= response.status < 300:
        return _rejected(response)
    row = _row(response)
    if row is not None and (refusal := _refusal(row, response)):
        return refusal
    # a8 (S000 §Delete a cart item): CartItemId there, CartItemID elsewhere; compared without regard to case.
    if row is None or row["key"] != "cartitemid" or not row["value"]:
        message = f"{described(response)} and no CartItemID in it"
        return after_failure(
            Failing(message, exchange.request), past, _recover_add(operation, known, lost(past, message))
        )
    return _added(operation, known, past, row["value"])


def _added(operation: Operation, known: Known, past: Past, item_id: str) -> Done:
    before = _before(known, past)
    whole = lines.hidden() if before is None else lines.remember_all(before, known.facts)
    facts = {**whole, **lines.remember({item_id: _wanted(operation)})}
    names = {"OrderKey": known.cart_id or "", "CartItemID": item_id}
    return Done(cart_id=known.cart_id, item_id=item_id, names=names, facts=facts)


def _recover_add(operation: Operation, known: Known, past: Past) -> Step:
    return Request("GET", _cart(known))


def _after_look(operation: Operation, known: Known, past: Past, response: Response) -> Step:
    """Decide from the cart's items, read before the first add or after a lost one."""
    if not wrote_before(past):
        return _add(operation, known) if 200 <= response.status < 300 else _rejected(response)
    if response.status == 404:
        return _rejected(response)
    if not 200 <= response.status < 300:
        return Unknown(_evidence(past, f"a read of the cart was answered {described(response)}"), lines.distrust())
    now = _items(response)
    if now is None:
        return Unknown(_evidence(past, "the shop's answer to a read of the cart shows no items"), lines.distrust())
    before = _before(known, past)
    if before is None:
        return Unknown(_evidence(past, "what the cart held before is not known"), lines.distrust())
    match lines.compare(before, now, _wanted(operation)):
        case lines.Added(item_id):
            return _added(operation, known, past, item_id)
        case lines.NotAdded():
            return _add(operation, known)
        case lines.Unclear(why):
            return Unknown(_evidence(past, why), lines.distrust())


def _before(known: Known, past: Past) -> lines.Lines | None:
    """The cart's items before this operation's first write: remembered, or read at its start."""
    first = past[0]
    if isinstance(first, Exchange) and not first.request.writes:
        return _items(first.response)
    return lines.known_lines(known.facts)


def _evidence(past: Past, why: str) -> str:
    write = next(step for step in past if step.request.writes)
    return f"{write.request} was sent and not answered, and {why}"


def _wanted(operation: Operation) -> lines.Line:
    fields = decoded(operation.data)
    return lines.Line(str(int(fields["CatalogID"])), lines.decimal(fields["ItemQuantity"]))


def _items(response: Response) -> lines.Lines | None:
    """The cart's items by CartItemID; None where the answer does not show them.

    a7 (S000 §Retrieve a cart): the sample shows no items, no OrderKey and no CheckoutURL; shops send CartItemList
    (PLATFORMS §1.5).
    """
    cart = _cart_object(response)
    rows = cart.get("CartItemList") if cart is not None else None
    if not isinstance(rows, list):
        return None
    try:
        return {
            str(row["CartItemID"]): lines.Line(str(int(row["CatalogID"])), lines.decimal(row["ItemQuantity"]))
            for row in rows
        }
    except (KeyError, TypeError, ValueError):
        return None


def _cart_object(response: Response) -> dict[str, Any] | None:
    """The cart in the answer. a6 (S000 §Retrieve a cart): an object there, an array of one in practice."""
    try:
        answer = decoded(response.body)
    except Unreadable:
        return None
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    return answer if isinstance(answer, dict) else None


def _interpret_get(operation: Operation, known: Known, past: Past) -> Step:
    exchange = past[-1]
    assert isinstance(exchange, Exchange)
    if step := trouble(exchange):
        return step
    response = exchange.response
    if not 200 <= response.status < 300:
        return _rejected(response)
    if _cart_object(response) is None:
        return Refused(Reason.REJECTED, f"3dcart has no cart {known.cart_id}")
    return Done(cart_id=known.cart_id, names={"OrderKey": known.cart_id or ""}, body=json_text(response.body))


def _ask_again(operation: Operation, known: Known, past: Past) -> Step:
    return past[-1].request


def _row(response: Response) -> dict[str, str] | None:
    """Key, Value, Status and Message of an answer to a write, keys in lower case; None where it has none.

    An array of one in S000, an object now and then (PLATFORMS §1.3). a10 (S000): ids and statuses are strings.
    """
    try:
        answer = decoded(response.body)
    except Unreadable:
        return None
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if not isinstance(answer, dict):
        return None
    row = {str(name).lower(): str(value) for name, value in answer.items() if value is not None}
    return {
        "key": row.get("key", "").lower(),
        **{name: row.get(name, "") for name in ("value", "status", "message")},
    }


def _refusal(row: Mapping[str, str], response: Response) -> Refused | None:
    """a5 (S000 §Delete a cart): "201" in the body, 200 in the table; the body's Status fails a call only from 400 on."""
    status = row["status"]
    if status.isdecimal() and int(status) >= 400:
        return rejected(response, f"3dcart said: {row['message'] or status}")
    return None


def _rejected(response: Response) -> Refused:
    row = _row(response)
    if row is not None and row["message"]:
        return rejected(response, f"3dcart said: {row['message']} (HTTP {response.status})")
    if response.status == 404:
        return rejected(response, "3dcart has no such cart or item (HTTP 404)")
    return rejected(response)


_NUMBERS = {"CustomerId", "CatalogID", "ItemQuantity", "OptionSetID", "OptionID"}
_LEADING_ZEROS = re.compile(r"^(-?)0+(?=[0-9])")


def _body(operation: Operation) -> bytes:
    """The author's own JSON text, with numbers taken out of quotes (S000 shows plain numbers everywhere)."""
    if not operation.data:
        return b"{}"
    fields = msgspec.json.decode(operation.data, type=dict[str, msgspec.Raw])
    quoted = any(name in _NUMBERS and bytes(raw).startswith(b'"') for name, raw in fields.items())
    if not quoted and b"ItemOptions" not in operation.data:
        return operation.data
    return msgspec.json.encode(_unquoted(_raw_numbers.decode(operation.data)))


_raw_numbers = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode()))


def _unquoted(value: Any) -> Any:
    if isinstance(value, list):
        return [_unquoted(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: msgspec.Raw(_LEADING_ZEROS.sub(r"\1", entry).encode())
        if name in _NUMBERS and isinstance(entry, str)
        else _unquoted(entry)
        for name, entry in value.items()
    }


def sign(request: Request, credentials: Credentials, now: float, nonce: str) -> Request:
    """The request with the account's headers (S000 §Create a cart: SecureURL, PrivateKey, Token), or a Bearer token."""
    named = (("SecureURL", "secure_url"), ("PrivateKey", "private_key"), ("Token", "token"))
    headers = [(header, credentials.get(name)) for header, name in named if credentials.get(name)]
    if bearer := credentials.get("access_token"):
        headers.append(("Authorization", f"Bearer {bearer}"))
    return replace(request, headers=(*request.headers, *headers))


ADAPTER = Adapter(
    name="3dcart",
    settings=Settings,
    address=lambda settings: settings["base_url"].rstrip("/"),
    limits=("bucket 50 leak 2/s",),
    cells={
        Kind.CART_CREATE: Cell(
            _build_create,
            _interpret_create,
            _recover_create,
            CartFields,
            data_required=False,
            repeatable=False,
        ),
        Kind.CART_GET: Cell(_build_get, _interpret_get, _ask_again),
        Kind.CART_UPDATE: Cell(_build_update, _interpret_write, _ask_again, CartFields),
        Kind.CART_DELETE: Cell(_build_delete, _interpret_write, _ask_again),
        Kind.ITEM_ADD: Cell(_build_add, _interpret_add, _recover_add, ItemFields, repeatable=False),
        Kind.ITEM_UPDATE: Cell(_build_item_update, _interpret_write, _ask_again, QuantityFields),
        Kind.ITEM_DELETE: Cell(_build_item_delete, _interpret_write, _ask_again),
    },
    sign=sign,
    trouble=trouble,
    ping=Request("GET", f"{_BASE}/batchcart-ping"),
    sample={
        "secure_url": "https://sandbox.3dcartstores.example",
        "private_key": "sandbox-private-key",
        "token": "sandbox-token",
        "base_url": "http://127.0.0.1",
    },
)
