"""A job run from Python: results as they end, resuming, leaving early, errors, exact numbers."""

import asyncio
import importlib
import resource
import subprocess
import sys
import tempfile
import threading
import time
import types
from decimal import Decimal
from pathlib import Path

import pytest
from cli_harness import Cli, ShopServer, create, get, line, new_carts, open_cli_here, until

import batchcart


@pytest.fixture
def shop(shop_server: ShopServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return open_cli_here(shop_server, tmp_path, monkeypatch)


def test_a_disk_without_room_for_the_operations_is_a_sentence(shop: Cli) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(batchcart.UsageError, match="no room for the operations: File too large; nothing was sent"):
            batchcart.run(new_carts("loja", 3), results="r.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not shop.requests()


def test_results_come_as_they_end_and_the_summary_after_them(shop: Cli) -> None:
    job = shop.job([create("acme"), create("loja"), get("acme")])
    run = batchcart.run(job)
    found = list(run)
    assert sorted(result.line for result in found) == [1, 2, 3]
    assert {result.status for result in found} == {batchcart.Status.OK}
    assert next(result for result in found if result.line == 1).names["OrderKey"]
    assert run.summary.totals["ok"] == run.summary.lines == 3
    assert run.summary.exit_code == 0
    assert list(batchcart.read_results(shop.folder / "job.results.jsonl")) == found


def test_the_first_result_comes_before_the_last_line_is_sent(shop: Cli) -> None:
    shop.hook("loja", "delay")
    with batchcart.run(new_carts("loja", 60), results="r.jsonl", concurrency=1) as run:
        for result in run:
            assert result.line == 1
            assert shop.endpoint("loja").saw.effects["create"] < 60
            break


def test_leaving_the_loop_stops_politely_and_the_same_call_goes_on(shop: Cli) -> None:
    shop.hook("loja", "delay")
    for result in batchcart.run(new_carts("loja", 120), results="r.jsonl", concurrency=2):
        assert result.status == "ok"
        break
    done = shop.endpoint("loja").saw.effects["create"]
    assert done < 120
    assert len(shop.results("r.jsonl")) == done
    shop.hook("loja", "")
    run = batchcart.run(new_carts("loja", 120), results="r.jsonl")
    found = list(run)
    assert [result.line for result in found[:done]] == [one["line"] for one in shop.results("r.jsonl")[:done]]
    assert sorted(result.line for result in found) == list(range(1, 121))
    assert shop.endpoint("loja").saw.effects["create"] == 120
    assert not run.summary.nothing_to_do
    assert list(batchcart.run(new_carts("loja", 120), results="r.jsonl")) == found


@pytest.mark.parametrize("count", [1001, 1003])
def test_a_run_is_left_cleanly_when_more_results_wait_than_are_kept(shop: Cli, count: int) -> None:
    lines = [{"op": "cart.count", "account": "sklep"}] * count
    run = batchcart.run(lines, results="r.jsonl", concurrency=64)
    with run:
        results = iter(run)
        next(results)
        # Then it waits for its reader, or has ended and cannot say so.
        until(lambda: sum(shop.endpoint("sklep").saw.requests.values()) == count)
        time.sleep(0.3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batchcart")]
    assert len(list(batchcart.run(lines, results="r.jsonl"))) == count


def test_errors_are_raised_where_the_run_is_iterated_over(shop: Cli) -> None:
    with pytest.raises(batchcart.BadLines) as bad:
        list(batchcart.run([create("acme"), line("acme", "cart.make")], results="r.jsonl"))
    assert bad.value.total == 1
    assert bad.value.problems[0].startswith("operations:2: ")
    with pytest.raises(batchcart.UsageError, match=r"nosuch\.toml"):
        list(batchcart.run(new_carts("loja", 1), results="r.jsonl", config="nosuch.toml"))
    with pytest.raises(batchcart.UsageError, match=r"nosuch\.jsonl"):
        list(batchcart.run("nosuch.jsonl"))
    assert shop.requests() == 0
    assert issubclass(batchcart.BadLines, batchcart.UsageError)
    assert issubclass(batchcart.Stopped, batchcart.BatchcartError)


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"patience": -1.0}, {"patience": float("nan")}])
def test_options_out_of_range_are_refused_at_once(shop: Cli, options: dict[str, float]) -> None:
    with pytest.raises(batchcart.UsageError, match=next(iter(options))):
        batchcart.run(new_carts("loja", 1), results="r.jsonl", **options)  # type: ignore[arg-type]


def test_operations_need_a_name_for_their_results_and_must_be_json(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(shop.folder))
    before = set(shop.folder.iterdir())
    with pytest.raises(batchcart.UsageError, match="results=PATH"):
        batchcart.run(new_carts("loja", 1))
    with pytest.raises(batchcart.UsageError, match="operations:2: "):
        batchcart.run([create("acme"), {**create("acme", "c2"), "data": {"CustomerId": object()}}], results="r.jsonl")
    assert set(shop.folder.iterdir()) == before


