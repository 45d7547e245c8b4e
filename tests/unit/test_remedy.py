"""What is to be done about a closed account is read from its reason as it was written there."""

import pytest

from batchcart.model.remedy import Remedy, read_remedy


@pytest.mark.parametrize("remedy", Remedy)
def test_a_reason_says_what_is_to_be_done(remedy: Remedy) -> None:
    assert read_remedy(remedy.follow("the shop said: fix the credentials, then run again")) is remedy


def test_a_shops_own_words_are_no_remedy() -> None:
    said = "the shop said: fix the credentials, then run again. Its lines stay pending; run again later"

    assert read_remedy(said) is None
    assert read_remedy("") is None
