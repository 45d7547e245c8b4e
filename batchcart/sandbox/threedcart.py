"""Owns how a simulated 3dcart shop answers (S000); it does not know sockets, limits or faults.

Where S000 is silent: a PUT of a cart merges fields, 400 says why in the array form. A GET answers 200 and an
array, as is seen in practice, not 201 and an object.
"""

import hashlib
from typing import Any

import orjson

from batchcart.sandbox.messages import NUMBER, WHOLE, Answer, Call, Effect, said
from batchcart.sandbox.shop import Document, Platform, Shop

# S000 §Retrieve a cart: the fields of a cart, as printed.
_ADDRESS = ("FirstName", "LastName", "Company", "Address", "Address2", "City", "State", "ZipCode", "Country")
_CART_FIELDS = (
    *(f"Billing{name}" for name in (*_ADDRESS, "PhoneNumber", "Email")),
    *(f"Shipment{name}" for name in (*_ADDRESS, "Phone", "Email")),
)
_OPTION_NUMBERS = ("OptionSetID", "OptionID")


def _written(status: int, key: str, value: str, message: str, effect: Effect) -> Answer:
    shown = "201" if effect.verb == "delete" else str(status)  # S000 §Delete a cart: "Status":"201" with HTTP 200
    return said(status, [{"Key": key, "Value": value, "Status": shown, "Message": message}], effect)


def _bad(field: str, message: str) -> Answer:
    return said(400, [{"Key": field, "Value": "", "Status": "400", "Message": message}])


_GONE = Answer(404)


def _cart_fields(call: Call) -> Document | Answer:
    document = call.document()
    if not isinstance(document, dict):
        return _bad("Cart", "The body is not a JSON object")
    if not WHOLE.fullmatch(str(document.get("CustomerId", 0))):
        return _bad("CustomerId", "CustomerId is not a whole number")
    wrong = [name for name in _CART_FIELDS if not isinstance(document.get(name, ""), str | None)]
    if wrong:
        return _bad(wrong[0], f"{wrong[0]} is not text")
    return {name: document[name] for name in ("CustomerId", *_CART_FIELDS) if name in document}


def _create(shop: Shop, call: Call) -> Answer:
    fields = _cart_fields(call)
    if isinstance(fields, Answer):
        return fields
    number = shop.new_id()
    scattered = hashlib.blake2b(f"{shop.name} {number}".encode(), digest_size=4).hexdigest()
    key = f"{int(number):08X}{scattered[:7]}"  # 15 letters and digits, as 6F027F81ggx48to in S000
    now = f"{shop.wall():%Y-%m-%dT%H:%M:%S}"
    shop.carts[key] = {"fields": fields, "created": now, "updated": now, "items": {}}
    return _written(201, "OrderKey", key, "Created successfully", Effect("create", key))


