"""Owns the routes of the load servers and what they answer, in the platforms' own words; it does not know sockets.

`{n}` stands for a number that is another one in each answer.
"""

import json
from dataclasses import dataclass

CART = "/3dCartWebAPI/v1/Cart"
TRAY = "/web_api/carts"
HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}
"""What a 3dcart shop wants to see."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON text."""

    status: int
    text: str


def _row(key: str, status: int, message: str) -> Answer:
    return Answer(status, json.dumps([{"Key": key, "Value": "{n}", "Status": str(status), "Message": message}]))


CREATED = _row("OrderKey", 201, "Created successfully")
ITEM_ADDED = _row("CartItemID", 201, "Created successfully")
CHANGED = _row("OrderKey", 200, "Updated successfully")
ITEM_CHANGED = _row("CartItemID", 200, "Updated successfully")
TRAY_CREATED = Answer(201, '{"message": "Created", "id": "{n}", "code": 201, "cart_url": "https://shop.example/{n}"}')


def answer_to(path: str) -> Answer:
    """What a request to the path is answered, whatever its method."""
    if path.startswith(TRAY):
        return TRAY_CREATED
    if path == CART:
        return CREATED
    if path.endswith("/Item"):
        return ITEM_ADDED
    answer = ITEM_CHANGED if "/Item/" in path else CHANGED
    return Answer(answer.status, answer.text.replace("{n}", path.rpartition("/")[2]))
