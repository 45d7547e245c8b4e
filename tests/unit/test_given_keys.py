"""A new cart's key belongs to the line that it was given to first, as long as it is among the latest ones."""

import pytest

from batchcart.engine.given_keys import GivenKeys


@pytest.mark.parametrize("others", [1, 998, 999, 1000])
def test_a_key_that_a_line_was_given_is_not_given_to_another(others: int) -> None:
    given = GivenKeys((str(line), line) for line in range(1, others + 2))

    assert given.give("1", 5000) == 1
    assert given.give("1", 5001) == 1
