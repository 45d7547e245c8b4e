"""Owns the points that S000 and the pages around it leave open; it does not know how a shop answers."""

from batchcart.sandbox.platforms.threedcart import NAME
from batchcart.sandbox.reading import Reading

_POINTS = [
    (
        "get_status",
        "The HTTP status of a cart that is shown.",
        {"200": "as clients see it", "201": "as the table of S000 says"},
        "a4",
    ),
    ("create_status", "The HTTP status of what was made.", {"201": "as documented", "200": "plainly fine"}, "a4"),
    (
        "get_form",
        "How a cart that is shown is wrapped.",
        {"array": "in an array of one", "object": "not at all"},
        "a6",
    ),
    (
        "get_fields",
        "Which fields of a cart are shown.",
        {"all": "key, dates and CheckoutURL too", "documented": "only those S000 prints, so no items either"},
        "a7",
    ),
    (
        "items",
        "Whether a cart shows its items.",
        {"shown": "in CartItemList", "hidden": "there is no CartItemList", "null": "CartItemList is always null"},
        "a7",
    ),
    (
        "no_items",
        "How a cart without items shows that.",
        {"array": "an empty CartItemList", "null": "CartItemList is null", "absent": "there is no CartItemList"},
        "§1.5",
    ),
    (
        "options",
        "Whether an item shows its ItemOptions.",
        {"shown": "as they were given", "hidden": "never"},
        "§1.6",
    ),
    (
        "item_key",
        "How the key of an item is spelt.",
        {
            "documented": "CartItemId in the answer to a delete, CartItemID elsewhere",
            "CartItemID": "so everywhere",
            "CartItemId": "so everywhere",
        },
        "a8",
    ),
    (
        "answer_form",
        "How the answer to a write is wrapped.",
        {"array": "in an array of one", "object": "not at all"},
        "§1.3",
    ),
    ("status_form", "How Status is written.", {"text": '"201"', "number": "201"}, "a10"),
    ("value_form", "How the id of an item is written in Value.", {"text": '"123"', "number": "123"}, "a10"),
    (
        "numbers",
        "How ids and quantities are written in a cart that is shown.",
        {"numbers": "5", "texts": '"5"'},
        "a10",
    ),
    (
        "quantities",
        "How a whole quantity is written in a cart that is shown.",
        {"as_sent": "2", "decimal": "2.0"},
        "a11",
    ),
    (
        "delete_status",
        "The Status that the body of a deleted cart's answer tells.",
        {"201": "as the sample says", "200": "as the table says"},
        "a5",
    ),
    (
        "error_body",
        "What body an error has.",
        {
            "mixed": "an array, and none for a 404",
            "array": "always an array",
            "object": "always an object",
            "empty": "none",
            "html": "a web page",
        },
        "§1.3",
    ),
    (
        "missing_item",
        "The HTTP status of an update or delete of an item that is not there.",
        {"404": "not found", "400": "bad request"},
        "a13",
    ),
    (
        "missing_cart",
        "The HTTP status of an item for a cart that is not there.",
        {"404": "not found", "400": "bad request: the table of S000 has no 404 for it"},
        "a13",
    ),
    (
        "equal_items",
        "What an item becomes that is equal to one in the cart.",
        {"line": "an item of its own", "sum": "part of that item, whose quantity grows"},
        "§1.6",
    ),
    (
        "cart_update",
        "What an update does to fields it does not name.",
        {"merge": "it leaves them", "replace": "it empties them"},
        "§1.6",
    ),
    (
        "throttle",
        "How a request beyond the limit is answered.",
        {"429": "HTTP 429", "200": "HTTP 200 with Status 429", "503": "HTTP 503"},
        "§1.2",
    ),
]

READINGS = [Reading(NAME, *point) for point in _POINTS]
