"""Names larger than memory: whatever is on the disk reads as if it were in memory."""

from hypothesis import given
from hypothesis import strategies as st

from batchcart.journal.spill import SpillDict

KEYS = st.sampled_from(["", "a", "b", "x", "y\0z", "é", "1"])


@given(st.lists(st.tuples(KEYS, st.none() | st.integers(0, 1 << 40))), st.integers(1, 4))
def test_names_on_the_disk_are_found_like_those_in_memory(steps: list[tuple[str, int | None]], room: int) -> None:
    plain: dict[str, tuple[int, str]] = {}
    names = SpillDict[tuple[int, str]](tuple[int, str], in_memory=room)
    for key, number in steps:
        if number is None:
            assert names.get(key) == plain.get(key)
        else:
            names[key] = plain[key] = (number, f"text {number}")
    assert {key: names[key] for key in plain} == plain
    assert list(names.items()) == list(plain.items())
    names.close()


def test_a_name_taken_out_is_gone_from_memory_and_disk() -> None:
    names = SpillDict[tuple[int, str]](tuple[int, str], in_memory=1)
    for key in ("a", "b", "c"):
        names[key] = (1, key)
    del names["a"]

    assert "a" not in names
    assert len(names) == 2
    names.close()


def test_entries_come_in_the_order_in_which_they_were_first_put_in() -> None:
    names = SpillDict[list[str]](list[str], in_memory=2)
    for key in ("c", "a", "d", "b", "a", "c"):
        names[key] = [*names.get(key, []), key]
    del names["d"]
    names["d"] = ["again"]
    assert list(names.items()) == [("c", ["c", "c"]), ("a", ["a", "a"]), ("b", ["b"]), ("d", ["again"])]
    names.clear()
    assert not names
    names.close()
