"""Owns the synthetic job of a benchmark: how many operations of which kind a cart gets; it sends nothing."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batchcart.model.adapter import Adapter, Workload
from batchcart.model.errors import UsageError, quote, suggest
from batchcart.platforms import load_adapters

LineFields = dict[str, Any]

NAMED = {
    "import": "create=1,add=3",
    "read": "create=1,get=8",
    "mixed": "create=1,add=2,update=1,get=2,delete=1",
}
"""Mixes by name."""

_MOST = 1000
_STEPS = ("create", "add", "update", "get", "delete")


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each step is done to each cart; what is added, got and updated comes in a seeded order."""

    create: int = 1
    add: int = 0
    update: int = 0
    get: int = 0
    delete: int = 0

    def __str__(self) -> str:
        counts = {step: getattr(self, step) for step in _STEPS}
        return ",".join(f"{step}={count}" for step, count in counts.items() if count)

    @property
    def operations(self) -> int:
        """Operations a cart."""
        return self.create + self.add + self.update + self.get + self.delete


def parse_mix(text: str) -> Mix:
    """Read ``"create=1,add=3,get=1"`` or a name of NAMED; raises UsageError with the forms it takes."""
    counts: dict[str, int] = {}
    for part in NAMED.get(text, text).split(","):
        step, equals, number = part.strip().partition("=")
        if not equals or not re.fullmatch("[0-9]{1,4}", number):
            raise UsageError(
                f"--mix {quote(text)}: write STEP=NUMBER,… as in create=1,add=3,get=1, or one of {', '.join(NAMED)}"
            )
        if step not in _STEPS:
            raise UsageError(f"--mix: {quote(step)} is not a step; {suggest(step, _STEPS)}")
        if step in counts:
            raise UsageError(f"--mix: {step} is given twice")
        counts[step] = int(number)
        if counts[step] > _MOST:
            raise UsageError(f"--mix: {step}={number}: at most {_MOST} is possible")
    if counts.get("create", 1) != 1 or counts.get("delete", 0) > 1:
        raise UsageError("--mix: a cart is created once, create=1, and deleted at most once, delete=1")
    return Mix(**{"create": 1, **counts})


def job_lines(
    mix: Mix, accounts: Sequence[tuple[str, str]], carts: int, product: str, seed: int
) -> Iterator[LineFields]:
    """The job's lines, cart by cart, for accounts (name, platform) in turn; equal arguments give equal lines."""
    rng = random.Random(seed)  # noqa: S311  # a repeatable job, no secret
    for number in range(carts):
        account, platform = accounts[number % len(accounts)]
        for step in _steps(mix, rng):
            yield {
                "account": account,
                "cart": f"c{number}",
                **_line(step, workload_of(load_adapters()[platform]), product, rng.randint(1, 9)),
            }


def workload_of(adapter: Adapter) -> Workload:
    """What a benchmark does on the platform; raises UsageError if its adapter has no such example."""
    if adapter.examples.workload is None:
        able = [name for name, other in load_adapters().items() if other.examples.workload is not None]
        raise UsageError(f"there is no synthetic job for {adapter.name}; there is one for {', '.join(able)}")
    return adapter.examples.workload


def _steps(mix: Mix, rng: random.Random) -> list[str]:
    between = ["add"] * mix.add + ["update"] * mix.update + ["get"] * mix.get
    rng.shuffle(between)
    return ["create", *between, *["delete"] * mix.delete]


def _line(step: str, words: Workload, product: str, quantity: int) -> LineFields:
    match step:
        case "create":
            item = {"item": "first"} if words.first_item else {}
            return {"op": "cart.create", **item, **words.create(product, quantity)}
        case "add":
            return {"op": "item.add", **words.add(product, quantity)}
        case "update":
            return words.update(quantity)
        case _:
            return {"op": f"cart.{step}"}
