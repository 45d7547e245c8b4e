"""Which lines are one cart, and the names a job gives to carts and items."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchcart.jobs.chains import Assignment, ChainAssigner
from batchcart.journal.spill import SpillDict
from batchcart.model.operation import Operation, OperationKind


@contextmanager
def placing() -> Iterator["Job"]:
    names = SpillDict[tuple[int, str]](tuple[int, str], in_memory=3)
    yield Job(ChainAssigner(names))
    names.close()


class Job:
    """Lines placed one after the other; each gets the next number."""

    def __init__(self, chains: ChainAssigner) -> None:
        self.chains = chains
        self.line = 0

    def __call__(self, kind: str, account: str = "a", **names: Any) -> Assignment:
        self.line += 1
        key = names.pop("key", names.get("cart_id"))
        return self.chains.assign(Operation(self.line, OperationKind(kind), account, **names), key)


@pytest.fixture
def place() -> Iterator[Job]:
    with placing() as job:
        yield job


def test_lines_of_one_name_are_one_chain(place: Job) -> None:
    chains = [place("cart.create", cart=name).chain for name in "xy"]
    chains += [place("cart.get", cart=name).chain for name in "yx"]

    assert chains == [1, 2, 2, 1]


def test_the_same_name_in_two_accounts_is_two_carts(place: Job) -> None:
    assert place("cart.create", account="a", cart="x") == Assignment(1, [])
    assert place("cart.create", account="b", cart="x") == Assignment(2, [])


def test_a_key_and_a_name_that_stands_for_it_are_one_chain(place: Job) -> None:
    assert place("cart.get", cart_id="K") == Assignment(1, [])
    assert place("cart.get", cart="x", cart_id="K") == Assignment(1, [])
    assert place("cart.get", cart="x") == Assignment(1, [])
    assert place("cart.get", cart="other", cart_id="K") == Assignment(1, [])
    assert place("cart.get", cart_id="L") == Assignment(5, [])


def test_the_same_key_beside_the_name_may_be_repeated(place: Job) -> None:
    place("cart.create", cart="x", cart_id="K")

    assert place("cart.get", cart="x", cart_id="K").problems == []


def test_a_cart_without_name_and_key_is_a_chain_of_its_own(place: Job) -> None:
    assert [place("cart.create").chain, place("cart.list").chain, place("cart.create").chain] == [1, 2, 3]


def test_a_cart_made_twice_is_told_where_it_begins(place: Job) -> None:
    place("cart.create", cart="x")

    assert place("cart.create", cart="x").problems == ["cart: 'x' is created twice; it begins on line 1"]


def test_a_key_made_twice_is_told_its_first_line_unless_deleted_between(place: Job) -> None:
    place("cart.create", cart_id="K")

    assert place("cart.create", cart="x", cart_id="K").problems == ["cart_id: 'K' is created twice, first on line 1"]
    place("cart.delete", cart="x")
    assert place("cart.create", cart_id="K").problems == []


def test_a_name_used_before_it_is_made_is_told_once(place: Job) -> None:
    (problem,) = place("cart.get", cart="x").problems

    assert problem.startswith("cart: no earlier line creates 'x'; begin with cart.create")
    assert place("cart.create", cart="x").problems == []
    assert place("cart.get", cart="x").problems == []


def test_names_of_lines_that_cannot_be_read_are_not_blamed_on_later_ones(place: Job) -> None:
    place.chains.mark_invalid(1, "a", "x", "i")

    assert place("item.update", cart="x", item="i").problems == []
    assert place("cart.create", cart="x", item="i").problems == []
    assert place("cart.create", cart="x").problems != []


def test_a_key_given_late_is_told_where_it_belongs(place: Job) -> None:
    place("cart.create", cart="x")

    late = "the cart's key is given late; it belongs on the first line of 'x', line 1"
    assert place("cart.get", cart="x", cart_id="K").problems == [f"cart_id: {late}"]
    assert place("item.add", cart="x", key="K").problems == [f"data: {late}"]


def test_two_keys_for_one_name_contradict_each_other(place: Job) -> None:
    place("cart.get", cart="x", cart_id="K")

    problems = place("cart.get", cart="x", cart_id="L").problems
    assert problems == ["cart_id: 'L' contradicts 'K', given earlier for 'x'"]


def test_an_item_is_made_once_and_before_it_is_used(place: Job) -> None:
    place("cart.create", cart="x")
    place("item.add", cart="x", item="i")

    assert place("item.add", cart="x", item="i").problems == ["item: 'i' is created twice, first on line 2"]
    assert place("item.update", cart="x", item="i").problems == []
    (problem,) = place("item.update", cart="x", item="j").problems
    assert problem.startswith("item: no earlier line of this cart creates 'j'")


def test_items_of_equal_names_in_two_carts_are_two_items(place: Job) -> None:
    for cart in "xy":
        assert place("cart.create", cart=cart, item="i").problems == []
    assert place("item.update", cart="y", item="i").problems == []


def test_a_line_on_an_item_id_alone_joins_the_cart_that_has_it(place: Job) -> None:
    assert place("item.update", item_id="5").chain == 1
    place("cart.create", cart="x", item="i")

    assert place("item.update", cart="x", item_id="5").chain == 1
    assert place("item.update", item_id="5").chain == 1
    assert place("item.update", cart="x", item="i") == Assignment(1, [])
    assert place.chains.joined == {2: 1}


def test_carts_whose_items_have_equal_ids_stay_two_chains(place: Job) -> None:
    for cart in "xy":
        place("cart.create", cart=cart)
    chains = [place("item.delete", cart=cart, item_id="5").chain for cart in "xy"]

    assert chains == [1, 2]
    assert place.chains.joined == {}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("wxyz")), min_size=1), st.randoms(use_true_random=False)
)
def test_however_lines_interleave_a_cart_is_one_chain_from_its_first_line(carts: list[Any], rng: Any) -> None:
    lines = carts * 2
    rng.shuffle(lines)
    first: dict[tuple[str, str], int] = {}
    with placing() as place:
        for number, (account, cart) in enumerate(lines, 1):
            new = (account, cart) not in first
            placed = place("cart.create" if new else "cart.get", account=account, cart=cart)

            assert placed == Assignment(first.setdefault((account, cart), number), [])


@given(st.lists(st.tuples(st.sampled_from(["", "x", "y"]), st.sampled_from("KL"), st.sampled_from("12")), max_size=12))
def test_lines_that_share_a_key_or_an_item_id_share_a_chain(lines: list[tuple[str, str, str]]) -> None:
    """Carts x and y have the key K and L for good; a line names its cart, its key, or nothing but the item's id."""
    seen: dict[str, set[int]] = {}
    with placing() as place:
        for cart, key, item in lines:
            own = {"x": "K", "y": "L"}.get(cart, key)
            item_id = f"{own}{item}"
            names = {"cart": cart, "cart_id": own} if cart else {}
            chain = place("item.update", item_id=item_id, **names).chain
            seen.setdefault(item_id, set()).add(chain)
        joined = place.chains.joined
    roots = {item_id: {joined.get(chain, chain) for chain in chains} for item_id, chains in seen.items()}

    assert all(len(chains) == 1 for chains in roots.values())
