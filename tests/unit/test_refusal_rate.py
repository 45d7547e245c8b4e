"""How often sends are refused, counted one by one or many at once."""

from hypothesis import given
from hypothesis import strategies as st

from batchcart.engine.adaptive_limit import RefusalRate


@given(st.integers(0, 3_000), st.integers(0, 50), st.integers(0, 3_000))
def test_many_good_sends_counted_at_once_are_as_many_counted_one_by_one(before: int, refusals: int, good: int) -> None:
    rate = RefusalRate(float(before), float(refusals))
    one_by_one = rate
    for _ in range(good):
        one_by_one += 0
    assert rate.after_good(good) == one_by_one
