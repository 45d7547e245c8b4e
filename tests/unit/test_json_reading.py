"""Reading a shop's JSON: what is forgiven, and what never raises."""

import json
from collections.abc import Callable
from decimal import Decimal

import msgspec
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchcart.model.http import Response
from batchcart.model.json_text import DEEPEST, Unreadable, exact, in_pieces
from batchcart.platforms.toolkit import cart_lines, money
from batchcart.platforms.toolkit.lenient_json import (
    decode,
    json_text,
    object_of,
    readable,
    text_of,
    value_of,
    whole_of,
    why_unreadable,
)

KIB = 1 << 10


def read_by_everybody(text: bytes) -> None:
    """Every reader of JSON that people use on results takes the text."""
    json.loads(text)
    orjson.loads(text)
    msgspec.json.decode(text)
    msgspec.json.decode(text, type=msgspec.Raw)


# ---- what is forgiven


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a": [1, 2,], "b": {"c": 3,},}', {"a": [1, 2], "b": {"c": 3}}),
        ('[{"Key": "OrderKey",}\n,\n]', [{"Key": "OrderKey"}]),
        ('{"a": true\n "b": null\n "c": 1.50\r\n "d": {}\n "e": []\n\t"f": "x"}', None),
        ('{"a": "2" // one, {two} "three"\n "b": 1} // end', {"a": "2", "b": 1}),
        ('// head\n{"a": "http://x//y"}', {"a": "http://x//y"}),
        ('{"a": 1},\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        ('{"a": 1, // x\n}', {"a": 1}),
        ('{"a": ",}", "b": "//", "c": "\\",]"\n "d": 1,}', {"a": ",}", "b": "//", "c": '",]', "d": 1}),
    ],
)
def test_exactly_what_the_documents_do_is_forgiven(body: str, value: object) -> None:
    expected = value or {"a": True, "b": None, "c": Decimal("1.50"), "d": {}, "e": [], "f": "x"}
    assert decode(body.encode()) == expected
    read_by_everybody(json_text(body.encode()))
    assert b"\n" not in json_text(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        "[,]", "{,}", "[1,,2]", "[1,,]", '{"a":1,,"b":2}', ",", ",{}", "{},", '{"a":1},', "{},{}," , "{} {}", "{}{}",
        "{}\n{}", "[1],[2]", "{},[1]", "{},1,{}", '["a"\n"b"]', "[1\n2]", '{"a"\n"b"}', '{"a":\n}', '{"a":1\n b:2}',
        '{"a":1 "b":2}', '{"a":1;"b":2}', "{'a':1}", "{a:1}", '{"a":1}/* x */', "# x\n{}", "{1:2}", "{1e400:2}",
        '{"a":1]', "[1}", "[", "]", '{"a"', '{"a":', '{"a":"', '{"a":"x\\', '"\\x41"', '{"a":"\\u12"}', '"\\ud83"',
        "[NaN]", "[Infinity]", "[-Infinity]", "[01]", "[1.]", "[.5]", "[+1]", "[1e]", "[0x10]", "[1_000]", "[1e400a]",
        "[--1]", "[tru]", "[True]", "[nul]", '["a\tb"]', '["a\nb"]', '["a\x00b"]', '{"a":1}\x00', "{} garbage",
        "<html>", "", " ", "//", "callback({})", ")]}',\n{}", "<br/>{}", "{}<!-- x -->", "\u00a0{}",
        "[1,\x0c2]", "[\u2028]", '{"a":1}//\n,', "[1]]", "[[1]", "1 2", "1, 2", '"a""b"',
    ],
)  # fmt: skip
def test_nothing_that_could_change_a_meaning_is_forgiven(body: str) -> None:
    with pytest.raises(Unreadable):
        decode(body.encode())
    assert value_of(body.encode()) is None
    assert not readable(body.encode())


# ---- numbers

_HUGE = ["1e400", "-1e400", "1e99999999999999999999", "-1E+99999999999999999999", "1" * 309, "-" + "1" * 10_000]
_HUGE += ["1" * 400 + ".5", "1e-400", "-0.1e-99999999999999999999", "9.9e308", "1" * 100_000]
_FIT = [
    "0",
    "-0",
    "-0.0",
    "0e999999999999",
    "0.000e-400",
    "1e308",
    "1.7976931348623157e308",
    "5e-324",
    "1E5",
    "1" * 308,
]
_FIT += ["0." + "1" * 10_000, "1e+0000000000000000000000005", "123456789012345678901234567890", "0.1", "1e-300"]