def test_nothing_of_a_run_is_left_in_the_temporary_folder(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = shop.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with batchcart.run(new_carts("loja", 1), results="r.jsonl"):
        pass
    list(batchcart.run(new_carts("loja", 1), results="r.jsonl"))
    assert list(temporary.iterdir()) == []


def test_any_mapping_is_an_operation_and_decimals_reach_the_shop_exactly(shop: Cli) -> None:
    exact = Decimal("0.1000000000000000055511151231257827")
    data = types.MappingProxyType({"CatalogID": 5, "ItemQuantity": exact})
    lines = [types.MappingProxyType(create("acme")), {**line("acme", "item.add"), "data": data}]
    assert [result.status for result in batchcart.run(iter(lines), results="r.jsonl")] == ["ok", "ok"]
    (cart,) = shop.endpoint("acme").shop.carts.values()
    (item,) = cart["items"].values()
    assert item["ItemQuantity"] == str(exact)


def test_a_run_works_inside_a_running_loop(shop: Cli) -> None:
    async def script() -> int:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.01)

        heart = asyncio.create_task(beat())
        found = await asyncio.to_thread(lambda: list(batchcart.run(new_carts("loja", 3), results="r.jsonl")))
        heart.cancel()
        assert len(list(batchcart.run(new_carts("loja", 3), results="r.jsonl"))) == len(found)
        return beats

    assert asyncio.run(script()) > 1


def test_a_run_is_iterated_over_once_and_has_no_summary_before(shop: Cli) -> None:
    run = batchcart.run(new_carts("loja", 1), results="r.jsonl")
    with pytest.raises(RuntimeError, match="not over"):
        _ = run.summary
    list(run)
    with pytest.raises(RuntimeError, match="once"):
        list(run)


def test_another_process_on_the_same_results_is_a_usage_error(shop: Cli) -> None:
    shop.hook("loja", "delay")
    with batchcart.run(new_carts("loja", 60), results="r.jsonl", concurrency=1) as run:
        results = iter(run)
        next(results)
        with pytest.raises(batchcart.UsageError, match="in use by another run") as held:
            list(batchcart.run(new_carts("loja", 60), results="r.jsonl"))
        assert "this same process" in str(held.value)
        assert "kill" not in str(held.value)


def test_a_run_that_was_left_early_has_the_figures_of_what_it_did(shop: Cli) -> None:
    shop.hook("loja", "delay")
    with batchcart.run(new_carts("loja", 12), results="r.jsonl", concurrency=1) as run:
        for _ in run:
            break
    assert run.summary.exit_code == 3
    assert run.summary.totals["ok"] + run.summary.totals["not_attempted"] == 12


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"Anna", "bytes is not a JSON value"),
        ([{"a": bytearray(b"x")}], "bytearray is not a JSON value"),
        (float("nan"), "nan is not a JSON value; leave out the key"),
        (float("inf"), "inf is not a JSON value"),
    ],
)
def test_what_json_cannot_hold_is_refused_and_not_written_as_something_else(
    shop: Cli, value: object, told: str
) -> None:
    operations = [{**create("acme"), "data": {"BillingFirstName": value}}]
    with pytest.raises(batchcart.UsageError, match=f"operations:1: not an operation: {told}"):
        batchcart.run(operations, results="r.jsonl")


def test_results_that_are_not_there_are_a_usage_error(shop: Cli) -> None:
    with pytest.raises(batchcart.UsageError, match=r"nope.jsonl does not exist; give the result file of a run"):
        list(batchcart.read_results("nope.jsonl"))


def test_every_public_name_is_there_and_documented() -> None:
    assert set(batchcart.__all__) == {*batchcart._HOMES, "__version__"}
    for name, home in batchcart._HOMES.items():
        found = getattr(batchcart, name)
        assert found is getattr(importlib.import_module(f"batchcart.{home}"), name)
        assert found.__doc__
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = batchcart.nothing_such


def test_importing_the_package_is_quick() -> None:
    program = "import sys, batchcart; print({'aiohttp', 'msgspec', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_line_that_is_no_result_is_named_and_an_old_number_out_of_range_is_read(tmp_path: Path) -> None:
    line = b'{"line":1,"account":"a","platform":"shoplo","op":"cart.count","status":"ok","body":{"count":%s}}\n'
    path = tmp_path / "r.jsonl"
    path.write_bytes(line % b"1e400" + line % b"2.5")
    assert [result.body for result in batchcart.read_results(path)] == [{"count": "1e400"}, {"count": 2.5}]
    for bad in (b"[1]\n", b'{"line":\n', b"\n", b"{}\n", line % (b"[" * 5000), line.replace(b'"ok"', b'"fine"') % b"1"):
        path.write_bytes(line % b"7" + bad)
        with pytest.raises(batchcart.UsageError, match=r"r\.jsonl:2: not a result line"):
            list(batchcart.read_results(path))


def test_a_run_from_python_may_have_as_many_files_open_as_the_system_allows(tmp_path: Path) -> None:
    program = """
import resource
import batchcart
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, most))
run = batchcart.run([{"op": "cart.get", "account": "sandbox-tray", "cart_id": "k"}], results="r.jsonl")
print(len(list(run)), resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert ended.stdout == "1 True\n"
