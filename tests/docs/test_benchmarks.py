"""Owns the benchmarks' own tests: that they generate, serve, measure and report; figures are theirs to find."""

import itertools
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import generate
import machine
import msgspec
import pytest
import run
import where
import windowserver
import workbench
from figures import Curve, Figure, Report, Row, Table
from loadserver import LoadServer, installed, load_server
from processes import Failed, python, serving, signal_at, weigh
from rounds import best_ratio, interleaved, ratio

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server("raw") as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, server: LoadServer) -> workbench.Bench:
    return workbench.Bench(tmp_path, server, quick=True)


def made(mix: str, lines: int, accounts: int = 1, seed: int = 1) -> list[dict[str, object]]:
    return [json.loads(line) for line in generate.lines(generate.Job(lines, mix, accounts, seed))]


@pytest.mark.parametrize("mix", generate.MIXES)
def test_a_seed_gives_the_same_job_and_another_seed_another_one(mix: str) -> None:
    assert made(mix, 50) == made(mix, 50)
    assert made(mix, 50) != made(mix, 50, seed=2)


def test_carts_have_three_to_five_lines_that_lie_far_apart() -> None:
    lines = made("carts", 1000)
    places: dict[object, list[int]] = {}
    for place, line in enumerate(lines):
        places.setdefault(line["cart"], []).append(place)

    assert {len(found) for found in list(places.values())[:-1]} == {3, 4, 5}
    assert min(b - a for found in places.values() for a, b in itertools.pairwise(found)) > 50


def test_accounts_get_equal_shares_of_the_carts() -> None:
    assert Counter(line["account"] for line in made("creates", 100, accounts=4)) == dict.fromkeys(
        ["a0", "a1", "a2", "a3"], 25
    )


@pytest.mark.parametrize("mix", ["carts", "both-creates"])
def test_batchcart_runs_every_kind_of_generated_line_to_ok(bench: workbench.Bench, mix: str) -> None:
    config = bench.config(accounts=2, tray=(1,) if mix == "both-creates" else ())
    done = bench.run(bench.job(generate.Job(40, mix, 2)), config)

    assert done.lines == 40
    assert done.ended.began < done.began < done.ended.ended


@pytest.mark.skipif(installed("nginx") is None, reason="nginx is not installed")
def test_nginx_answers_changes_of_a_cart_and_of_its_items_each_in_its_own_row(tmp_path: Path) -> None:
    with load_server("nginx") as running:
        bench = workbench.Bench(tmp_path, running, quick=True)
        done = bench.run(bench.job(generate.Job(40, "carts")), bench.config())

    assert done.lines == 40


@pytest.mark.parametrize("kind", ["tuned", "default"])
def test_a_bare_loop_sends_each_line_once(bench: workbench.Bench, kind: str) -> None:
    job = bench.job(generate.Job(30, "both-creates", 2))
    ended = weigh([*python("bare.py"), job, bench.server.origin, kind, "--concurrency", "4"])

    assert json.loads(ended.output)["operations"] == 30


def test_a_shop_with_a_window_refuses_what_is_too_much_and_counts() -> None:
    with serving([*python("windowserver.py"), "3", "60"]) as port:
        origin = f"http://127.0.0.1:{port}"
        statuses = [_status(f"{origin}/3dCartWebAPI/v1/Cart") for _ in range(5)]
        with urllib.request.urlopen(f"{origin}/seen") as answer:
            seen = json.loads(answer.read())

    assert statuses == [201, 201, 201, 429, 429]
    assert (seen["let_through"], seen["refused"]) == (3, 2)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST")) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_a_window_opens_when_its_oldest_request_is_a_window_old() -> None:
    window = windowserver.Window(2, 10.0)

    assert [window.ask(now) for now in (1.0, 2.0, 10.9, 11.0, 11.5, 12.0)] == [True, True, False, True, False, True]


def test_the_hammer_counts_answers(server: LoadServer) -> None:
    assert float(weigh([*python("hammer.py"), server.origin, "0.1"]).output) > 100


def test_a_process_is_weighed_and_one_that_fails_is_an_error() -> None:
    ended = weigh([sys.executable, "-c", "print(sum(range(3_000_000)))"])

    assert ended.output.strip() == str(sum(range(3_000_000)))
    assert 0 < ended.cpu <= ended.wall + 0.1
    assert ended.peak > 5_000
    with pytest.raises(Failed, match="ended with 4"):
        weigh([sys.executable, "-c", "raise SystemExit(4)"])


def test_a_process_is_interrupted_when_its_file_has_grown(tmp_path: Path) -> None:
    code = "import time; f = open('grown', 'wb', 0)\nwhile True: f.write(bytes(100)); time.sleep(.01)"
    ended = weigh([sys.executable, "-c", code], cwd=tmp_path, codes=(-2,), meanwhile=signal_at(tmp_path / "grown", 300))

    assert ended.code == -2