@pytest.mark.parametrize("number", _HUGE, ids=lambda number: number[:30])
def test_a_number_outside_a_doubles_range_is_read_as_its_text(number: str) -> None:
    for body in (f'{{"count":{number}}}', f'{{"count": {number},}}'):
        assert decode(body.encode()) == {"count": number}
        assert json_text(body.encode()) == f'{{"count":"{number}"}}'.encode()
        read_by_everybody(json_text(body.encode()))


@pytest.mark.parametrize("number", _FIT, ids=lambda number: number[:30])
def test_every_other_number_stays_as_it_was_written(number: str) -> None:
    body = f'{{"count":{number}}}'.encode()
    assert Decimal(str(decode(body)["count"])) == Decimal(number)
    assert json_text(body) == body
    read_by_everybody(json_text(body))


@pytest.mark.parametrize("number", [*_HUGE, *_FIT], ids=lambda number: number[:30])
@pytest.mark.parametrize("quoted", [False, True], ids=["number", "text"])
def test_no_number_makes_ids_codes_quantities_or_prices_raise(number: str, *, quoted: bool) -> None:
    body = f'{{"n":"{number}"}}' if quoted else f'{{"n":{number}}}'
    found = object_of(body.encode())["n"]
    assert isinstance(text_of(found), str)
    assert 0 <= whole_of(found) < 10**9
    quantity = cart_lines.amount(found)
    line = cart_lines.Line("7", quantity)
    assert cart_lines.increase(line, line).product == "7"
    cart_lines.compare({"1": line}, {"1": line, "2": line}, line)
    assert cart_lines.read_lines(cart_lines.remember_all({"1": line}, {})) is not None  # type: ignore[arg-type]
    assert isinstance(cart_lines.number(found), str)
    for currency in ("PLN", "CLP", "CLF", None):
        assert (money.amount(found, currency) or "0").lstrip("-")[0].isdigit()
    assert (money.from_minor(found, "PLN") or "0").lstrip("-")[0].isdigit()


def test_what_is_nothing_has_no_sign() -> None:
    assert money.amount(Decimal("-0.0")) == "0"
    assert money.from_minor("-0", "PLN") == "0.00"


# ---- depth


@pytest.mark.parametrize("unit", ["[", '{"a":', '[{"a":', "[[],"], ids=["arrays", "objects", "both", "wide"])
@pytest.mark.parametrize("levels", [100, 900, 5_000, 100_000])
def test_deep_nesting_is_unreadable_and_never_a_recursion_error(unit: str, levels: int) -> None:
    closing = "".join({"[": "]", "{": "}"}.get(mark, "") for mark in reversed(unit.replace("[],", "")))
    whole = unit * levels + "1" + closing * levels
    for body in (whole, unit * levels, whole + ",", f'{{"a":1,"deep":{whole},}}'):
        with pytest.raises(Unreadable):
            decode(body.encode())


def test_the_depth_that_is_read_does_not_hang_on_who_asks() -> None:
    fits, too_deep = (b"[" * levels + b"]" * levels for levels in (DEEPEST, DEEPEST + 1))

    def asked(frames: int) -> list[bool]:
        return [readable(fits), readable(too_deep)] if frames == 0 else asked(frames - 1)

    assert asked(0) == asked(500) == [True, False]
    assert readable(b"[" + fits[1:-1] + b",]")


# ---- strings and encodings


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"Za\ud83d", "Za�"),
        (r"\ude00", "�"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d\ud83d\ude00", "�😀"),
        (r"\ud83d\ude00\ude00", "😀�"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\�"),
        (r"\\\ud83d\ude00", "\\😀"),
        (r"\n\ud83d\n", "\n�\n"),
        (r"\uD83D\uDE00\uDBFFx\u00e9", "😀�xé"),
        (r"\ud83d\u0041", "�A"),
        (r"\ud83d\\ude00", r"�\ude00"),
        (r"\ud83dude00", "�ude00"),
    ],
)
@pytest.mark.parametrize("padding", [0, 300 * KIB], ids=["small", "large"])
def test_half_a_surrogate_pair_is_read_as_the_replacement_character(written: str, read: str, padding: int) -> None:
    body = f'{{"name": "{written}", "pad": "{"x" * padding}"}}'.encode()
    assert decode(body)["name"] == read
    read_by_everybody(json_text(body))
    assert json.loads(json_text(body))["name"] == read


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("padding", [0, 300 * KIB], ids=["small", "large"])
def test_unicode_is_read_in_each_of_its_encodings(encoding: str, padding: int) -> None:
    body = f'{{"name": "Zażółć ção 😀", "pad": "{"x" * padding}"}}'.encode(encoding)
    assert decode(body)["name"] == "Zażółć ção 😀"
    assert json.loads(json_text(body).decode("utf-8"))["name"] == "Zażółć ção 😀"


