"""Owns the points that S003 and the pages around it leave open; it does not know how a shop answers."""

from batchcart.sandbox.platforms.tray import NAME
from batchcart.sandbox.reading import Reading

_POINTS = [
    (
        "cart_id",
        "What cart_id means at each product of the complete view.",
        {"line": "the line's own id", "cart": "the id of the cart, which all its lines share"},
        "b15",
    ),
    (
        "create_id",
        "What id means in the answer to a create.",
        {"line": "the line's own id", "cart": "the id of the cart"},
        "b15",
    ),
    (
        "get_form",
        "How the lines of a cart are shown.",
        {
            "array": "each as a Cart in an array",
            "object": "a single line as a bare Cart, several in an array",
            "joined": "one Cart after the other, with commas between",
            "nested": "as an array inside one Cart",
        },
        "b1",
    ),
    (
        "line_order",
        "In which order a cart shows its lines.",
        {"oldest": "the oldest first", "newest": "the newest first"},
        "§2.4",
    ),
    (
        "same_product",
        "What another create of a product does that is in the cart.",
        {
            "sum": "its line grows",
            "line": "it makes a line of its own",
            "replace": "its line takes the new quantity",
        },
        "§2.7",
    ),
    (
        "same_line",
        "What makes two creates of a cart name the same line.",
        {"variant": "product and variant", "information": "product, variant and additional_information"},
        "§2.5",
    ),
    (
        "no_variant",
        "How a line without variant shows that.",
        {"0": '"0"', "empty": '""', "null": "null"},
        "b14",
    ),
    (
        "no_information",
        "How a line without additional_information shows that.",
        {"empty": '""', "null": "null"},
        "§2.4",
    ),
    ("numbers", "How numbers are written.", {"texts": '"4"', "numbers": "4"}, "b8"),
    ("code_form", "How the code in a body is written.", {"number": "201", "text": '"201"'}, "§2.3"),
    ("empty_object", "What stands for an empty object.", {"array": "[]", "object": "{}", "null": "null"}, "b17"),
    (
        "status",
        "The HTTP status of what went well.",
        {"documented": "that of the code in the body, 200 for reads", "200": "always 200", "201": "always 201"},
        "b11",
    ),
    (
        "update_route",
        "Where an update names its cart.",
        {"both": "in the path or in the body", "path": "in the path only", "body": "in the body only"},
        "b3",
    ),
    (
        "update_lines",
        "What an update does to the lines of its cart.",
        {"keep": "nothing", "drop": "it removes them"},
        "§2.5",
    ),
    (
        "price",
        "What becomes of a price given with a product.",
        {"taken": "it holds", "ignored": "the shop's holds"},
        "§2.4",
    ),
    (
        "missing_cart",
        "How a read of a cart that is not there is answered.",
        {"404": "as an error", "array": "by an empty array", "null": "by null"},
        "§2.3",
    ),
    (
        "delete_missing",
        "How a delete of a cart that is not there is answered.",
        {"404": "as an error", "ok": "as if it had been there"},
        "§2.7",
    ),
    (
        "error_status",
        "The HTTP status of an error.",
        {"http": "that of the code in the body", "200": "always 200"},
        "§2.3",
    ),
    (
        "causes",
        "How an error tells its causes.",
        {
            "list": "as a list of texts",
            "none": "as an empty list",
            "fields": "as an object of lists by field",
            "objects": "as a list of objects with field and message",
            "object": "as one such object",
        },
        "§2.3",
    ),
    (
        "unauthorized",
        "How a token that does not open the shop is answered.",
        {"coded": "with an error_code", "plain": "with a message only"},
        "§2.3",
    ),
    (
        "request_form",
        "Which bodies are understood.",
        {"both": "JSON and forms", "json": "JSON only", "form": "forms only"},
        "b2",
    ),
    (
        "write_slash",
        "Whether POST and PUT need the slash after carts.",
        {"any": "no", "needed": "yes: without it there is nothing"},
        "b10",
    ),
    (
        "throttle",
        "How a request beyond the limit is answered.",
        {
            "429": "HTTP 429 with a body",
            "empty": "HTTP 429 without one",
            "200": "HTTP 200 with code 429",
            "503": "HTTP 503",
        },
        "§2.2",
    ),
]

READINGS = [Reading(NAME, *point) for point in _POINTS]
