"""Owns how a simulated Tray shop says that something went well or wrong (S003); it does not know carts."""

from typing import Any

import orjson

from batchcart.sandbox.messages import Answer, Call, Effect, json_answer
from batchcart.sandbox.reading import Readings


def as_done(readings: Readings, document: Any, effect: Effect | None = None) -> Answer:
    """What went well, with the code in its body where it has one."""
    code = document.get("code", 200) if isinstance(document, dict) else 200
    status = code if readings["status"] == "documented" else int(readings["status"])
    return json_answer(status, _write_code(readings, document), effect)


def as_shown(readings: Readings, body: bytes) -> Answer:
    """A cart that is shown."""
    return Answer(201 if readings["status"] == "201" else 200, body)


def as_error(readings: Readings, call: Call, code: int, name: str, *causes: str, **more: Any) -> Answer:
    """An error with its causes, in one of the containers that clients have met."""
    document = {"code": code, "url": f"/{call.path}", "name": name, **more, "causes": _wrap(readings, causes)}
    return json_answer(code if readings["error_status"] == "http" else 200, _write_code(readings, document))


def as_unauthorized(readings: Readings, call: Call, error_code: int, cause: str) -> Answer:
    """A token that does not open the shop; the vendor's pages have two forms of it."""
    status = 401 if readings["error_status"] == "http" else 200
    if readings["unauthorized"] == "plain":
        plain = {"code": 401, "url": f"//{call.path}", "name": "Unauthorized", "message": "Unauthorized"}
        return json_answer(status, _write_code(readings, plain))
    document = {
        "code": 401,
        "url": f"//{call.path}",
        "name": "Unauthorized access",
        "error_code": error_code,
        "causes": _wrap(readings, (cause,)),
    }
    return json_answer(status, _write_code(readings, document))


def as_throttled(readings: Readings, call: Call) -> Answer:
    """A request too many; no document says how that looks."""
    document = {"code": 429, "url": f"/{call.path}", "name": "Too Many Requests", "causes": ["Too many requests"]}
    match readings["throttle"]:
        case "empty":
            return Answer(429)
        case "200":
            return json_answer(200, _write_code(readings, document))
        case "503":
            return json_answer(503, _write_code(readings, {**document, "code": 503, "name": "Service Unavailable"}))
        case _:
            return json_answer(429, _write_code(readings, document))


def _wrap(readings: Readings, causes: tuple[str, ...]) -> Any:
    objects = [{"field": cause.partition(" ")[0], "message": cause} for cause in causes]
    match readings["causes"]:
        case "none":
            return []
        case "fields":
            return {each["field"]: [each["message"]] for each in objects}
        case "objects":
            return objects
        case "object":
            return objects[0]
        case _:
            return list(causes)


def _write_code(readings: Readings, document: Any) -> Any:
    """The document with its code as the shop writes it."""
    if readings["code_form"] == "text" and isinstance(document, dict) and "code" in document:
        return {**document, "code": str(document["code"])}
    return document


NOTHING = {"array": orjson.dumps([]), "null": orjson.dumps(None)}
"""What a read of a cart that is not there shows, by the reading ``missing_cart``, where that is no error."""
