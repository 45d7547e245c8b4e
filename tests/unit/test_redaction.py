"""Secrets are found in whatever spelling they come back, and other text is left alone."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.accounts.redaction import compile_redactor, redact

ECHOES: list[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("/", "\\/"),
    lambda text: json.dumps(json.dumps(text)),
    lambda text: json.dumps(json.dumps(text).replace("/", "\\/")),
    quote,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower() if text.islower() else quote_plus(text),
    quote_plus,
    html.escape,
    lambda text: "".join(char if char.isalnum() else f"&#{ord(char)};" for char in text),
    lambda text: "".join(char if char.isalnum() else f"&#x{ord(char):X};" for char in text),
]
SECRETS = st.text("abcXYZ019+/=-_.&<>%", min_size=8, max_size=20).filter(
    lambda text: text.strip("+-.e0123456789") != ""
)


@given(SECRETS, st.sampled_from(ECHOES))
def test_a_secret_is_found_in_every_spelling(secret: str, echo: Callable[[str], str]) -> None:
    cleaned = redact(f"before {echo(secret)} after".encode(), compile_redactor([secret]))

    assert secret.encode() not in cleaned
    assert echo(secret).strip('"').encode() not in cleaned
    assert cleaned.startswith(b"before ")
    assert cleaned.endswith(b" after")


@given(SECRETS, st.text(max_size=20))
def test_json_with_a_secret_in_it_stays_json(secret: str, around: str) -> None:
    text = json.dumps({"a": around + secret + around, "b": [1, secret]}).encode()

    assert json.loads(redact(text, compile_redactor([secret])))["b"] == [1, "***"]


def test_a_secret_of_digits_leaves_a_number_where_it_stood() -> None:
    cleaned = redact(b'{"a":12345678,"b":"12345678"}', compile_redactor(["12345678"]))

    assert json.loads(cleaned) == {"a": 11111111, "b": "11111111"}


@pytest.mark.parametrize(
    ("secret", "text", "cleaned"),
    [
        ("abcd", b"token abcd, abcde, xabcd, ab-abcd", b"token ***, abcde, xabcd, ab-abcd"),
        ("abc", b"abc", b"abc"),
        ("", b"abc", b"abc"),
        ("longsecret", b"xlongsecretx", b"x***x"),
    ],
)
def test_short_secrets_do_not_cut_words_to_pieces(secret: str, text: bytes, cleaned: bytes) -> None:
    assert redact(text, compile_redactor([secret])) == cleaned


def test_a_secret_inside_another_leaves_nothing_of_the_longer_one() -> None:
    assert redact(b"secret-one-and-two", compile_redactor(["secret-one", "secret-one-and-two"])) == b"***"


def test_without_secrets_text_stays_as_it_is() -> None:
    assert compile_redactor([]) is None
    assert redact(b"text", None) == b"text"