def _read(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    cart = shop.carts.get(key)
    if cart is None:
        return _GONE
    fields = cart["fields"]
    items = [_shown(number, item) for number, item in cart["items"].items()]
    shown = {
        "OrderKey": key,
        "OrderDate": cart["created"],
        "LastUpdate": cart["updated"],
        "CheckoutURL": f"https://{shop.name or 'sandbox'}.3dcartstores.com/checkout.asp?orderkey={key}",
        "CustomerId": _number(fields.get("CustomerId", "0")),
        **{name: fields.get(name, "") for name in _CART_FIELDS},
        "CartItemList": items,
    }
    return said(200, [shown])


def _shown(number: str, item: Document) -> Document:
    shown = {
        "CatalogID": _number(item["CatalogID"]),
        "CartItemID": int(number),
        "ItemID": f"SKU-{item['CatalogID']}",
        "ItemQuantity": _number(item["ItemQuantity"]),
        "ItemDescription": f"Product {item['CatalogID']}",
        "ItemUnitPrice": 10.0,
        "ItemOptionPrice": 0.0,
    }
    if "ItemOptions" in item:
        shown["ItemOptions"] = [
            {name: _number(value) if name in _OPTION_NUMBERS else value for name, value in option.items()}
            for option in item["ItemOptions"]
        ]
    return shown


def _number(text: str) -> orjson.Fragment:
    """A number with the very digits that the client sent."""
    return orjson.Fragment(text)


def _update(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if key not in shop.carts:
        return _GONE
    fields = _cart_fields(call)
    if isinstance(fields, Answer):
        return fields
    shop.carts[key]["fields"].update(fields)
    shop.carts[key]["updated"] = f"{shop.wall():%Y-%m-%dT%H:%M:%S}"
    return _written(200, "OrderKey", key, "Updated successfully", Effect("update", key))


def _delete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if shop.carts.pop(key, None) is None:
        return _GONE
    return _written(200, "OrderKey", key, "Deleted successfully", Effect("delete", key))


def _item_problem(document: Any) -> Answer | None:
    if not isinstance(document, dict):
        return _bad("CartItem", "The body is not a JSON object")
    if not NUMBER.fullmatch(str(document.get("ItemQuantity"))):
        return _bad("ItemQuantity", "ItemQuantity is not a number")
    return None


def _options_problem(options: Any) -> Answer | None:
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        return _bad("ItemOptions", "ItemOptions is not a list of objects")
    for option in options:
        for name in _OPTION_NUMBERS:
            if not WHOLE.fullmatch(str(option.get(name, 0))):
                return _bad(name, f"{name} is not a whole number")
    return None


def _item_add(shop: Shop, call: Call) -> Answer:
    cart = shop.carts.get(call.keys[0])
    if cart is None:
        return _GONE
    document = call.document()
    if problem := _item_problem(document):
        return problem
    if not WHOLE.fullmatch(str(document.get("CatalogID"))):
        return _bad("CatalogID", "CatalogID is not a whole number")
    item = {name: str(document[name]) for name in ("CatalogID", "ItemQuantity")}
    if "ItemOptions" in document:
        if problem := _options_problem(document["ItemOptions"]):
            return problem
        item["ItemOptions"] = document["ItemOptions"]
    number = shop.new_id()
    cart["items"][number] = item
    effect = Effect("add", call.keys[0], number, item["CatalogID"], item["ItemQuantity"])
    return _written(201, "CartItemID", number, "Created successfully", effect)


def _item_update(shop: Shop, call: Call) -> Answer:
    key, number = call.keys
    item = shop.carts.get(key, {}).get("items", {}).get(number)
    if item is None:
        return _GONE
    document = call.document()
    if problem := _item_problem(document):
        return problem
    item["ItemQuantity"] = str(document["ItemQuantity"])
    effect = Effect("item-update", key, number, item["CatalogID"], item["ItemQuantity"])
    return _written(200, "CartItemID", number, "Updated successfully", effect)


def _item_delete(shop: Shop, call: Call) -> Answer:
    key, number = call.keys
    item = shop.carts.get(key, {}).get("items", {}).pop(number, None)
    if item is None:
        return _GONE
    effect = Effect("item-delete", key, number, item["CatalogID"])
    # S000 §Delete a cart item spells the key CartItemId, all others CartItemID.
    return _written(200, "CartItemId", number, "Deleted successfully", effect)


def _pattern(segments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    words = [*segments]
    words[1::2] = ("{OrderKey}", "{CartItemID}", *words[5::2])[: len(words[1::2])]
    return "/".join(words), segments[1::2]


def _account(call: Call) -> str:
    headers = call.headers
    return headers.get("authorization", "") or f"{headers.get('secureurl', '')} {headers.get('token', '')}"


def _refusal(shop: Shop, call: Call) -> Answer | None:
    headers, pinned = call.headers, shop.credentials
    given = {
        "secure_url": headers.get("secureurl"),
        "private_key": headers.get("privatekey"),
        "token": headers.get("token"),
    }
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer:
        allowed = pinned.get("token", bearer) == bearer
    else:
        allowed = all(value and pinned.get(name, value) == value for name, value in given.items())
    return None if allowed else _denied(shop, call)


def _denied(_shop: Shop, _call: Call) -> Answer:
    # S000 §Responses and Errors, 401: the combination is invalid, or the scope lacks the privileges.
    return said(401, [{"Key": "Error", "Value": "", "Status": "401", "Message": "Authentication failure"}])


def _missing(_call: Call) -> Answer:
    return _GONE


def _throttled(_call: Call) -> Answer:
    return said(429, [{"Key": "Error", "Value": "", "Status": "429", "Message": "Too many requests"}])


def _cart(_shop: Shop, call: Call) -> str:
    return call.keys[0] if call.keys else ""


def _as_printed(call: Call, answer: Answer) -> Answer:
    """S000 prints a trailing comma in every answer to a write; a cart as a bare object, with 201."""
    if call.route == "GET Cart/{OrderKey}" and answer.status == 200:
        return Answer(201, answer.body[1:-1])
    if answer.body.endswith(b'"}]'):
        return Answer(answer.status, answer.body[:-2] + b",\n  }\n]", answer.effect)
    return answer


THREEDCART = Platform(
    name="3dcart",
    hours=-5,
    door="3dCartWebAPI",
    versions=1,
    pattern=_pattern,
    routes={
        "POST Cart": _create,
        "GET Cart/{OrderKey}": _read,
        "PUT Cart/{OrderKey}": _update,
        "DELETE Cart/{OrderKey}": _delete,
        "POST Cart/{OrderKey}/Item": _item_add,
        "PUT Cart/{OrderKey}/Item/{CartItemID}": _item_update,
        "DELETE Cart/{OrderKey}/Item/{CartItemID}": _item_delete,
    },
    account=_account,
    refusal=_refusal,
    denied=_denied,
    missing=_missing,
    throttled=_throttled,
    cart=_cart,
    as_printed=_as_printed,
)
