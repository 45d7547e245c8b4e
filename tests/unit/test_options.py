"""What nobody can mean is refused where it is asked for, before anything is read or sent."""

import math

import pytest

from batchcart.model.errors import UsageError
from batchcart.runs.cart_reader import Reader
from batchcart.runs.choice import Choice
from batchcart.runs.options import MOST_PATIENCE, RunOptions


@pytest.mark.parametrize("minutes", [math.inf, math.nan, -1.0, MOST_PATIENCE + 1])
def test_a_patience_whose_end_is_no_date_is_refused(minutes: float) -> None:
    for ask in (lambda: RunOptions("job.jsonl", patience=minutes), lambda: Reader(patience=minutes)):
        with pytest.raises(UsageError) as caught:
            ask()
        assert str(caught.value) == f"patience is a number of minutes from 0 to 525,600, a year, not {minutes}"


def test_a_shop_may_be_waited_for_a_year_or_not_at_all() -> None:
    assert RunOptions("job.jsonl", patience=MOST_PATIENCE).patience == MOST_PATIENCE
    assert Reader(patience=0).patience == 0


@pytest.mark.parametrize("word", ["shop [1]", "shop*", "cart.get", "cart.*", "shop [[]1]"])
def test_an_account_is_chosen_by_its_name_whatever_that_means_as_a_pattern(word: str) -> None:
    assert Choice(only=(word,)).fits("shop [1]", "cart.get")
    assert not Choice(only=(word,)).fits("acme", "item.add")
