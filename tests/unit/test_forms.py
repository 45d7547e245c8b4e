"""PHP-style forms say what the JSON said."""

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from examples import divide_examples
from hypothesis import given
from hypothesis import strategies as st

from batchcart.engine.http.form_encoding import encode_body
from batchcart.model.http import Request


def form(body: bytes) -> str:
    return encode_body(Request("POST", "/x", body=body), "form").body.decode()


def test_a_request_without_body_stays_as_it_is() -> None:
    request = Request("GET", "/x")

    assert encode_body(request, "form") is request
    assert encode_body(request, "json") is request


def test_json_goes_out_as_it_is_with_its_type() -> None:
    request = encode_body(Request("POST", "/x", body=b'{"a": 1}', headers=(("B", "c"),)), "json")

    assert request.body == b'{"a": 1}'
    assert request.headers == (("B", "c"), ("Content-Type", "application/json; charset=utf-8"))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"cart":{"variant_id":54,"quantity":2}}', "cart[variant_id]=54&cart[quantity]=2"),
        (b'{"cart":{"price":1.10,"big":123456789012345678901}}', "cart[price]=1.10&cart[big]=123456789012345678901"),
        (b'{"a":[{"b":1},{"b":2}]}', "a[0][b]=1&a[1][b]=2"),
        (b'{"a":true,"b":false,"c":null,"d":""}', "a=1&b=0&c=&d="),
        (b'{"a b":"x y&z=\xc3\xa9"}', "a+b=x+y%26z%3D%C3%A9"),
        (b'{"a":{"b]c[d":1}}', "a[b%5Dc%5Bd]=1"),
    ],
)
def test_each_place_in_the_json_becomes_a_name(body: bytes, text: str) -> None:
    assert form(body) == text


LEAVES = st.text(max_size=5) | st.integers().map(str)
KEYS = st.text(min_size=1, max_size=4)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=8,
)


def flat(value: Any, *path: str) -> dict[tuple[str, ...], str]:
    match value:
        case dict():
            return {place: text for key, entry in value.items() for place, text in flat(entry, *path, key).items()}
        case list():
            return {p: text for index, entry in enumerate(value) for p, text in flat(entry, *path, str(index)).items()}
        case _:
            return {path: value}


@pytest.mark.parametrize("part", [2, pytest.param(1, marks=pytest.mark.long)], ids=["half", "whole"])
def test_every_text_can_be_read_back_at_its_place(part: int) -> None:
    divide_examples(part)(given(st.dictionaries(KEYS, TREES, min_size=1, max_size=3))(read_back))()


def read_back(tree: dict[str, Any]) -> None:
    body = form(msgspec.json.encode(tree))
    read = {}
    for pair in body.split("&"):
        name, _, value = pair.partition("=")
        parts = re.findall(r"\[([^][]*)\]|^([^][]*)", name)
        place = tuple(parse_qsl(f"x={inside or first}", keep_blank_values=True)[0][1] for inside, first in parts)
        read[place] = parse_qsl(f"x={value}", keep_blank_values=True)[0][1]

    assert read == flat(tree)
