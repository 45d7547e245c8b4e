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


async def in_a_loop(job: Path) -> batchcart.Summary:
    async with batchcart.arun(job, results="r.jsonl", concurrency=4, only="acme") as run:
        assert_type(run, batchcart.AsyncRun)
        async for result in run:
            assert_type(result, batchcart.Result)
    return run.summary


def by_name(told: list[batchcart.Event]) -> list[int]:
    config = {"accounts": {"acme": {"platform": "tray"}}}
    assert_type(batchcart.check("job.jsonl", config=config), batchcart.JobPlan)
    assert_type(batchcart.run("job.jsonl", on_event=told.append).finish(), batchcart.Summary)
    assert_type(batchcart.status("r.jsonl"), batchcart.RunStatus)
    assert_type(batchcart.report(["r.jsonl", Path("s.jsonl")]), batchcart.Report)
    assert_type(batchcart.settle("r.jsonl", line=3, done={"cart_id": "x"}), batchcart.SettleResult)
    assert_type(batchcart.rest("r.jsonl", "rest.jsonl"), batchcart.RestResult)
    assert_type(batchcart.results("r.jsonl", "r.csv"), batchcart.TableWritten)
    assert_type(batchcart.export("acme", "c.jsonl", on_event=told.append), batchcart.ExportResult)
    assert_type(batchcart.migrate("a", "b", product_map="map.csv"), batchcart.MigrationResult)
    undone = batchcart.undo("r.jsonl", "undo.jsonl")
    assert_type(undone, batchcart.UndoResult)
    return [undone.exit_code]


def problems(error: batchcart.BadLines) -> tuple[str, ...]:
    return error.problems
