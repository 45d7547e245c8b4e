"""Owns running the simulation in a process of its own, so that its memory counts for nothing that is measured."""

import json

from processes import python, weigh
from workbench import Bench


def simulated(what: str, bench: Bench) -> list[tuple[str, float, int, int]]:
    """What simulated_shops.py finds: what each figure is of, the figure, requests sent, and how many were refused."""
    ended = weigh([*python("simulated_shops.py"), what], cwd=bench.folder)
    return [(name, figure, sent, refused) for name, figure, sent, refused in json.loads(ended.output)]
