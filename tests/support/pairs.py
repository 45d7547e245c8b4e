"""Owns which combinations of parameters CI runs: a few that hold every pair of values; the others are ``long``."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import pytest


def pairwise(*values: Sequence[Any]) -> list[Any]:
    """All combinations of the values, as parameters of a test."""
    every = list(product(*(range(len(some)) for some in values)))
    missing = {pair for places in every for pair in _pairs(places)}
    few = set()
    while missing:
        best = max(every, key=lambda places: len(missing & _pairs(places)))
        few.add(best)
        missing -= _pairs(best)
    chosen = {places: tuple(some[place] for some, place in zip(values, places, strict=True)) for places in every}
    return [pytest.param(*given, marks=() if places in few else pytest.mark.long) for places, given in chosen.items()]


def _pairs(places: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    """Two parameters each, with the places of their values."""
    return set(combinations(enumerate(places), 2))
