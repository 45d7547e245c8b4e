"""Owns what a shop is asked and what it answers, as plain data; it does not know sockets or platforms.

Numbers are kept as the text they were sent as, so that no quantity and no amount of money is rounded.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
WHOLE = re.compile(r"-?(0|[1-9]\d*)")

_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_FORM_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_FORM_PART = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a shop sees it.

    ``route`` is its pattern, as in ``PUT carts/{key}/lines/{id}``; ``keys`` are the values in it.
    Header names are lower case, ``url`` is the whole address as the client wrote it.
    """

    platform: str
    shop: str
    method: str
    url: str
    path: str
    route: str
    keys: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def document(self, form: str = "both") -> Any:
        """The body as JSON or PHP form data, numbers as text; None if it is neither, or not of that ``form``."""
        is_form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if form == ("json" if is_form else "form"):
            return None
        if is_form:
            return read_form(self.body.decode("utf-8", "replace"))
        try:
            return _JSON.decode(self.body.decode())
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call changed: ``verb`` on ``cart``, and where it was one item, which and how many of what."""

    verb: str
    cart: str
    item: str = ""
    subject: str = ""
    quantity: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop says, and what it did."""

    status: int
    body: bytes = b""
    effect: Effect | None = None
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, document: Any, effect: Effect | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, orjson.dumps(document), effect)


def read_form(text: str) -> dict[str, Any]:
    """PHP form data as nested objects: ``cart[variant_id]=54`` is ``{"cart": {"variant_id": "54"}}``."""
    document: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        match = _FORM_KEY.fullmatch(name)
        if match is None:
            continue
        parts = [match[1], *_FORM_PART.findall(match[2])]
        place = document
        for part in parts[:-1]:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[parts[-1] or str(len(place))] = value
    return document
