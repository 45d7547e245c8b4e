"""A job run by a script that is in an event loop: results as they end, leaving early, a loop that stays free."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_harness import Cli, Line, ShopServer, create, line, new_carts, open_cli_here, until

import batchcart


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return open_cli_here(shop_server, tmp_path, monkeypatch)


def made(shop: Cli) -> int:
    found: int = shop.endpoint("loja").saw.effects["create"]
    return found


def threads_of_runs() -> list[threading.Thread]:
    """The threads that end with a run; the readers of large answers are the process's."""
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("batchcart")]
    return [thread for thread in mine if not thread.name.startswith("batchcart-reader")]


def check_it_goes_on(shop: Cli, count: int) -> None:
    """Nothing is left running, what was sent stands in the result file, and the same run makes no cart twice."""
    assert not threads_of_runs()
    assert 0 < made(shop) < count
    assert len(shop.results("r.jsonl")) == made(shop)
    shop.hook("loja", "")
    run = batchcart.run(new_carts("loja", count), results="r.jsonl")
    assert sorted(result.line for result in run) == list(range(1, count + 1))
    assert made(shop) == count


def test_results_come_in_the_callers_loop_and_the_summary_after_them(shop: Cli) -> None:
    async def script() -> tuple[list[batchcart.Result], batchcart.Summary]:
        async with batchcart.arun(new_carts("loja", 3), results="r.jsonl") as run:
            found = [result async for result in run]
        return found, run.summary

    found, summary = asyncio.run(script())

    assert sorted(result.line for result in found) == [1, 2, 3]
    assert summary.totals["ok"] == 3
    assert list(batchcart.read_results("r.jsonl")) == found


def test_breaking_out_of_the_loop_stops_politely(shop: Cli) -> None:
    shop.hook("loja", "delay")

    async def script() -> None:
        async for result in batchcart.arun(new_carts("loja", 12), results="r.jsonl", concurrency=2):
            assert result.status == "ok"
            break

    asyncio.run(script())

    check_it_goes_on(shop, 12)


def test_closing_the_run_stops_it_politely_and_returns_when_it_is_over(shop: Cli) -> None:
    shop.hook("loja", "delay")

    async def script() -> None:
        run = batchcart.arun(new_carts("loja", 12), results="r.jsonl", concurrency=2)
        await anext(aiter(run))
        await run.aclose()
        assert not threads_of_runs()

    asyncio.run(script())

    check_it_goes_on(shop, 12)


def test_a_run_that_was_closed_early_has_the_figures_of_what_it_did(shop: Cli) -> None:
    shop.hook("loja", "delay")

    async def script() -> batchcart.Summary:
        async with batchcart.arun(new_carts("loja", 12), results="r.jsonl", concurrency=1) as run:
            async for _ in run:
                break
        return run.summary

    summary = asyncio.run(script())

    assert summary.exit_code == 3
    assert summary.totals["ok"] + summary.totals["not_attempted"] == 12


def test_a_cancelled_task_stops_its_run_politely(shop: Cli) -> None:
    shop.hook("loja", "delay")

    async def script() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            async for _ in batchcart.arun(new_carts("loja", 12), results="r.jsonl", concurrency=2):
                begun.set()

        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(script())

    check_it_goes_on(shop, 12)


def test_a_job_that_takes_long_to_read_does_not_hold_up_the_callers_loop(shop: Cli) -> None:
    gate = threading.Event()

    def operations() -> list[Line]:
        gate.wait(20)  # as long as the caller's loop likes
        return new_carts("loja", 1)

    class Slow:
        def __iter__(self) -> Iterator[Line]:
            return iter(operations())

    async def script() -> list[int]:
        async def work() -> list[int]:
            return [result.line async for result in batchcart.arun(Slow(), results="r.jsonl")]

        task = asyncio.create_task(work())
        for _ in range(5):
            await asyncio.sleep(0.01)
        gate.set()
        return await task

    assert asyncio.run(script()) == [1]


def test_a_script_that_reads_slowly_holds_its_run_back_and_leaves_it_cleanly(shop: Cli) -> None:
    held = 1000  # results that wait for their reader at the most
    lines = [{"op": "cart.count", "account": "sklep"}] * (held + 500)

    def asked() -> int:
        return shop.endpoint("sklep").saw.requests.total()

    def is_held_back() -> bool:
        before = asked()
        time.sleep(0.3)
        return held < before == asked()

    async def script() -> None:
        async for _ in batchcart.arun(lines, results="r.jsonl", concurrency=64):
            await asyncio.to_thread(until, is_held_back)
            break

    asyncio.run(script())

    assert asked() < len(lines)
    assert not threads_of_runs()


def test_errors_are_raised_where_the_run_is_iterated_over(shop: Cli) -> None:
    async def script(job: object) -> None:
        async for _ in batchcart.arun(job, results="r.jsonl"):  # type: ignore[arg-type]
            pass

    with pytest.raises(batchcart.BadLines, match="operations:2: "):
        asyncio.run(script([create("acme"), line("acme", "cart.make")]))
    with pytest.raises(batchcart.UsageError, match="operations:1: "):
        asyncio.run(script([{"op": object()}]))
    with pytest.raises(TypeError, match="nonsense"):
        batchcart.arun([], results="r.jsonl", nonsense=1)  # type: ignore[call-arg]
    assert shop.requests() == 0


def test_events_reach_the_callers_function_and_the_standard_log(shop: Cli, caplog: pytest.LogCaptureFixture) -> None:
    told: list[batchcart.Event] = []

    def on_event(event: batchcart.Event) -> None:
        told.append(event)
        raise ValueError("the caller's own")

    with caplog.at_level(logging.INFO, "batchcart"):
        list(batchcart.run(new_carts("loja", 2), results="r.jsonl", on_event=on_event))

    assert [type(event).__name__ for event in told] == ["RunStarted", "RunFinished"]
    logged = [record for record in caplog.records if hasattr(record, "event")]
    assert [record.getMessage() for record in logged] == [str(event) for event in told]
    assert [record.levelname for record in logged] == ["INFO", "INFO"]
    assert sum("on_event failed" in record.getMessage() for record in caplog.records) == 2
    assert [result["status"] for result in shop.results("r.jsonl")] == ["ok", "ok"]
