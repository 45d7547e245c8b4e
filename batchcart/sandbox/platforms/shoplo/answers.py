"""Owns in which forms a simulated Shoplo shop answers (S004); it does not know what it holds."""

from collections.abc import Sequence
from typing import Any

from batchcart.sandbox.messages import Answer, Effect, json_answer
from batchcart.sandbox.reading import Readings
from batchcart.sandbox.shop import Document

UNAUTHORIZED, THROTTLED, MISSING = 202, 429, 404
_OF_KIND = {UNAUTHORIZED: 401, THROTTLED: 429, MISSING: 404}
_TEXTS = ("user_key", "sku", "created_at", "expire_at")


def as_error(readings: Readings, code: int, message: str) -> Answer:
    """An error of any kind, which S004 shows nowhere."""
    match readings["error_status"]:
        case "4xx":
            status = _OF_KIND.get(code, 400)
        case "500":
            status = 500
        case _:
            status = 200
    told = int(readings["missing_code"]) if code == MISSING else code
    return json_answer(status, _error(readings, told, message))


def _error(readings: Readings, code: int, message: str) -> Document:
    coded = {"number": code, "text": str(code), "words": message}[readings["error_code"]]
    match readings["error_form"]:
        case "error":
            return {"error": coded, "error_msg": message}
        case "status_error":
            return {"status": "error", "code": coded, "message": message}
        case "errors":
            return {"errors": [message]}
        case _:
            return {"status": "err", "error": coded, "error_msg": message}


def as_throttled(readings: Readings) -> Answer:
    """A request too many; no document says how that looks."""
    return json_answer(int(readings["throttle"]), _error(readings, THROTTLED, "Too many requests"))


def as_line(readings: Readings, line: Document, effect: Effect | None = None, *, fields: str = "") -> Answer:
    """One line; a create may answer with another status."""
    status = int(readings["create_status"]) if effect and effect.verb in {"create", "add"} else 200
    return json_answer(status, {"cart": show_line(readings, line, fields)}, effect)


def as_no_line(readings: Readings) -> Answer:
    """What a read of a line that is not there is answered."""
    match readings["missing_line"]:
        case "null_cart":
            return json_answer(200, {"cart": None})
        case "null":
            return json_answer(200, None)
        case _:
            return as_error(readings, MISSING, "Not found")


def as_list(readings: Readings, lines: Sequence[Document], fields: str) -> Answer:
    """A page of a list."""
    if lines:
        return json_answer(200, {"carts": [show_line(readings, line, fields) for line in lines]})
    nothing = {"array": b'{"carts":[]}', "null": b'{"carts":null}', "bare_null": b"null", "empty": b""}
    return Answer(200, nothing[readings["nothing"]])


def as_count(readings: Readings, count: int) -> Answer:
    """A count."""
    return json_answer(200, {"count": _number(readings, count)})


def show_line(readings: Readings, line: Document, fields: str = "") -> Document:
    """A line as it is shown; no view shows its discount."""
    chosen = {name for name in fields.split(",") if name} if readings["fields"] == "honoured" else set()
    return {
        name: value if name in _TEXTS else _number(readings, value)
        for name, value in line.items()
        if name != "discount" and (not chosen or name in chosen)
    }


def _number(readings: Readings, value: Any) -> Any:
    return str(value) if readings["numbers"] == "texts" else value


OK = {"status": "ok"}
"""The answer to a delete or a discount, as S004 prints it."""
