"""Owns the forms in which a simulated 3dcart shop says something (S000); it does not know how a cart changes."""

from typing import Any

import orjson

from batchcart.sandbox.messages import WHOLE, Answer, Effect, json_answer
from batchcart.sandbox.reading import Readings
from batchcart.sandbox.shop import Document

# S000 §Retrieve a cart: the fields of a cart, as printed.
_ADDRESS = ("FirstName", "LastName", "Company", "Address", "Address2", "City", "State", "ZipCode", "Country")
CART_FIELDS = (
    *(f"Billing{name}" for name in (*_ADDRESS, "PhoneNumber", "Email")),
    *(f"Shipment{name}" for name in (*_ADDRESS, "Phone", "Email")),
)
OPTION_NUMBERS = ("OptionSetID", "OptionID")
_HTML = b"<html><head><title>Error</title></head><body>An error has occurred (simulated).</body></html>\n"


def as_written(readings: Readings, status: int, key: str, value: str, message: str, effect: Effect) -> Answer:
    """S000: what a write answers, an array of one object whose values are texts."""
    shown = readings["delete_status"] if effect.verb == "delete" else str(status)
    if key == "CartItemID":
        key = _item_key(readings, deleted=effect.verb == "item-delete")
    row = {
        "Key": key,
        "Value": orjson.Fragment(value) if key != "OrderKey" and readings["value_form"] == "number" else value,
        "Status": _status(readings, shown),
        "Message": message,
    }
    sent = int(readings["create_status"]) if status == 201 else status
    return json_answer(sent, [row] if readings["answer_form"] == "array" else row, effect)


def _item_key(readings: Readings, *, deleted: bool = False) -> str:
    """S000 §Delete a cart item spells the key CartItemId, all others CartItemID."""
    usual = "CartItemId" if deleted else "CartItemID"
    return usual if readings["item_key"] == "documented" else readings["item_key"]


def _status(readings: Readings, status: str) -> Any:
    return orjson.Fragment(status) if readings["status_form"] == "number" else status


def as_error(readings: Readings, status: int, key: str, message: str) -> Answer:
    """An error in its form."""
    row = {"Key": key, "Value": "", "Status": _status(readings, str(status)), "Message": message}
    match readings["error_body"]:
        case "object":
            return json_answer(status, row)
        case "html":
            return Answer(status, _HTML, content_type="text/html")
        case "array":
            return json_answer(status, [row])
        case "mixed" if status != 404:
            return json_answer(status, [row])
        case _:
            return Answer(status)


def as_throttled(readings: Readings) -> Answer:
    """A request too many; no document says how that looks."""
    match readings["throttle"]:
        case "200":
            row = {"Key": "Error", "Value": "", "Status": _status(readings, "429"), "Message": "Too many requests"}
            return json_answer(200, [row])
        case "503":
            return as_error(readings, 503, "Error", "Service unavailable")
        case _:
            return as_error(readings, 429, "Error", "Too many requests")


def as_cart(readings: Readings, shop: str, key: str, cart: Document) -> Answer:
    """A cart that is shown: all fields that clients know of, or those of S000 only."""
    fields = cart["fields"]
    address = {
        "CustomerId": _number(readings, fields.get("CustomerId", "0")),
        **{name: fields.get(name, "") for name in CART_FIELDS},
    }
    own = {
        "OrderKey": key,
        "OrderDate": cart["created"],
        "LastUpdate": cart["updated"],
        "CheckoutURL": f"https://{shop or 'sandbox'}.3dcartstores.com/checkout.asp?orderkey={key}",
    }
    shown = address if readings["get_fields"] == "documented" else {**own, **address, **_item_list(readings, cart)}
    return json_answer(int(readings["get_status"]), [shown] if readings["get_form"] == "array" else shown)


def _item_list(readings: Readings, cart: Document) -> Document:
    shown: list[Document] = [_item(readings, number, item) for number, item in cart["items"].items()]
    form = readings["items"] if readings["items"] != "shown" or shown else readings["no_items"]
    match form:
        case "hidden" | "absent":
            return {}
        case "null":
            return {"CartItemList": None}
        case _:
            return {"CartItemList": shown}


def _item(readings: Readings, number: str, item: Document) -> Document:
    quantity = item["ItemQuantity"]
    if readings["quantities"] == "decimal" and WHOLE.fullmatch(quantity):
        quantity += ".0"
    shown = {
        "CatalogID": _number(readings, item["CatalogID"]),
        _item_key(readings): _number(readings, number),
        "ItemID": f"SKU-{item['CatalogID']}",
        "ItemQuantity": _number(readings, quantity),
        "ItemDescription": f"Product {item['CatalogID']}",
        "ItemUnitPrice": 10.0,
        "ItemOptionPrice": 0.0,
    }
    if "ItemOptions" in item and readings["options"] == "shown":
        shown["ItemOptions"] = [
            {name: _number(readings, value) if name in OPTION_NUMBERS else value for name, value in option.items()}
            for option in item["ItemOptions"]
        ]
    return shown


def _number(readings: Readings, text: str) -> Any:
    """A number with the very digits that the client sent."""
    return text if readings["numbers"] == "texts" else orjson.Fragment(text)
