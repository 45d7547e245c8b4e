"""The journal forgets nothing: killed at any write, on a disk that fails at any write, damaged or foreign."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import failing_disk
import kill_storm
import pytest
from engine_harness import Harness, Line
from in_memory_shops import Shops

from batchcart.runs.paths import journal_path

SUPPORT = Path(__file__).parents[1] / "support"


def small_job() -> list[Line]:
    return kill_storm.job(11, 4)


def writes_of_a_run(folder: Path) -> list[str]:
    """The names of the files that a run of the small job writes to, one a write."""
    names: list[str] = []
    with TemporaryDirectory(dir=folder) as place:
        Harness(Path(place), small_job(), Shops()).run(during=failing_disk.biting(lambda path: names.append(path.name)))
    return names


def from_the_nth(number: int, harm: int, name: str = "") -> failing_disk.Bite:
    """Harm to the ``number``-th write, to files whose names end so, and to all after it."""
    left = number

    def bite(path: Path) -> int | None:
        nonlocal left
        if not path.name.endswith(name):
            return None
        left -= 1
        return harm if left <= 0 else None

    return bite


def creates(shops: Shops) -> int:
    """How many carts were made at 3dcart."""
    made: int = shops.sandbox.counters()["3dcart"][""]["effects"].get("create", 0)
    return made


def check(lines: list[Line], results: list[Line], shops: Shops) -> None:
    assert kill_storm.wrong(lines, results, shops.sandbox.state()) == []
    assert shops.troubles == []
    ended = [result["status"] for result in results if (result["platform"], result["op"]) == ("3dcart", "cart.create")]
    assert ended.count("ok") + ended.count("in_doubt") == creates(shops)


@pytest.mark.parametrize(
    ("harm", "step"),
    [
        pytest.param(errno.ENOSPC, 2, id="full"),
        pytest.param(errno.EIO, 3, id="failing"),
        pytest.param(failing_disk.SHORT, 3, id="short"),
        *(pytest.param(harm, 1, marks=pytest.mark.long) for harm in (errno.ENOSPC, errno.EIO, failing_disk.SHORT)),
    ],
)
def test_a_disk_that_fails_at_any_write_stops_the_run_and_the_next_one_completes_it(
    tmp_path: Path, harm: int, step: int
) -> None:
    lines = small_job()
    total = len(writes_of_a_run(tmp_path))
    stopped = 0
    for failing in range(1, total + 1, step):
        with TemporaryDirectory() as folder:
            shops = Shops()
            shop = Harness(Path(folder), lines, shops)
            ended = shop.run(during=failing_disk.biting(from_the_nth(failing, harm)))
            stopped += ended.failure is not None
            assert ended.failure or ended.summary.totals["ok"] == len(lines)
            check(lines, shop.run().results, shops)
    assert stopped >= 0.85 * total / step  # the last writes are the run's last word, and no result waits for it


@pytest.mark.parametrize("harm", [errno.ENOSPC, errno.EIO])
def test_a_result_file_that_takes_no_more_stops_the_run_and_the_next_one_completes_it(
    tmp_path: Path, harm: int
) -> None:
    lines = small_job()
    total = writes_of_a_run(tmp_path).count("results.jsonl")
    for failing in range(1, total + 1):
        with TemporaryDirectory() as folder:
            shops = Shops()
            shop = Harness(Path(folder), lines, shops)
            ended = shop.run(during=failing_disk.biting(from_the_nth(failing, harm, "results.jsonl")))
            assert ended.failure or ended.summary.totals["ok"] == len(ended.results) == len(lines)
            check(lines, shop.run().results, shops)


@pytest.mark.parametrize("failing", range(1, 13))
@pytest.mark.parametrize("name", ["results.jsonl", ""])
def test_on_a_full_disk_only_what_was_sent_can_be_in_doubt(tmp_path: Path, failing: int, name: str) -> None:
    lines: list[Line] = [{"op": "cart.create", "account": "local-3dcart", "cart": f"c{n}"} for n in range(12)]
    shops = Shops()
    shop = Harness(tmp_path, lines, shops, concurrency=3)
    ended = shop.run(during=failing_disk.biting(from_the_nth(failing, errno.ENOSPC, name)))
    again = shop.run()

    check(lines, again.results, shops)
    if name:
        assert [result["status"] for result in again.results] == ["ok"] * 12
        assert len(ended.results) <= sum(ended.summary.totals[status] for status in ("ok", "in_doubt"))


def test_a_disk_that_was_full_for_a_moment_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    lines: list[Line] = [{"op": "cart.create", "account": "local-3dcart", "cart": f"c{n}"} for n in range(12)]
    for failing in range(1, 40):
        with TemporaryDirectory() as folder:
            left = failing

            def bite(_path: Path) -> int | None:
                nonlocal left
                left -= 1
                return errno.ENOSPC if left == 0 else None  # it is called within this turn

            shops = Shops(latency=lambda: 0.5)
            shop = Harness(Path(folder), lines, shops, concurrency=3)
            ended = shop.run(during=failing_disk.biting(bite))
            assert ended.failure or left > 0 or ended.summary.totals["ok"] == 12
            assert ended.summary.totals["in_doubt"] == 0
            again = shop.run()
            assert [result["status"] for result in again.results] == ["ok"] * 12


def test_on_a_full_disk_there_is_room_for_the_answers_to_what_is_on_its_way(tmp_path: Path) -> None:
    lines: list[Line] = [{"op": "cart.create", "account": "local-3dcart", "cart": f"c{n}"} for n in range(12)]
    reserve = Path(f"{tmp_path}/results.jsonl.journal.reserve")
    for failing in range(1, 30):
        left = failing

        def bite(_path: Path) -> int | None:
            nonlocal left
            left -= 1
            return errno.ENOSPC if left <= 0 and reserve.exists() else None  # it is called in this turn

        for path in tmp_path.iterdir():
            path.unlink()
        shop = Harness(tmp_path, lines, Shops(latency=lambda: 0.5), concurrency=3)
        ended = shop.run(during=failing_disk.biting(bite))
        assert ended.failure or left > 0
        assert ended.summary.totals["in_doubt"] == 0
        assert [result["status"] for result in shop.run().results] == ["ok"] * 12
    assert not reserve.exists()


def test_short_writes_to_the_result_file_are_completed(tmp_path: Path) -> None:
    lines, shops = small_job(), Shops()
    ended = Harness(tmp_path, lines, shops).run(
        during=failing_disk.biting(lambda path: failing_disk.SHORT if path.name == "results.jsonl" else None)
    )
    assert ended.failure is None
    check(lines, ended.results, shops)


@contextmanager
def imaged(folder: Path, images: Path, shops: Shops) -> Iterator[list[Any]]:
    """Before each write the folder is copied as a SIGKILL would leave it, with what the shops hold at that moment."""
    held: list[Any] = []

    def bite(_path: Path) -> None:
        with shops.still:
            held.append({name: deepcopy(shops.sandbox.shop(name).shop) for name in ("3dcart", "tray", "shoplo")})
            shutil.copytree(folder, images / str(len(held)))

    with failing_disk.biting(bite):
        yield held


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_killed_before_any_write_completes_with_each_effect_once(tmp_path: Path, concurrency: int) -> None:
    lines, shops = small_job(), Shops()
    folder, images = tmp_path / "run", tmp_path / "images"
    folder.mkdir()
    images.mkdir()
    image = imaged(folder, images, shops)
    held = []

    @contextmanager
    def during() -> Iterator[None]:
        with image as found:
            held.append(found)
            yield

    whole = Harness(folder, lines, shops, concurrency=concurrency).run(during=during())
    assert kill_storm.wrong(lines, whole.results, shops.sandbox.state()) == []
    for number, shop_states in enumerate(held[0], 1):
        then = Shops()
        for name, state in shop_states.items():
            then.sandbox.shop(name).shop = state
        before = len(shop_states["3dcart"].carts)
        again = Harness(images / str(number), lines, then).run()
        assert kill_storm.wrong(lines, again.results, then.sandbox.state()) == [], number
        assert then.troubles == []
        assert before + creates(then) <= 2
    assert len(held[0]) > 50


def test_the_journal_is_beside_the_results(tmp_path: Path) -> None:
    Harness(tmp_path, small_job(), Shops()).run()
    assert journal_path(tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize(("most", "code"), [(20_000, 3), (60_000, 3), (120_000, 3)])
def test_a_process_that_may_write_no_more_says_so_and_the_same_command_completes_the_job(
    tmp_path: Path, most: int, code: int
) -> None:
    lines = kill_storm.job(9, 12)
    job, out = kill_storm.write(lines, tmp_path / "job.jsonl"), tmp_path / "results.jsonl"
    with kill_storm.shops(tmp_path) as shops:
        argv, environment = kill_storm.command(job, shops.config, out), kill_storm.environment_of(tmp_path)
        limited = [sys.executable, str(SUPPORT / "limit_file_size.py"), str(most), *argv[argv.index("run") :]]
        first = subprocess.run(limited, env=environment, capture_output=True, text=True, timeout=60, check=False)
        again = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        found, state = kill_storm.results(out), shops.state()

    assert first.returncode == code, first.stderr
    assert "Traceback" not in first.stderr
    assert again.returncode in {0, 1}, again.stderr
    assert kill_storm.wrong(lines, found, state) == []
