"""Owns the points that S004 and the pages around it leave open; it does not know how a shop answers."""

from batchcart.sandbox.platforms.shoplo import NAME
from batchcart.sandbox.reading import Reading

_POINTS = [
    (
        "error_form",
        "How an error looks.",
        {
            "err": '{"status": "err", "error": 404, "error_msg": "…"}',
            "error": "the same without status",
            "status_error": '{"status": "error", "code": 404, "message": "…"}',
            "errors": '{"errors": ["…"]}',
        },
        "§3.3",
    ),
    (
        "error_code",
        "How the code of an error is written.",
        {"number": "404", "text": '"404"', "words": "as words, without a number"},
        "§3.3",
    ),
    (
        "error_status",
        "The HTTP status of an error.",
        {"200": "always 200", "4xx": "that of its kind", "500": "always 500"},
        "§3.3",
    ),
    (
        "missing_code",
        "Which code says that a line is not there.",
        {"404": "404", "100": "another one, here 100"},
        "§3.6",
    ),
    (
        "missing_line",
        "How a read of a line that is not there is answered.",
        {"error": "as an error", "null_cart": '{"cart": null}', "null": "null"},
        "§3.3",
    ),
    (
        "delete_missing",
        "How a delete of what is not there is answered.",
        {"error": "as an error", "ok": "as if it had been there"},
        "§3.6",
    ),
    (
        "user_key_filter",
        "What the filter user_key does in a list.",
        {
            "honoured": "it leaves the lines of that user_key",
            "ignored": "nothing",
            "product": "it leaves the lines of the product with that id, as S004 has it",
        },
        "c2",
    ),
    (
        "count_filter",
        "What the filter user_key does in a count.",
        {"honoured": "it counts the lines of that user_key", "ignored": "nothing"},
        "c2",
    ),
    (
        "date_bounds",
        "Whether created_at_min and created_at_max count the moment itself.",
        {"inclusive": "they do", "exclusive": "they do not"},
        "c12",
    ),
    (
        "list_order",
        "In which order lines are listed.",
        {"oldest": "the oldest first", "newest": "the newest first"},
        "§3.5",
    ),
    (
        "nothing",
        "How a list without lines looks.",
        {"array": '{"carts": []}', "null": '{"carts": null}', "bare_null": "null", "empty": "a body without a byte"},
        "§3.3",
    ),
    (
        "page_limit",
        "How many lines a page may have.",
        {
            "any": "as many as limit asks for",
            "50": "at most 50",
            "ignored": "50 whatever limit says",
            "refused": "50, and a larger limit is an error",
        },
        "§3.5",
    ),
    (
        "past_end",
        "What a page behind the last one shows.",
        {"nothing": "no lines", "error": "an error", "last": "the last page once more"},
        "§3.5",
    ),
    ("fields", "What fields does.", {"honoured": "it leaves the named fields", "ignored": "nothing"}, "§3.5"),
    (
        "same_variant",
        "What another create of a variant does that the cart has.",
        {"line": "it makes a line of its own", "sum": "its line grows"},
        "§3.6",
    ),
    (
        "update_answer",
        "Which quantity the answer to an update shows.",
        {"fresh": "the new one", "stale": "the old one, as in the sample"},
        "c5",
    ),
    ("create_status", "The HTTP status of a create.", {"200": "as documented", "201": "created"}, "c7"),
    (
        "request_form",
        "Which bodies are understood.",
        {"both": "JSON and forms", "json": "JSON only", "form": "forms only"},
        "c8",
    ),
    ("numbers", "How numbers are written.", {"numbers": "54", "texts": '"54"'}, "§3.5"),
    (
        "discount_scope",
        "Where a discount without properties goes.",
        {"cart": "onto all lines of the cart", "line": "onto its line"},
        "c10",
    ),
    (
        "expiry",
        "What becomes of a line after its expire_at.",
        {"kept": "nothing", "gone": "it is not there any more"},
        "§3.5",
    ),
    (
        "throttle",
        "How a request beyond the limit is answered.",
        {"429": "HTTP 429", "200": "HTTP 200 with an error", "503": "HTTP 503"},
        "§3.2",
    ),
]

READINGS = [Reading(NAME, *point) for point in _POINTS]
