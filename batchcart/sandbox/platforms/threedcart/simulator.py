"""Owns how a simulated 3dcart shop answers (S000); it does not know sockets, limits or faults.

Where S000 is silent or contradicts itself, the shop's readings decide.
"""

import hashlib
from decimal import Decimal
from typing import Any

from batchcart.model.limits import Bucket
from batchcart.sandbox.messages import NUMBER, WHOLE, Answer, Call, Effect
from batchcart.sandbox.platforms.threedcart import NAME
from batchcart.sandbox.platforms.threedcart.views import (
    CART_FIELDS,
    OPTION_NUMBERS,
    as_cart,
    as_error,
    as_throttled,
    as_written,
)
from batchcart.sandbox.shop import Document, Platform, Shop


def _bad(shop: Shop, field: str, message: str) -> Answer:
    return as_error(shop.readings, 400, field, message)


def _gone_answer(shop: Shop) -> Answer:
    return as_error(shop.readings, 404, "Error", "Not found")


def _missing_item(shop: Shop, point: str) -> Answer:
    """What there is to say of an item, or of a cart for one, that is not there."""
    return (
        _gone_answer(shop) if shop.readings[point] == "404" else _bad(shop, "CartItem", "The Cart/Item does not exist")
    )


def _cart_fields(shop: Shop, call: Call) -> Document | Answer:
    document = call.document()
    if not isinstance(document, dict):
        return _bad(shop, "Cart", "The body is not a JSON object")
    if not WHOLE.fullmatch(str(document.get("CustomerId", 0))):
        return _bad(shop, "CustomerId", "CustomerId is not a whole number")
    wrong = [name for name in CART_FIELDS if not isinstance(document.get(name, ""), str | None)]
    if wrong:
        return _bad(shop, wrong[0], f"{wrong[0]} is not text")
    return {name: document[name] for name in ("CustomerId", *CART_FIELDS) if name in document}


def _create(shop: Shop, call: Call) -> Answer:
    fields = _cart_fields(shop, call)
    if isinstance(fields, Answer):
        return fields
    number = shop.new_id()
    scattered = hashlib.blake2b(f"{shop.name} {number}".encode(), digest_size=4).hexdigest()
    key = f"{int(number):08X}{scattered[:7]}"  # 15 letters and digits, as 6F027F81ggx48to in S000
    now = f"{shop.wall():%Y-%m-%dT%H:%M:%S}"
    shop.carts[key] = {"fields": fields, "created": now, "updated": now, "items": {}}
    return as_written(shop.readings, 201, "OrderKey", key, "Created successfully", Effect("create", key))


