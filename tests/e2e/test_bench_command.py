"""Benchmark runs: the synthetic job, what is measured of it, who must have allowed it, what is left of it."""

import json
import math
import os
import signal
import subprocess
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Cli, Ended, argv, batchcart, environment, until
from hypothesis import given
from hypothesis import strategies as st

from batchcart.bench.metrics import RequestTrace, count_allowed, limit_use, plan_time, times_from_plan, times_of
from batchcart.bench.workload import Mix, job_lines, parse_mix
from batchcart.cli.commands.bench import command
from batchcart.model.errors import UsageError
from batchcart.model.limits import parse_limit

FIGURES = {"operations", "requests", "retries", "throttled", "service_ms", "from_plan_ms", "limit_use", "cpu_us"}


def bench(folder: Path, *words: str | Path, code: int | None = None) -> Ended:
    return batchcart("bench", "--progress", "none", *words, folder=folder, code=code)


# Against the sandbox


@pytest.mark.parametrize("platform", ["3dcart", "tray", "shoplo"])
def test_every_step_of_a_mix_ends_ok_on_every_platform(tmp_path: Path, platform: str) -> None:
    words = ("--platform", platform, "--mix", "mixed", "--carts", "4", "--accounts", "2", "--json")
    found = bench(tmp_path, *words, code=0).figures
    figures = found["figures"]
    assert figures.keys() >= FIGURES
    assert (figures["operations"], figures["not_ok"]) == (28, 0)
    assert figures["requests"] >= 28
    assert figures["from_plan_ms"] is figures["limit_use"] is None
    ordered = [figures["service_ms"][rank] for rank in ("p50", "p90", "p99", "p99.9", "max")]
    assert ordered == sorted(ordered)
    assert ordered[0] > 0
    assert found["settings"] | {"platform": platform, "accounts": 2, "limits": "none"} == found["settings"]
    assert list(tmp_path.iterdir()) == []


def test_a_limit_makes_a_plan_and_is_used(tmp_path: Path) -> None:
    found = bench(tmp_path, "--limit", "20/s", "--carts", "8", "--items", "1", "--json", code=0).figures["figures"]
    assert found["operations"] == 16
    assert 0.4 < found["limit_use"] <= 1.02
    assert found["from_plan_ms"]["max"] >= found["service_ms"]["max"]
    assert found["requests_per_second"] < 25


