"""Names larger than memory: whatever is on the disk reads as if it were in memory."""

from hypothesis import given
from hypothesis import strategies as st

from batchcart.jobs.name_index import Names

KEYS = st.tuples(st.sampled_from(["name", "item"]), st.sampled_from("ab"), st.sampled_from(["", "x", "y\0z", "é", "1"]))


@given(st.lists(st.tuples(KEYS, st.none() | st.integers(0, 1 << 40))), st.integers(1, 4))
def test_names_on_the_disk_are_found_like_those_in_memory(
    steps: list[tuple[tuple[str, ...], int | None]], room: int
) -> None:
    plain: dict[tuple[str, ...], tuple[int, str]] = {}
    names = Names(in_memory=room)
    for key, number in steps:
        if number is None:
            assert names.get(key) == plain.get(key)
        else:
            names[key] = plain[key] = (number, f"text {number}")
    assert {key: names[key] for key in plain} == plain
    assert dict(names.items()) == plain
    names.close()


def test_a_name_taken_out_is_gone_from_memory_and_disk() -> None:
    names = Names(in_memory=1)
    for key in ("a", "b", "c"):
        names["name", key] = (1, key)
    del names["name", "a"]

    assert ("name", "a") not in names
    assert len(names) == 2
    names.close()