def _read(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    cart = shop.carts.get(key)
    return _gone_answer(shop) if cart is None else as_cart(shop.readings, shop.name, key, cart)


def _update(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if key not in shop.carts:
        return _gone_answer(shop)
    fields = _cart_fields(shop, call)
    if isinstance(fields, Answer):
        return fields
    kept = {} if shop.readings["cart_update"] == "replace" else shop.carts[key]["fields"]
    shop.carts[key]["fields"] = {**kept, **fields}
    shop.carts[key]["updated"] = f"{shop.wall():%Y-%m-%dT%H:%M:%S}"
    return as_written(shop.readings, 200, "OrderKey", key, "Updated successfully", Effect("update", key))


def _delete(shop: Shop, call: Call) -> Answer:
    key = call.keys[0]
    if shop.carts.pop(key, None) is None:
        return _gone_answer(shop)
    return as_written(shop.readings, 200, "OrderKey", key, "Deleted successfully", Effect("delete", key))


def _item_problem(shop: Shop, document: Any) -> Answer | None:
    if not isinstance(document, dict):
        return _bad(shop, "CartItem", "The body is not a JSON object")
    if not NUMBER.fullmatch(str(document.get("ItemQuantity"))):
        return _bad(shop, "ItemQuantity", "ItemQuantity is not a number")
    return None


def _options_problem(shop: Shop, options: Any) -> Answer | None:
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        return _bad(shop, "ItemOptions", "ItemOptions is not a list of objects")
    for option in options:
        for name in OPTION_NUMBERS:
            if not WHOLE.fullmatch(str(option.get(name, 0))):
                return _bad(shop, name, f"{name} is not a whole number")
    return None


def _item_add(shop: Shop, call: Call) -> Answer:
    cart = shop.carts.get(call.keys[0])
    if cart is None:
        return _missing_item(shop, "missing_cart")
    document = call.document()
    if problem := _item_problem(shop, document):
        return problem
    if not WHOLE.fullmatch(str(document.get("CatalogID"))):
        return _bad(shop, "CatalogID", "CatalogID is not a whole number")
    item = {name: str(document[name]) for name in ("CatalogID", "ItemQuantity")}
    if "ItemOptions" in document:
        if problem := _options_problem(shop, document["ItemOptions"]):
            return problem
        item["ItemOptions"] = document["ItemOptions"]
    number = _put_in(shop, cart, item)
    effect = Effect("add", call.keys[0], number, item["CatalogID"], item["ItemQuantity"])
    return as_written(shop.readings, 201, "CartItemID", number, "Created successfully", effect)


def _put_in(shop: Shop, cart: Document, item: Document) -> str:
    """The id of the item, now that it is in the cart."""
    if shop.readings["equal_items"] == "sum":
        for number, other in cart["items"].items():
            if {**other, "ItemQuantity": ""} == {**item, "ItemQuantity": ""}:
                total = Decimal(other["ItemQuantity"]) + Decimal(item["ItemQuantity"])
                other["ItemQuantity"] = f"{total:f}"
                return str(number)
    number = shop.new_id()
    cart["items"][number] = item
    return number


def _item_update(shop: Shop, call: Call) -> Answer:
    key, number = call.keys
    item = shop.carts.get(key, {}).get("items", {}).get(number)
    if item is None:
        return _missing_item(shop, "missing_item")
    document = call.document()
    if problem := _item_problem(shop, document):
        return problem
    item["ItemQuantity"] = str(document["ItemQuantity"])
    effect = Effect("item-update", key, number, item["CatalogID"], item["ItemQuantity"])
    return as_written(shop.readings, 200, "CartItemID", number, "Updated successfully", effect)


def _item_delete(shop: Shop, call: Call) -> Answer:
    key, number = call.keys
    item = shop.carts.get(key, {}).get("items", {}).pop(number, None)
    if item is None:
        return _missing_item(shop, "missing_item")
    effect = Effect("item-delete", key, number, item["CatalogID"])
    return as_written(shop.readings, 200, "CartItemID", number, "Deleted successfully", effect)


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
    return None if allowed else _denied_answer(shop, call)


def _denied_answer(shop: Shop, _call: Call) -> Answer:
    # S000 §Responses and Errors, 401: the combination is invalid, or the scope lacks the privileges.
    return as_error(shop.readings, 401, "Error", "Authentication failure")


def _missing(shop: Shop, _call: Call) -> Answer:
    return _gone_answer(shop)


def _throttle_answer(shop: Shop, _call: Call) -> Answer:
    return as_throttled(shop.readings)


def _cart(_shop: Shop, call: Call) -> str:
    return call.keys[0] if call.keys else ""


def _print_as_documented(call: Call, answer: Answer) -> Answer:
    """S000 prints a trailing comma in every answer to a write; a cart as a bare object, with 201."""
    if call.route == "GET Cart/{OrderKey}" and answer.status < 300:
        return Answer(201, answer.body.removeprefix(b"[").removesuffix(b"]"))
    if answer.body.endswith(b'"}]'):
        return Answer(answer.status, answer.body[:-2] + b",\n  }\n]", answer.effect)
    return answer


PLATFORM = Platform(
    name=NAME,
    limits=(Bucket(50, 2.0),),
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
    denied=_denied_answer,
    missing=_missing,
    throttled=_throttle_answer,
    cart=_cart,
    as_printed=_print_as_documented,
)
