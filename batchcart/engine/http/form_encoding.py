"""Owns writing a request's JSON body as a PHP-style form (`cart[variant_id]=54`); it does not know platforms."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import msgspec
from msgspec.structs import replace

from batchcart.model.http import Request

_texts = msgspec.json.Decoder(float_hook=str)  # numbers keep the form they were written in


def encode_body(request: Request, encoding: str) -> Request:
    """The request with its Content-Type, and its body in ``encoding`` ("json" or "form")."""
    if not request.body:
        return request
    if encoding == "json":
        return replace(request, headers=(*request.headers, ("Content-Type", "application/json; charset=utf-8")))
    pairs = _pairs("", _texts.decode(request.body))
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
    headers = (*request.headers, ("Content-Type", "application/x-www-form-urlencoded"))
    return replace(request, body=body.encode(), headers=headers)


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each text inside ``value`` with its place, encoded; only the brackets that PHP reads stay as they are."""
    match value:
        case dict():
            for key, entry in value.items():
                yield from _pairs(f"{name}[{quote_plus(key)}]" if name else quote_plus(key), entry)
        case list():
            for index, entry in enumerate(value):
                yield from _pairs(f"{name}[{index}]", entry)
        case None:
            yield name, ""
        case bool():
            yield name, "1" if value else "0"
        case _:
            yield name, str(value)
