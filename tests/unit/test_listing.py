"""Owns the promise that a list of all carts brings every line once, in whatever order a shop lists it, or says so."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchcart.migration.list_walk import MOST_PASSES, Cursor
from batchcart.model.cart import NotACart
from batchcart.platforms import load_adapters

PAGE = 5
Order = Callable[[Sequence[int]], Sequence[int]]


@cache
def _by_no_rule(number: int) -> float:
    return random.Random(number * 7919).random()


def _shuffled(ids: Sequence[int]) -> list[int]:
    return sorted(ids, key=_by_no_rule)


def _touched(ids: Sequence[int]) -> list[int]:
    """As they were made, but for some that were changed since, which come last."""
    return sorted(ids, key=lambda number: (number % 11 == 1, number))


ORDERS: dict[str, Order] = {
    "as they were made": sorted,
    "newest first": lambda ids: sorted(ids, reverse=True),
    "by no rule": _shuffled,
    "changed ones last": _touched,
    "changed ones first": lambda ids: list(reversed(_touched(ids))),
}
PAST_THE_END = ("nothing", "error", "the last page")


@dataclass
class Shop:
    """A list of rows by number, shown page by page. ``before`` happens before each page, given how many were asked."""

    ids: set[int]
    order: Order = ORDERS["as they were made"]
    cap: int = PAGE
    past_the_end: str = "nothing"
    before: Callable[[int], None] = lambda _asked: None
    asked: int = 0
    gone: set[int] = field(default_factory=set)

    def page(self, number: int) -> list[int] | None:
        self.before(self.asked)
        self.asked += 1
        shown = self.order(list(self.ids))
        last = max(1, -(-len(shown) // self.cap))
        if number > last and self.past_the_end == "error":
            return None
        place = min(number, last) if self.past_the_end == "the last page" else number
        return list(shown[(place - 1) * self.cap : place * self.cap])


def walked(shop: Shop) -> tuple[set[int], Cursor]:
    """What a walk over the shop's list meets, and how it ended."""
    walk, met, ways = Cursor(asked=50), set[int](), dict[int, int]()
    while not walk.over:
        assert shop.asked < 2000
        ids = shop.page(walk.page)
        fresh = [number for number in ids or () if number not in met]
        twice = [number for number in ids or () if walk.back and ways.get(number) == walk.pass_number]
        if walk.back:
            ways.update((number, walk.pass_number) for number in ids or ())
        met |= set(ids or ())
        walk = walk.after(ids, fresh, twice)
    return met, walk


@pytest.mark.parametrize("past_the_end", PAST_THE_END)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("cap", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 23])
def test_a_quiet_list_is_surely_whole_in_any_order(order: Order, count: int, cap: int, past_the_end: str) -> None:
    there = set(range(1, count + 1))
    met, walk = walked(Shop(set(there), order, cap, past_the_end))

    assert met == there
    assert walk.sure
    assert walk.pass_number <= 1


Change = tuple[int, int, bool]
CHANGES: st.SearchStrategy[list[Change]] = st.lists(
    st.tuples(st.integers(0, 25), st.integers(1, 12), st.booleans()), max_size=12
)


def changing(shop: Shop, changes: Sequence[Change]) -> None:
    """Rows come, many at once, or one goes, each before some page is asked for."""
    newest = max(shop.ids, default=0)

    def before(asked: int) -> None:
        nonlocal newest
        for when, number, comes in changes:
            if when != asked:
                continue
            if comes:
                shop.ids |= set(range(newest + 1, newest + number + 1))
                newest += number
            elif shop.ids:
                gone = sorted(shop.ids)[(number * 5) % len(shop.ids)]
                shop.ids.remove(gone)
                shop.gone.add(gone)

    shop.before = before


