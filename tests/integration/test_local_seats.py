"""Processes of this machine that are seats: what a run hears of those that end, and of those that cannot begin."""

import asyncio
import sys
from pathlib import Path

import pytest

from batchcart.model.errors import UsageError
from batchcart.runs.seats.local_seats import LocalSeats

pytestmark = pytest.mark.posix


def python_that(does: str, folder: Path) -> str:
    """A program in Python's place that does something else."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o700)
    return str(program)


async def why_given_up(seats: LocalSeats) -> str:
    told: list[str] = []
    await asyncio.wait_for(seats.keep(told.append), 60)
    return "".join(told)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such signals")
async def test_a_seat_that_is_killed_by_a_signal_without_a_name_is_started_again_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python_that("echo begun >> begun; kill -40 $$", tmp_path))
    monkeypatch.chdir(tmp_path)
    seats = LocalSeats(1, "nowhere", set())
    seats.start()

    assert "(killed by signal 40)" in await why_given_up(seats)
    assert (tmp_path / "begun").read_text().count("begun") == 3


async def test_where_no_process_can_be_started_in_the_place_of_one_that_died_the_run_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python_that("exit 3", tmp_path))
    seats = LocalSeats(1, "nowhere", set())
    seats.start()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))

    assert "(exit code 3, and no other one can be started: No such file or directory)" in await why_given_up(seats)


def test_a_run_whose_processes_cannot_be_started_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))

    with pytest.raises(UsageError) as caught:
        LocalSeats(2, "nowhere", set()).start()
    assert str(caught.value) == (
        "--processes 2: no process can be started (No such file or directory); give fewer, or leave it out"
    )