def test_the_measuring_process_imports_nothing_large() -> None:
    rows = ", ".join(["run", *run.ROWS.values()])
    large = "{'aiohttp', 'pygal', 'click', 'rich', 'asyncio'}"
    said = weigh([sys.executable, "-c", f"import sys, {rows}; print({large} & set(sys.modules))"], cwd=BENCHMARKS)

    assert said.output.strip() == "set()"


def test_a_measured_process_does_not_compile_its_modules_anew_each_time() -> None:
    said = weigh(
        [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"], env={"PYTHONDONTWRITEBYTECODE": "1"}
    )

    assert said.output.strip() == "False"


def test_samples_count_for_the_innermost_module_or_for_the_client() -> None:
    own, client = "say (/x/batchcart/engine/lane.py:3)", "_request (/y/site-packages/aiohttp/client.py:9)"
    loop = "run_async (/x/batchcart/runs/event_loop.py:25)"
    samples = [
        (f"thread (0x1): MainThread;run (asyncio/runners.py:1);{own}", 6),
        (f"thread (0x1): MainThread;{own};{client}", 3),
        (f"thread (0x1): MainThread;{own};replace (dataclasses.py:1)", 1),
        (f"thread (0x1): MainThread;{loop};select (selectors.py:468)", 40),
        (f"thread (0x2): batchcart-journal;{own}", 50),
    ]
    rows = where.folded("\n".join(f"{stack} {count}" for stack, count in samples), "asyncio").rows

    assert rows[:2] == [["engine/lane.py", "70.0 %"], ["the client: aiohttp and the event loop", "30.0 %"]]


def test_samples_of_the_loop_itself_count_for_the_client() -> None:
    samples = "thread (0x1): MainThread;run_async (/x/batchcart/runs/event_loop.py:25) 5"

    assert where.folded(samples, "uvloop").rows[0] == ["the client: aiohttp and the event loop", "100.0 %"]


def test_rounds_take_turns_and_ratios_are_medians_of_rounds() -> None:
    order: list[str] = []
    numbers = {"a": iter([2.0, 8.0, 9.0]), "b": iter([1.0, 2.0, 3.0])}

    def measured(name: str) -> dict[str, float]:
        order.append(name)
        return {"rate": next(numbers[name])}

    rates = interleaved({"a": lambda: measured("a"), "b": lambda: measured("b")}, 3)["rate"]

    assert [set(order[at : at + 2]) for at in (0, 2, 4)] == [{"a", "b"}] * 3
    assert (ratio(rates, "a", "b"), best_ratio(rates, "a", "b")) == (3.0, 3.0)


STORED = Report(
    "2026-01-02",
    quick=False,
    machine={"cores": "2"},
    versions={"aiohttp": "3"},
    server={"load server": "raw"},
    rows=[
        Row(
            "speed",
            "Speed",
            [
                Figure("rate", ">= 0.90 times", 0.95, "times", bound=0.9),
                Figure("share", "<= 15 %", 21.0, "%", bound=15.0, greater=False),
                Figure("said only", "", 1234.5, "/s", detail="best 1,300"),
            ],
            [Table("Rates", ["", "rate"], [["a | b", "1"]])],
            [
                Curve("cost", "Cost", "lines", "s", {"batchcart": [(1.0, 2.0), (10.0, 20.0)]}),
                Curve("rates", "Rates", "", "1/s", {"a": [(0.0, 3.0)], "b": [(0.0, 5.0)]}, bars=True),
            ],
            ["A note."],
        )
    ],
)


def test_a_report_is_made_from_stored_figures(tmp_path: Path) -> None:
    stored = tmp_path / "stored.json"
    stored.write_bytes(msgspec.json.encode(STORED))
    weigh([*python("report.py"), stored, tmp_path])
    text = (tmp_path / "REPORT.md").read_text()

    assert "| rate | >= 0.90 times | 0.95 times | met |" in text
    assert "| share | <= 15 % | 21.00 % | **not met** |" in text
    assert "| said only | – | 1,234/s (best 1,300) |  |" in text
    assert "| a \\| b | 1 |" in text
    assert "![Cost](plots/cost.svg)" in text
    for name in ("cost", "rates"):
        drawn = (tmp_path / "plots" / f"{name}.svg").read_text()
        assert drawn.startswith("<svg")
        assert "<script" not in drawn


def test_the_machine_is_named_by_processor_system_and_python() -> None:
    assert set(machine.machine()) == {"processor", "cores", "memory", "system", "Python"}
    assert all(machine.machine().values())
    assert machine.versions()["aiohttp"][0].isdigit()


def test_every_row_has_a_script_and_a_line_in_the_guide() -> None:
    guide = (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text()

    assert [
        f"| `{row}` | `{script}.py` |" for row, script in run.ROWS.items() if f"`{row}` | `{script}.py`" not in guide
    ] == []
    assert all((BENCHMARKS / f"{script}.py").exists() for script in run.ROWS.values())


def test_the_command_explains_itself() -> None:
    said = subprocess.run([*python("run.py"), "--help"], capture_output=True, text=True, check=True).stdout

    assert "--quick" in said
    assert "--only" in said
