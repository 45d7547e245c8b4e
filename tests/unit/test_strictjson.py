"""What makes a job line good JSON: keys once, numbers in range, characters whole, nesting shallow."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchcart.jobs.strict_json import DEEPEST, StrictJsonError, check_strictly


def complaint(text: bytes) -> str:
    with pytest.raises(StrictJsonError) as caught:
        check_strictly(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rb'{"a":1,"a":2}', "the key 'a' is given twice in one object"),
        (rb'{"a":1,"\u0061":2}', "the key 'a' is given twice in one object"),
        (rb'{"a":1,"a":"\u003a"}', "the key 'a' is given twice in one object"),
        (rb'{"a":1,"a":"\u003A"}', "the key 'a' is given twice in one object"),
        (rb'{"x":{"y":[{"a":1,"b":":","a":{}}]}}', "the key 'a' is given twice in one object"),
        (b'{"a":1e999}', "a number is out of range"),
        (b'{"a":[-1e999]}', "a number is out of range"),
        (b'{"a":1e-999}', "a number is out of range"),
        (b'{"a":%s}' % (b"9" * 309), "a number is out of range"),
        (b'{"a":%s}' % (b"9" * 5000), "a number is out of range"),
        (b'{"a":NaN}', "not JSON: NaN is not a JSON number"),
        (b'{"a":-Infinity}', "not JSON: -Infinity is not a JSON number"),
        (b'{"a":1,}', "not JSON: a trailing comma (byte 7) stands before }; remove it"),
        (b'{"a":1}{', "not JSON: a second object (byte 8) follows on the line; put each on a line of its own"),
        (b'{"a":"\x00"}', "not JSON: it holds a NUL byte (byte 7)"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 7 of the line"),
        (b'\xff\xfe{"a":1}', "not UTF-8 at byte 1 of the line"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 7 of the line"),
        (b"[" * 200_000, f"nested more than {DEEPEST} deep"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, f"nested more than {DEEPEST} deep"),
    ],
)
def test_text_that_is_not_strict_is_told_why(text: bytes, said: str) -> None:
    assert complaint(text).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":"\ud800"}',
        rb'{"\udc00":1}',
        rb'{"a":"\ud800x and more"}',
        rb'{"a":"\uD83D\u0041"}',
        rb'{"a":"\ud83d\ud83d"}',
    ],
)
def test_lone_surrogates_are_no_characters(text: bytes) -> None:
    assert complaint(text).startswith("a lone surrogate")


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":"\ud83d\ude00","b":"\\ud800"}',
        rb'{"a":"\u003a","b":{"a":"e-1"}}',
        b'{"a":1e-300,"b":0e-999,"c":0.000,"d":"1e-999"}',
        b'{"a":%s,"b":"%s"}' % (b"9" * 308, b"9" * 400),
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"a":"%s"}' % (b"{" * 500),
    ],
)
def test_odd_but_good_text_is_taken(text: bytes) -> None:
    check_strictly(text)


KEYS = st.text(alphabet='ab:"\\\u003a\u00e9{[,', max_size=3)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple)
)


def spelled(tree: Any, escape: bool) -> str:  # noqa: FBT001
    """JSON text in which objects, given as tuples of pairs, may have a key twice."""
    match tree:
        case tuple():
            pairs = (f"{spelled(key, escape)}:{spelled(value, escape)}" for key, value in tree)
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(spelled(entry, escape) for entry in tree)}]"
        case str() if escape:
            return '"' + "".join(f"\\u{ord(char):04x}" for char in tree) + '"'
        case _:
            return json.dumps(tree)


def has_twins(tree: Any) -> bool:
    match tree:
        case tuple():
            keys = [key for key, _ in tree]
            return len(set(keys)) < len(keys) or any(has_twins(value) for _, value in tree)
        case list():
            return any(has_twins(entry) for entry in tree)
        case _:
            return False


@given(st.lists(st.tuples(KEYS, TREES), max_size=4).map(tuple), st.booleans())
@example((("a", 1), ("a", ":")), True)  # noqa: FBT003
def test_a_key_given_twice_is_found_at_any_depth_in_any_spelling(tree: Any, escape: bool) -> None:  # noqa: FBT001
    text = spelled(tree, escape).encode()
    if has_twins(tree):
        assert "is given twice" in complaint(text)
    else:
        check_strictly(text)


@given(st.binary(max_size=60))
def test_no_bytes_make_it_stumble(text: bytes) -> None:
    with contextlib.suppress(StrictJsonError):
        check_strictly(text)
