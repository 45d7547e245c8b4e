"""Owns the promise that a list of all carts brings every line once, in whatever order a shop lists it."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.migration.listing import Walk

PAGE = 5
Order = Callable[[Sequence[int]], Sequence[int]]
ORDERS: dict[str, Order] = {
    "as they were made": list,
    "newest first": lambda ids: list(reversed(ids)),
    "by no rule": lambda ids: random.Random(7).sample(list(ids), len(ids)),
}


def listed(
    ids: list[int], order: Order, meanwhile: Callable[[int], None], cap: int = PAGE, *, heeds: bool = True
) -> set[int]:
    """What a walk over a shop's list finds; ``meanwhile`` happens after each page, given its number."""
    walk, found, pages = Walk(), set[int](), 0
    while not walk.over:
        pages += 1
        assert pages < 1000
        shown = order([number for number in ids if number > walk.since or not heeds])
        page = list(shown[(walk.page - 1) * cap : walk.page * cap])
        walk = walk.after(page, [number for number in page if number not in found])
        found |= set(page)
        meanwhile(pages)
    return found


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 23])
def test_every_line_is_found_in_any_order(order: Order, count: int) -> None:
    assert listed(list(range(1, count + 1)), order, lambda _page: None) == set(range(1, count + 1))


def test_a_shop_that_shows_fewer_rows_than_asked_for_is_read_to_its_end() -> None:
    assert listed(list(range(1, 21)), list, lambda _page: None, cap=3) == set(range(1, 21))


def test_a_shop_that_does_not_heed_the_number_is_read_to_its_end() -> None:
    assert listed(list(range(1, 21)), list, lambda _page: None, heeds=False) == set(range(1, 21))


def test_a_shop_that_always_shows_the_same_page_has_an_end() -> None:
    walk = Walk()
    for _ in range(20):
        walk = walk.after([3, 1, 2], [])
    assert walk.over


@given(
    st.sampled_from(("as they were made", "newest first")),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(1, 8), st.integers(1, 12))),
)
def test_lines_that_come_meanwhile_hide_no_other(name: str, count: int, adds: list[tuple[int, int]]) -> None:
    ids = list(range(1, count + 1))

    def meanwhile(page: int) -> None:
        ids.extend(ids[-1] + number for when, more in adds if when == page and ids for number in [more])

    there = set(ids)
    assert there <= listed(ids, ORDERS[name], meanwhile)


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(1, 8), st.integers(1, 40), st.booleans())))
def test_lines_that_go_meanwhile_hide_no_other(count: int, changes: list[tuple[int, int, bool]]) -> None:
    ids, gone = list(range(1, count + 1)), set[int]()

    def meanwhile(page: int) -> None:
        for when, number, adds in changes:
            if when == page and adds:
                ids.append(max((count, *ids)) + number)
            elif when == page and number in ids:
                ids.remove(number)
                gone.add(number)

    stayed = set(ids)
    found = listed(ids, list, meanwhile)
    assert stayed - gone <= found


def test_a_busy_shop_does_not_keep_the_walk_for_ever() -> None:
    ids = list(range(1, 8))
    found = listed(ids, list, lambda _page: ids.append(ids[-1] + 1))
    assert found >= set(range(1, 8))
    ids = list(range(1, 8))
    assert listed(ids, lambda all_ids: list(reversed(all_ids)), lambda _page: ids.append(ids[-1] + 1)) >= set(
        range(1, 8)
    )
