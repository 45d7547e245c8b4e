"""Every spelling that the promises name is found, in any part of a text; what is found takes no other text with it."""

import base64
import html
import json
from collections.abc import Callable
from random import Random
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.accounts.redaction import compile_redactor, redact
from batchcart.accounts.response_redaction import redact_response
from batchcart.model.http import Response

SECRET = "Kb7+tok/EN=9.x_y-Z~q"


def partly(text: str, spell: Callable[[str], str]) -> str:
    rng = Random(7)
    return "".join(spell(char) if rng.random() < 0.4 else char for char in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "slashes as JSON": lambda text: text.replace("/", "\\/"),
    "JSON escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "some JSON escapes, upper case": lambda text: partly(text, lambda char: f"\\u{ord(char):04X}"),
    "JSON in JSON": lambda text: json.dumps("".join(f"\\u{ord(char):04x}" for char in text)).strip('"'),
    "percent": lambda text: quote(text, safe=""),
    "percent, all, lower case": lambda text: "".join(f"%{ord(char):02x}" for char in text),
    "percent, in part": lambda text: partly(text, lambda char: f"%{ord(char):02X}"),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "plus signs read as spaces": lambda text: text.replace("+", " "),
    "form": quote_plus,
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "hexadecimal entities, in part": lambda text: partly(text, lambda char: f"&#x{ord(char):X};"),
    "named entities": lambda text: text.replace("+", "&plus;").replace("/", "&sol;").replace("=", "&equals;"),
    "entities in JSON": lambda text: json.dumps(html.escape(partly(text, lambda char: f"&#{ord(char)};"))).strip('"'),
    "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 after one": lambda text: base64.b64encode(b"u" + text.encode()).decode(),
    "Base64 after two": lambda text: base64.b64encode(b"u:" + text.encode() + b"x").decode(),
    "URL-safe Base64": lambda text: base64.urlsafe_b64encode(b"user:" + text.encode() + b"?").decode(),
    "Base64 in JSON": lambda text: base64.b64encode(b"u:" + text.encode()).decode().replace("/", "\\/"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("size", [0, 70_000])
def test_a_secret_so_spelled_is_taken_out_and_its_neighbours_stay(spelling: str, size: int) -> None:
    spelled = SPELLINGS[spelling](SECRET)
    around = "é (%20) \\n " * (size // 11)
    cleaned = redact(f"{around} before {spelled} after {around}".encode("latin-1"), compile_redactor([SECRET])).decode(
        "latin-1"
    )

    assert spelled[4:-4] not in cleaned
    assert "*" in cleaned
    assert cleaned.startswith(f"{around} before ")
    assert cleaned.endswith(f" after {around}")


@given(
    st.lists(
        st.text("\\\\%&;#uU0xX2fF5/amp<Kb7+ \0", max_size=12)
        | st.tuples(st.sampled_from(list(SPELLINGS.values())), st.sampled_from(list(SPELLINGS.values()))).map(
            lambda spells: spells[1](spells[0](SECRET))
        ),
        max_size=3,
    )
)
def test_a_short_text_that_is_passed_over_at_a_glance_is_cleaned_like_a_part_of_a_long_one(parts: list[str]) -> None:
    text, blanks, find = "".join(parts).encode("latin-1"), b" " * (1 << 14), compile_redactor([SECRET])

    assert blanks + redact(text, find) == redact(blanks + text, find)


@pytest.mark.parametrize("spelling", ["JSON escapes", "percent twice", "entities in JSON", "slashes as JSON", "UTF-16"])
def test_a_secret_is_found_wherever_a_long_text_is_divided(spelling: str) -> None:
    spelled = SPELLINGS[spelling](SECRET).encode("latin-1")
    find = compile_redactor([SECRET])
    for before in range((1 << 14) - len(spelled) - 20, (1 << 14) + 10, 3):
        filling = (b"as it is " * 1000 + b"\\u0041%42&amp;\\/ " * 600)[:before].rstrip(b"\\u04%&amp;") + b" "
        cleaned = redact(filling + spelled + b" behind", find)

        assert cleaned.startswith(filling)
        assert cleaned.endswith(b" behind")
        assert 3 <= len(cleaned) - len(filling) - len(" behind") < len(spelled) / 2


def test_an_answer_full_of_secrets_loses_each_of_them() -> None:
    spelled = SPELLINGS["JSON escapes"](SECRET)

    assert redact(f"{spelled} ".encode() * 5000, compile_redactor([SECRET])) == b"*** " * 5000


@given(st.text("ab19+/=%u0\\né&#;x", max_size=60), st.sampled_from(["ab19+/=-ab", "u00e9abcd", "nabcdefg", "12345678"]))
def test_json_stays_json_whatever_stands_around_a_secret(text: str, secret: str) -> None:
    for body in (
        json.dumps([text + secret + text]),
        json.dumps({"a": [f"\n{secret}", f"é{secret[5:]}"], "b": 12345678}),
    ):
        json.loads(redact(body.encode(), compile_redactor([secret])))


def test_words_of_json_and_its_numbers_stay_what_they_are() -> None:
    body = b'{"a":true,"b":null,"c":-1.5e-12,"d":1234}'

    assert json.loads(redact(body, compile_redactor(["true", "null", "5e-12", "1234"]))) == {
        "a": True,
        "b": None,
        "c": -1.1e-11,
        "d": 1111,
    }


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://u:p@shop.example:8443/a?token=t", "https://shop.example:8443"),
        (f"https://{SECRET[:3]}.example/{SECRET}", f"https://{SECRET[:3]}.example"),
        ("//shop.example/x", "//shop.example"),
        ("/login?token=t", "/"),
        ("", ""),
        ("http://[::1:80/x", "//["),
    ],
)
def test_of_a_location_only_scheme_and_host_are_kept(location: str, shown: str) -> None:
    answer = redact_response(
        Response(302, SECRET.encode(), {"location": location, "retry-after": SECRET}), compile_redactor([SECRET])
    )

    assert answer == Response(302, b"***", {"location": shown, "retry-after": "***"})
