"""How a limit is written, and what it allows at best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.model.errors import UsageError
from batchcart.model.limits import Bucket, Limit, Window, min_duration, parse_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("180/min", Window(180, 60.0)),
        ("2/s", Window(2, 1.0)),
        ("18/2s", Window(18, 2.0)),
        ("10000/day", Window(10_000, 86_400.0)),
        ("1/h", Window(1, 3600.0)),
        (" 5 / 90 s ", Window(5, 90.0)),
        ("bucket 50 leak 2/s", Bucket(50, 2.0)),
        ("bucket 1 leak 0.5/s", Bucket(1, 0.5)),
        ("bucket 40 leak 90/min", Bucket(40, 1.5)),
    ],
)
def test_limits_are_read_as_they_are_written(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize(
    "text",
    ["", "2", "2/", "/s", "0/s", "-1/s", "2/0s", "1.5/s", "2/sec", "2 per s", "٣/s", "2/s2", "inf/s", "nan/s", "1e3/s",
     "1000001/s", "2/367day", "9" * 5000 + "/s", "2/" + "9" * 5000 + "s", "9" * 400 + "/s", "bucket 0 leak 2/s",
     "bucket 50", "bucket 50 leak 0/s", "bucket 50 leak 2", "bucket 1.5 leak 2/s", "bucket 50 leak 9999999/s",
     "2/s\n3/s"],
)  # fmt: skip
def test_what_is_no_limit_is_told_the_forms_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limit(text)

    assert '"180/min"' in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text("0123456789./ smindayhbucketlk", max_size=30))
def test_no_text_makes_reading_a_limit_stumble(text: str) -> None:
    try:
        parse_limit(text)
    except UsageError:
        return


UNITS = st.sampled_from(["s", "min", "h", "day", "2s", "15min", "30day"])


@given(st.integers(1, 1_000_000), UNITS)
def test_a_window_reads_back_as_it_shows_itself(count: int, unit: str) -> None:
    limit = parse_limit(f"{count}/{unit}")

    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["180/min", "18/2s", "10000/day", "90/90s", "bucket 50 leak 2/s", "bucket 40 leak 40/min"]
)
def test_a_limit_shows_itself_as_its_author_wrote_it(text: str) -> None:
    assert str(parse_limit(text)) == text


@pytest.mark.parametrize(
    ("text", "sends", "seconds"),
    [
        ("2/s", 0, 0), ("2/s", 2, 0), ("2/s", 3, 1), ("2/s", 10, 4), ("180/min", 181, 60),
        ("bucket 50 leak 2/s", 50, 0), ("bucket 50 leak 2/s", 60, 5),
    ],
)  # fmt: skip
def test_the_best_time_counts_what_the_limit_lets_through_at_once(text: str, sends: int, seconds: float) -> None:
    assert min_duration([parse_limit(text)], sends) == seconds


@pytest.mark.parametrize(
    "texts",
    [("4/s", "11/2s"), ("180/min", "100/min"), ("7/s", "100/10s"), ("8/s", "24/6s"), ("10/s", "9/2s", "200/min")],
)
@pytest.mark.parametrize("sends", [1, 12, 79, 250])
def test_the_best_time_under_several_limits_is_that_of_sends_as_early_as_each_allows(
    texts: tuple[str, ...], sends: int
) -> None:
    limits = [parse_limit(text) for text in texts]
    windows = [limit for limit in limits if isinstance(limit, Window)]
    left: list[float] = []
    for number in range(sends):
        earliest = [left[number - one.count] + one.seconds for one in windows if number >= one.count]
        left.append(max([0.0, *left[-1:], *earliest]))
    assert min_duration(limits, sends) == left[-1]