@pytest.mark.parametrize(
    ("content_type", "body", "read"),
    [
        ("application/json; charset=ISO-8859-1", "ção".encode("latin-1"), "ção"),
        ("text/html;charset=windows-1250", "Zażółć".encode("cp1250"), "Zażółć"),
        ('application/json; charset="iso-8859-2"', "Zażółć".encode("iso-8859-2"), "Zażółć"),
        ("application/json; charset=iso-8859-1", "Zażółć".encode(), "Zażółć"),
        ("application/json", "ção".encode("latin-1"), "��o"),
        ("application/json; charset=idna", "ção".encode("latin-1"), "��o"),
        ("application/json; charset=", b"\xed\xa0\x80", "���"),
    ],
)
def test_a_charset_is_heeded_where_the_text_is_not_utf_8(content_type: str, body: bytes, read: str) -> None:
    response = Response(200, b'{"name":"' + body + b'"}', {"content-type": content_type})
    assert object_of(response) == {"name": read}


def test_what_is_not_text_outside_of_strings_is_unreadable() -> None:
    for body in (b"\xff", b"\xff{}", b'{"a":1\xff}', b"\x00\x01\x02", b"\xff\xfe", b"\x1f\x8b\x08\x00"):
        assert not readable(body)


def test_a_key_given_twice_is_read_by_its_last_value_everywhere() -> None:
    body = b'{"id":1,"id":2,}'
    assert decode(body) == {"id": 2}
    assert json.loads(json_text(body)) == {"id": 2}


# ---- what is asked of one answer several times


def test_an_answer_is_read_once_however_often_it_is_asked_about() -> None:
    response = Response(200, b'{"a": [1.5],}')
    assert value_of(response) is value_of(response)
    assert json_text(response) is json_text(response)
    other = msgspec.structs.replace(response, body=b'{"b": 1}')
    assert value_of(other) == {"b": 1}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


# ---- long texts, which are decoded in pieces


def _strictly(text: bytes, read: Callable[[bytes], object]) -> object:
    try:
        return read(text)
    except Unreadable:
        return Unreadable


@given(_JSON, st.sampled_from([None, 0, 1]), st.integers(1, 40), st.data())
def test_pieces_make_what_the_whole_makes_also_where_it_is_damaged(
    value: object, indent: int | None, piece: int, data: st.DataObject
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False).encode(errors="replace")
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + data.draw(st.sampled_from([b"", b",", b"]", b"}", b"[", b'"', b":", b" "]))
            + text[place + 1 :]
        )
    whole = _strictly(text, exact)
    assert _strictly(text, lambda text: in_pieces(text, piece)) in (
        whole,
        Unreadable if _depth_of(value) > 6 else whole,
    )


def _depth_of(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth_of, inside), default=0)


# ---- whatever comes

_PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"', '"a"', '"b":', "\\", "\\u", "\\ud83d", "\\ude00", "//", "\n", " ", "1", "-0",
        "1e400", "1.5", "null", "true", "\x00", "\x1f", "ł", "\ufeff", "<", "'", "/*", "1" * 400, "e", ".", '{"a":1},',
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join))
@example('{"a":1},{"b":1e400}')
def test_whatever_comes_is_read_or_unreadable_and_what_is_read_every_reader_takes(text: str) -> None:
    body = text.encode()
    try:
        value = decode(body)
    except Unreadable:
        return
    read_by_everybody(json_text(body))
    again = json_text(body)
    assert decode(again) == value
    assert json_text(again) == again


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    response = Response(200, body, {"content-type": "application/json; charset=iso-8859-1"})
    assert readable(response) == (not why_unreadable(response))
    if readable(response):
        read_by_everybody(json_text(response))


@given(_JSON.filter(lambda value: value is not None))
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        body = text.encode(errors="surrogatepass")
        if "\\ud" not in text and body.decode(errors="ignore") == text:
            assert json.loads(json_text(body)) == json.loads(text)
