"""A run is taken up where it stopped, or refused in words: torn, foreign, deleted and damaged files."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import kill_storm
import pytest
from engine_harness import Harness, plan_job
from in_memory_shops import Shops
from kill_storm import Line

from batchcart.journal.changes import recompute_offsets
from batchcart.journal.queries import has_progress
from batchcart.journal.result_file import repair_result_file
from batchcart.journal.schema import open_existing
from batchcart.journal.summary import Summary
from batchcart.journal.tables import VERSION
from batchcart.model.errors import Stopped, UsageError
from batchcart.runs.monitor import RunMonitor
from batchcart.runs.options import RunOptions
from batchcart.runs.paths import journal_path
from batchcart.runs.runner import run_job
from batchcart.sandbox import Sandbox

LINES = kill_storm.job(7, 5)


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


class Place:
    """A folder with a job, its config and its results, and the shops it is run against."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.sandbox = Sandbox(limits=dict.fromkeys(("3dcart", "tray", "shoplo"), ()))
        self.port = port
        self.job = kill_storm.write(LINES, folder / "job.jsonl")
        self.results = folder / "results.jsonl"
        self.journal = journal_path(self.results)

    def run(self, *, stop_after: int = 10**9, fresh: bool = False) -> Summary:
        return asyncio.run(self._run(stop_after, fresh=fresh))

    async def _run(self, stop_after: int, *, fresh: bool) -> Summary:
        async with self.sandbox.serving(self.port) as origin:
            self.port = int(origin.rpartition(":")[2])
            return await self._run_at(origin, stop_after, fresh=fresh)

    def run_with_shops_down(self) -> Summary:
        return asyncio.run(self._run_at(f"http://127.0.0.1:{self.port or 9}", 10**9, fresh=False))

    async def _run_at(self, origin: str, stop_after: int, *, fresh: bool) -> Summary:
        config = self.folder / "batchcart.toml"
        config.write_text(_config(origin))
        monitor = RunMonitor()
        loop = asyncio.get_running_loop()
        left = stop_after

        def on_line(_text: bytes) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                loop.call_soon_threadsafe(monitor.stop)

        monitor.on_line = on_line
        options = RunOptions(str(self.job), results=self.results, config=config, patience=0.0, fresh=fresh)
        return await run_job(options, monitor)

    def found(self) -> list[Line]:
        return kill_storm.results(self.results)

    def assert_whole(self) -> None:
        assert kill_storm.wrong(LINES, self.found(), self.sandbox.state()) == []


def _config(origin: str) -> str:
    return f"""
[accounts.local-3dcart]
platform = "3dcart"
base_url = "{origin}/3dcart"
secure_url = "https://acme.example"
private_key = "key-of-acme"
token = "token-of-acme"
limits = []
[accounts.local-tray]
platform = "tray"
api_address = "{origin}/tray/web_api"
access_token = "access-of-loja"
limits = []
[accounts.local-shoplo]
platform = "shoplo"
auth = "bearer"
base_url = "{origin}/shoplo"
access_token = "access-of-sklep"
app_id = "1"
limits = []
"""


@pytest.fixture
def half(tmp_path: Path) -> Place:
    """A run that was stopped politely in the middle."""
    place = Place(tmp_path / "run")
    summary = place.run(stop_after=12)
    assert summary.exit_code == 3
    assert summary.stopped == "by a signal"
    return place


def test_a_run_that_was_stopped_goes_on_and_ends_with_one_result_a_line(half: Place) -> None:
    assert half.run().exit_code == 0
    half.assert_whole()
    assert half.run().nothing_to_do


def test_a_result_line_torn_at_any_byte_is_made_whole(half: Place) -> None:
    whole = half.results.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    with closing(open_existing(half.journal)) as connection:
        for end in range(start - 1, len(whole)):
            half.results.write_bytes(whole[:end])
            repair_result_file(connection, half.results)
            assert half.results.read_bytes() == whole
    half.run()
    half.assert_whole()


def test_a_result_file_cut_back_anywhere_is_filled_up(half: Place) -> None:
    whole = half.results.read_bytes()
    with closing(open_existing(half.journal)) as connection:
        for end in range(0, len(whole), 97):
            half.results.write_bytes(whole[:end])
            repair_result_file(connection, half.results)
            assert half.results.read_bytes() == whole


def test_a_result_file_that_was_removed_is_built_anew(half: Place) -> None:
    whole = half.results.read_bytes()
    half.results.unlink()
    half.run()
    assert half.results.read_bytes().startswith(whole)
    half.assert_whole()


def test_zeros_that_a_power_cut_left_in_the_result_file_are_mended(half: Place) -> None:
    whole = half.results.read_bytes()
    with closing(open_existing(half.journal)) as connection:
        for count in (1, 40, 400, 2000):
            half.results.write_bytes(whole[:-count] + bytes(count))
            repair_result_file(connection, half.results)
            assert half.results.read_bytes() == whole


@pytest.mark.parametrize(
    "foreign",
    [
        lambda whole: b'{"line":1,"status":"ok"}\n' * 40,
        lambda whole: whole.replace(b'"status":"ok"', b'"status":"no"'),
        lambda whole: whole + b'{"line":99}\n',
        lambda whole: b"x",
        lambda whole: whole[:-5] + b"xxxx\n",
        lambda whole: whole.replace(b'"attempts":1', b'"attempts":7', 1),
    ],
    ids=["another-job's", "edited", "longer", "no-json", "last-line-edited", "first-line-edited"],
)
def test_a_result_file_that_is_not_this_runs_is_refused_and_left_alone(
    half: Place, foreign: Callable[[bytes], bytes]
) -> None:
    text = foreign(half.results.read_bytes())
    half.results.write_bytes(text)
    effects = half.sandbox.state()
    with pytest.raises(UsageError) as caught:
        half.run()
    assert "does not hold the results of this run" in str(caught.value)
    assert half.results.read_bytes() == text
    assert half.sandbox.state() == effects


