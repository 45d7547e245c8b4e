"""Reading a shop's JSON, hostile text too, costs no more than its length."""

import json
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest

from batchcart.model.http import Response
from batchcart.platforms.toolkit.lenient_json import readable, value_of

KIB = 1 << 10

_HOSTILE: dict[str, Callable[[int], str]] = {
    "quotes": lambda n: '{"""' * (n // 4),
    "escaped quotes": lambda n: '{\\"\\"\\"' * (n // 7),
    "a string without end": lambda n: '{"a":"' + "x" * n,
    "escapes without end": lambda n: '{"a":"' + '\\"' * (n // 2),
    "backslashes without end": lambda n: '{"a":"' + "\\" * n,
    "blanks": lambda n: '{"a": 1' + " " * n,
    "line ends": lambda n: '{"a": 1' + "\n" * n,
    "line ends and a key": lambda n: '{"a": 1' + "\n" * n + '"b": 2,}',
    "commas and blanks": lambda n: "[1" + ", " * (n // 2) + "]",
    "one comma, blanks": lambda n: "[1," + " " * n,
    "slashes": lambda n: "{" + "/" * n,
    "comments": lambda n: "{" + "//\n" * (n // 3),
    "comments with quotes": lambda n: '{"a":1' + '//"\n' * (n // 4) + ",}",
    "values on lines": lambda n: "[" + "1\n" * (n // 2) + "]",
    "strings on lines": lambda n: '["a"' + '\n"a"' * (n // 4) + "]",
    "missing commas": lambda n: '{"a":1' + '\n"a":1' * (n // 6) + "}",
    "trailing commas": lambda n: "[" + "[1,]," * (n // 5) + "1,]",
    "opened arrays": lambda n: "[" * n,
    "opened objects": lambda n: '{"a":' * (n // 5),
    "closed arrays": lambda n: "]" * n,
    "objects side by side": lambda n: '{"a":1},' * (n // 8) + "{}",
    "digits": lambda n: '{"a":' + "1" * n + ",}",
    "exponents": lambda n: "[" + "1e999," * (n // 6) + "1,]",
    "a long exponent": lambda n: '{"a":1e' + "9" * n + ",}",
    "half surrogates": lambda n: '{"a":"' + "\\ud83d" * (n // 6) + '",}',
    "whole surrogates": lambda n: '{"a":"' + "\\ud83d\\ude00" * (n // 12) + '",}',
    "backslashes": lambda n: '{"a":"' + "\\\\" * (n // 2) + '",}',
    "backslashes before a half": lambda n: '{"a":"' + "\\\\" * (n // 2) + '\\ud83d",}',
    "words": lambda n: "[" + "null," * (n // 5) + "]",
    "one word": lambda n: "x" * n,
    "letters that are not ours": lambda n: '{"a":"' + "ł" * (n // 2) + '",}',
    "bytes that are no text": lambda n: '{"a":"' + "\udcff" * n + '",}',
    "empty arrays": lambda n: "[" + "[]," * (n // 3) + "]",
    "empty objects": lambda n: '{"a":{}' + ',"a":{}' * (n // 7) + ",}",
    "dashes": lambda n: "[" + "-" * n,
    "a web page": lambda n: "<p>" * (n // 3),
}


_TRIES = 6  # a busy machine spoils one or the other; what grows by the square fails in each


def _cost(body: bytes) -> float:
    """CPU seconds of this thread for one reading, the least of several."""
    least = float("inf")
    for _ in range(2):
        before = time.thread_time()
        readable(Response(200, body))
        least = min(least, time.thread_time() - before)
    return least


@pytest.mark.parametrize("sizes", [(64, 255), pytest.param((16, 64, 255), marks=pytest.mark.long)])
@pytest.mark.parametrize("shape", _HOSTILE)
def test_twice_the_text_costs_at_most_three_times_the_reading(shape: str, sizes: tuple[int, ...]) -> None:
    # Lengths up to the greatest that is forgiven; four times the length tells a square from a line whatever the noise.
    bodies = [_HOSTILE[shape](n).encode(errors="surrogateescape") for n in (size * KIB for size in sizes)]
    tries = []
    for _ in range(_TRIES):
        costs = [_cost(body) for body in bodies]
        # What costs a few milliseconds in all cannot be told from noise.
        if all(more <= 9 * less + 0.005 for less, more in pairwise(costs)):
            return
        tries.append(costs)
    pytest.fail(f"never in {_TRIES} tries: {tries}")


@pytest.mark.parametrize("shape", _HOSTILE)
def test_a_long_body_costs_no_more_than_a_few_times_what_the_longest_repaired_one_does(shape: str) -> None:
    longest, long = (_HOSTILE[shape](n).encode(errors="surrogateescape") for n in (255 * KIB, 1 << 20))
    assert any(_cost(long) <= 12 * _cost(longest) + 0.1 for _ in range(_TRIES))


_LONG: dict[str, tuple[Callable[[int], object], bool]] = {
    "rows": (
        lambda n: {"carts": [{"id": k, "user_key": f"u{k}", "variant_id": 7, "quantity": 2} for k in range(n // 20)]},
        True,
    ),
    "lines": (lambda n: [{"Cart": {"product_id": f"{k}", "name": "x" * 200}} for k in range(n // 70)], True),
    "one long text": (lambda n: {"OrderKey": "K", "note": "é\n" * n, "CartItemList": []}, True),
    "empty arrays": (lambda n: [[]] * n, False),
    "objects in objects": (lambda n: [{"a": {}}] * (n // 3), False),
    "empty texts": (lambda n: [""] * n, False),
    "empty objects": (lambda n: [{}] * n, False),
}
"""What a body of a size holds, and whether it is read."""


@pytest.mark.parametrize("size", [200_000, pytest.param(800_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("shape", _LONG)
def test_a_long_body_is_read_unless_its_values_weigh_far_more_than_it_does(shape: str, size: int) -> None:
    make, reads = _LONG[shape]
    value = make(size)
    body = json.dumps(value, separators=(",", ":")).encode()
    tracemalloc.start()
    try:
        found = value_of(body)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()
    assert readable(body) == reads
    if reads:
        assert json.loads(json.dumps(found, default=float)) == value
