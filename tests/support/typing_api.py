"""Owns what a type checker must see of the public names; mypy reads it, nothing runs it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import batchcart


def by_path(job: Path) -> str | None:
    with batchcart.run(job, results="r.jsonl", concurrency=4, retry_failed=True) as run:
        assert_type(run, batchcart.Run)
        for result in run:
            assert_type(result, batchcart.Result)
            assert_type(result.status, batchcart.Status)
            assert_type(result.line, int)
        assert_type(run.summary, batchcart.Summary)
        return result.cart_id


def by_operations() -> list[batchcart.Result]:
    operations = ({"op": "cart.create", "account": "a", "data": {"price": Decimal(number)}} for number in range(3))
    return list(batchcart.run(operations, results=Path("r.jsonl")))


def read() -> Iterator[batchcart.Result]:
    assert_type(batchcart.__version__, str)
    return batchcart.read_results("r.jsonl")


def problems(error: batchcart.BadLines) -> tuple[str, ...]:
    return error.problems