@pytest.mark.parametrize(
    "other",
    [
        "x'ff' || substr(text, 2)",
        "substr(text, 1, 60)",
        "replace(text, '\"line\":', '\"line\":9')",
        "text || x'0a7b7d'",
        "text || x'0a'",
    ],
    ids=["no text", "half a line", "another line's", "two lines", "an empty line more"],
)
def test_a_result_that_is_none_is_not_written_from_a_damaged_journal(half: Place, other: str) -> None:
    with closing(open_existing(half.journal)) as connection:
        damage = f"UPDATE result SET text = CAST({other} AS BLOB) WHERE seq = 2"
        connection.execute(damage.replace("(text", "(CAST(text AS TEXT)"))
        recompute_offsets(connection)
    half.results.unlink()
    effects = half.sandbox.state()
    with pytest.raises(Stopped, match=r"is damaged, in its table result: .* Restore a copy of it"):
        half.run()
    assert not half.results.exists()
    assert half.sandbox.state() == effects


def test_results_without_their_journal_are_refused(half: Place) -> None:
    for path in half.folder.glob("results.jsonl.journal*"):
        path.unlink()
    with pytest.raises(UsageError) as caught:
        half.run()
    assert "its journal" in str(caught.value)


def test_a_changed_job_is_refused_with_the_first_line_that_differs(half: Place) -> None:
    half.job.write_text(half.job.read_text().replace('"quantity": 4', '"quantity": 5', 1))
    with pytest.raises(UsageError) as caught:
        half.run()
    changed = next(n for n, line in enumerate(LINES, 1) if line.get("data", {}).get("quantity") == 4)
    assert f"the first difference is line {changed}." in str(caught.value)


def damaged(path: Path, how: str, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    match how:
        case "empty":
            content = bytearray()
        case "text":
            content = bytearray(b"this is no database\n" * 1000)
        case "truncated":
            content = content[: rng.randrange(1, len(content))]
        case "zeros":
            start = rng.randrange(len(content))
            content[start : start + 4096] = bytes(len(content[start : start + 4096]))
        case _:
            for _ in range(int(how)):
                content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["empty", "text", "truncated", "zeros", "1", "10", "1000"])
def test_a_damaged_journal_is_told_in_a_sentence_and_nothing_is_done_twice(
    half: Place, how: str, tmp_path: Path
) -> None:
    rng = random.Random(how)
    refused = 0
    tries = 1 if how in {"empty", "text"} else 12
    for number in range(tries):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(half.folder, copy)
        place = Place(copy, half.port)
        damaged(place.journal, how, rng)
        with suppress(Stopped, UsageError):
            refused -= place.run_with_shops_down().stopped == ""
        refused += 1
    assert refused or how == "1"


def test_a_journal_of_a_newer_version_is_refused(half: Place) -> None:
    with closing(sqlite3.connect(half.journal)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(VERSION + 1),))
        connection.commit()
    with pytest.raises(UsageError) as caught:
        half.run()
    assert "newer batchcart" in str(caught.value)


def test_a_journal_of_an_older_version_is_taken_up_and_from_then_on_is_of_this_one(half: Place) -> None:
    with closing(sqlite3.connect(half.journal)) as connection:
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'version'")
        connection.commit()
    assert half.run().exit_code == 0
    half.assert_whole()
    with closing(sqlite3.connect(half.journal)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == (str(VERSION),)


@pytest.mark.parametrize("version", ["x", "", "-1", "1.5", "9" * 30])
def test_a_journal_whose_version_is_no_number_is_refused(half: Place, version: str) -> None:
    with closing(sqlite3.connect(half.journal)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'version'", (version,))
        connection.commit()
    with pytest.raises(UsageError):
        half.run()


def test_a_plan_of_which_nothing_was_sent_is_made_anew(tmp_path: Path) -> None:
    place = Place(tmp_path / "run")
    place.run_with_shops_down()
    with closing(open_existing(place.journal)) as connection:
        connection.execute("DELETE FROM send")
        assert not has_progress(connection)
    place.job.write_text(place.job.read_text().replace("c0", "cc0"))
    assert place.run_with_shops_down().exit_code == 3


def test_a_fresh_start_keeps_the_old_files_under_a_number(half: Place) -> None:
    old = half.results.read_bytes()
    half.sandbox = Sandbox(limits={"3dcart": (), "tray": (), "shoplo": ()})
    assert half.run(fresh=True).exit_code == 0
    assert Path(f"{half.results}.1").read_bytes() == old
    half.assert_whole()


def test_results_beside_a_journal_that_lost_what_it_had_of_them_are_refused_as_that(tmp_path: Path) -> None:
    harness = Harness(tmp_path, [{"op": "cart.create", "account": "local-3dcart", "cart": "a"}], Shops())
    plan_job(harness)
    harness.results.write_text('{"line":1}\n')
    with pytest.raises(UsageError, match=r"knows none of its results \(is .*\.journal-wal gone\?\)"):
        harness.run()
    assert harness.shops.seen == []