@given(
    st.sampled_from(list(ORDERS)),
    st.integers(0, 30),
    st.sampled_from([1, 2, 5]),
    st.sampled_from(PAST_THE_END),
    CHANGES,
)
@example("newest first", 10, 5, "nothing", [(1, 5, True)])  # a page's worth of new rows between two pages
@example("newest first", 10, 5, "the last page", [(1, 5, True), (2, 5, True), (3, 5, True)])
@example("newest first", 10, 1, "nothing", [])
@example("newest first", 11, 5, "nothing", [(1, 1, True), (2, 5, False), (4, 1, True), (5, 5, False)])
@example("changed ones last", 12, 5, "nothing", [(2, 1, False)])
def test_whoever_is_sure_has_met_every_row_that_stayed(
    order: str, count: int, cap: int, past_the_end: str, changes: list[Change]
) -> None:
    shop = Shop(set(range(1, count + 1)), ORDERS[order], cap, past_the_end)
    there = set(shop.ids)
    changing(shop, changes)

    met, walk = walked(shop)

    assert walk.over
    assert not walk.sure or there - shop.gone <= met


FEW = CHANGES.map(
    lambda changes: [(when, number, comes and place < 3) for place, (when, number, comes) in enumerate(changes)]
)


@given(st.integers(9, 40), st.sampled_from(("nothing", "error")), FEW)
def test_rows_that_come_last_and_go_anywhere_leave_no_doubt(
    count: int, past_the_end: str, changes: list[Change]
) -> None:
    shop = Shop(set(range(1, count + 40)), past_the_end=past_the_end)
    there = set(shop.ids)
    changing(shop, changes)

    met, walk = walked(shop)

    assert walk.sure
    assert there - shop.gone <= met


def test_a_list_that_never_rests_is_read_a_few_times_and_then_in_doubt() -> None:
    shop = Shop(set(range(1, 40)), ORDERS["newest first"])

    def before(_asked: int) -> None:
        shop.ids.add(max(shop.ids) + 1)
        shop.ids.remove(min(shop.ids))

    shop.before = before
    _, walk = walked(shop)

    assert not walk.sure
    assert walk.pass_number == MOST_PASSES


@pytest.mark.parametrize("order", ["as they were made", "newest first"])
def test_a_busy_shop_does_not_keep_the_walk_for_ever(order: str) -> None:
    shop = Shop(set(range(1, 8)), ORDERS[order])
    shop.before = lambda _asked: shop.ids.add(max(shop.ids) + 1)

    met, walk = walked(shop)

    assert walk.over
    assert met >= set(range(1, 8))


def test_a_shop_that_shows_its_first_page_for_every_page_is_in_doubt_where_that_page_is_full() -> None:
    for rows, sure in ((3, True), (50, False)):
        walk = Cursor(asked=50)
        for _ in range(40):
            walk = walk if walk.over else walk.after(range(rows, 0, -1), (), ())
        assert walk.over
        assert walk.sure is sure


def test_a_page_that_is_refused_in_the_middle_is_neither_the_end_nor_forgotten() -> None:
    shop = Shop(set(range(1, 31)))
    refused = iter([None])

    class Moody(Shop):
        def page(self, number: int) -> list[int] | None:
            return next(refused, None) if number == 3 and self.asked == 2 else super().page(number)

    moody = Moody(set(shop.ids))
    moody.before = lambda _asked: None
    first = [moody.page(1), moody.page(2), moody.page(3)]
    walk = Cursor(asked=50)
    for ids in first:
        walk = walk.after(ids, ids or (), ())

    assert walk.page == 4
    assert not walk.back


@pytest.mark.parametrize("number", ['"00000000000000000009223372036854775808"', "9223372036854775808", "-1", '"7.0"'])
def test_a_row_whose_number_fits_nowhere_is_told_and_not_taken_for_another(number: str) -> None:
    listing = load_adapters()["shoplo"].listing
    assert listing is not None
    with pytest.raises(NotACart, match="has no number as its id"):
        listing.lines(b'{"carts":[{"id":%s,"user_key":"u","variant_id":1}]}' % number.encode())