def test_an_earlier_benchmark_is_shown_beside_with_what_differs(tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text(bench(tmp_path, "--carts", "3", "--json", "--keep", "kept", code=0).out)
    assert {"job.jsonl", "results.jsonl", "results.jsonl.journal"} <= {
        path.name for path in (tmp_path / "kept").iterdir()
    }
    shown = bench(tmp_path, "--carts", "4", "--compare", "earlier.json", code=0).out
    (rate,) = [line.split() for line in shown.splitlines() if line.startswith("operations/s")]
    assert float(rate[-1]) == pytest.approx(float(rate[1].replace(",", "")) / float(rate[2].replace(",", "")), rel=0.05)
    assert "earlier.json differs in carts: 3, now 4" in shown
    assert "differs in mix" not in shown


def test_a_signal_ends_it_with_figures_and_no_process_is_left(tmp_path: Path) -> None:
    words = argv("bench", "--limit", "5/s", "--carts", "200", "--json", "--progress", "none", "--keep", "kept")
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        results = tmp_path / "kept" / "results.jsonl"
        until(lambda: results.exists() and results.read_bytes())
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"Traceback" not in err
    found = json.loads(out)
    assert 0 < found["figures"]["operations"] < 800
    assert found["figures"]["not_ok"] == 0
    until(lambda: not _alive(process.pid))


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_sandbox_ends_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    words = argv("bench", "--limit", "5/s", "--carts", "200", "--progress", "none", "--keep", "kept")
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        until((tmp_path / "kept" / "results.jsonl").exists)
        process.kill()
        assert b"Traceback" not in process.communicate(timeout=60)[1]
    until(lambda: not _alive(process.pid))


# Against a shop


def test_an_account_that_does_not_allow_it_is_refused_and_nothing_is_sent(shop: Cli) -> None:
    err = bench(shop.folder, "--account", "loja", "--product", "5", code=2).err
    assert "account 'loja' does not allow benchmarks" in err
    assert "set allow_bench = true under [accounts.loja] in batchcart.toml" in err
    assert shop.requests() == 0


def test_carts_made_in_a_shop_are_deleted_afterwards(shop: Cli) -> None:
    shop.configure(loja={"allow_bench": True})
    ended = bench(shop.folder, "--account", "loja", "--product", "5", "--carts", "3", code=0)
    assert "3 carts of the benchmark deleted again" in ended.out
    effects = shop.endpoint("loja").saw.effects
    assert (effects["create"], effects["delete"]) == (3, 3)
    assert shop.endpoint("loja").shop.carts == {}


def test_carts_that_may_be_left_are_told(shop: Cli) -> None:
    shop.configure(acme={"allow_bench": True, "timeout": 0.5})
    seen: list[str] = []

    def lose_the_first_create(call: Any) -> str | None:
        seen.append(call.route)
        return "reset-after" if seen == ["POST Cart"] else None

    shop.hook("acme", lose_the_first_create)
    ended = bench(shop.folder, "--account", "acme", "--product", "5", "--carts", "3", "--mix", "create=1", code=1)
    assert "2 carts of the benchmark deleted again" in ended.out
    assert "1 cart left in the shop, or perhaps left" in ended.out
    assert len(shop.endpoint("acme").shop.carts) == 1


def test_a_create_that_an_account_left_under_way_when_it_was_given_up_may_be_left(shop: Cli) -> None:
    shop.configure(sklep={"allow_bench": True})
    shop.hook("sklep", lambda call: "reset-after" if call.route.startswith("POST") else "401")
    words = ("--product", "5", "--carts", "1", "--mix", "create=1", "--json")
    found = bench(shop.folder, "--account", "sklep", *words, code=3).figures

    assert shop.endpoint("sklep").saw.effects["create"] == 1
    assert (found["deleted"], found["left"]) == (0, 1)
    assert "sklep" in found["stopped"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--account", "nobody"], "'nobody' is not in batchcart.toml"),
        (["--account", "sandbox-tray"], "give --platform instead"),
        (["--account", "loja"], "--product ID is missing"),
        (["--account", "loja", "--limit", "2/s"], "--account has its own"),
        (["--account", "loja", "--product", "12½"], "--product '12½' is not a product id"),
        (["--platform", "shoplo", "--product", "x"], "--product 'x' is not a product id"),
        (["--platform", "shoplo", "--product", "9" * 30], "is not a product id"),
        (["--platform", "magento"], "'magento' is not a platform"),
        (["--limit", "often"], "is not a limit"),
        (["--keep", "job/there"], "--keep job/there"),
        (["--mix", "buy=1"], "'buy' is not a step"),
        (["--mix", "imports"], "create=1,add=3,get=1"),
        (["--compare", "batchcart.toml"], "is not what"),
        (["--compare", "nosuch.json"], "nosuch.json"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    shop: Cli, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(shop.folder)
    shop.configure(loja={"allow_bench": True})
    with pytest.raises(UsageError) as wrong:
        command.main(words, standalone_mode=False)
    assert told in str(wrong.value)
    assert shop.requests() == 0


# The job


def test_a_mix_reads_back_as_it_is_written() -> None:
    assert parse_mix("create=1,add=3,get=1") == Mix(1, 3, 0, 1, 0)
    assert parse_mix("import") == parse_mix("add=3")
    assert str(parse_mix("mixed")) == "create=1,add=2,update=1,get=2,delete=1"
    for wrong in ("", "create", "create=2", "delete=2", "add=-1", "add=1,add=2", "add=1001"):
        with pytest.raises(UsageError):
            parse_mix(wrong)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 20), st.integers())
def test_the_same_seed_makes_the_same_job(adds: int, gets: int, carts: int, seed: int) -> None:
    mix, accounts = Mix(1, adds, 0, gets, 1), [("a", "tray"), ("b", "shoplo")]
    lines = list(job_lines(mix, accounts, carts, "7", seed))
    assert lines == list(job_lines(mix, accounts, carts, "7", seed))
    assert len(lines) == carts * mix.operations
    for number in range(carts):
        ops = [line["op"] for line in lines if line["cart"] == f"c{number}"]
        assert (ops[0], ops[-1]) == ("cart.create", "cart.delete")
        assert (ops.count("item.add"), ops.count("cart.get")) == (adds, gets)


# The figures


def test_percentiles_are_figures_that_occurred() -> None:
    found = times_of(number / 1000 for number in range(1, 1001))
    assert (found.p50, found.p90, found.p99, found.p999, found.max) == (500, 900, 990, 999, 1000)
    assert times_of([]).max == 0


@given(
    st.lists(st.sampled_from(["20/s", "180/min", "10000/day", "bucket 50 leak 2/s", "18/2s"]), min_size=1, max_size=3),
    st.integers(0, 2000),
)
def test_a_plan_never_goes_back_and_keeps_what_the_limits_allow(texts: list[str], number: int) -> None:
    limits = [parse_limit(text) for text in texts]
    places = [plan_time(limits, each) for each in range(number, number + 50)]
    assert all(earlier <= later for earlier, later in pairwise(places))
    assert number + 1 <= count_allowed(limits, plan_time(limits, number)) + 1e-6


def test_a_request_that_waited_for_a_slow_one_counts_its_wait() -> None:
    tape = RequestTrace([parse_limit("10/s")], array("d", [100.0, 105.0, 105.1]), array("d", [105.0, 105.1, 105.2]))
    found = times_from_plan([tape], 100.0)
    assert found is not None
    assert found.max == pytest.approx(5000)
    assert found.p50 == pytest.approx(5000)  # planned for 100.1 and 100.2, answered at 105.1 and 105.2
    assert times_from_plan([RequestTrace([])], 0.0) is None


def test_the_use_of_a_limit_is_what_was_sent_of_what_was_allowed() -> None:
    even = array("d", [number / 10 for number in range(101)])
    half = array("d", [number / 5 for number in range(51)])
    assert limit_use([RequestTrace([parse_limit("10/s")], even, even)]) == 1.0
    assert limit_use([RequestTrace([parse_limit("10/s")], half, half)]) == pytest.approx(0.505, abs=0.001)
    assert limit_use([RequestTrace([], even, even)]) is None
    assert math.isinf(count_allowed([], 1.0))
