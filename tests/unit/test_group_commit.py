"""How often the journal goes to the disk: what belongs together is one commit."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchcart.journal.schema import create
from batchcart.journal.writer import JournalWriter
from batchcart.model.http import Request


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(create(tmp_path / "results.jsonl.journal")) as connection:
        if connection.in_transaction:
            connection.execute("COMMIT")
        yield connection


@contextmanager
def writing(connection: sqlite3.Connection, results: Path) -> Iterator[tuple[JournalWriter, list[str]]]:
    """A writer, and the commits that it makes."""
    commits: list[str] = []
    connection.set_trace_callback(lambda sql: commits.append(sql) if sql.startswith("COMMIT") else None)
    journal = JournalWriter(connection, results, ended=lambda _text: None, failed=lambda _error: None)
    try:
        yield journal, commits
    finally:
        journal.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def commits_of_two_lines(connection: sqlite3.Connection, results: Path, apart: int) -> int:
    """How often the disk is asked where a line's end and the next line's intent are so many turns of the loop apart."""
    with writing(connection, results) as (journal, commits):
        await journal.record_intent(1, 1, 0.0, Request("GET", "/one"))
        journal.record_response(1, 1, "answered", (200, "", b"{}", ""))
        await turns(apart)
        journal.record_result(1, "ok", "{}", b"{}", keep_past=False)
        await turns(apart)
        await journal.record_intent(2, 1, 0.0, Request("GET", "/two"))
        return len(commits)


@pytest.mark.parametrize("apart", [2, 6], ids=lambda turns: f"{turns} turns apart")
def test_a_lines_end_and_the_next_lines_intent_share_a_commit(
    connection: sqlite3.Connection, tmp_path: Path, apart: int
) -> None:
    assert asyncio.run(commits_of_two_lines(connection, tmp_path / "results.jsonl", apart)) == 2


async def commits_of_a_start(connection: sqlite3.Connection, results: Path) -> int:
    """How often the disk is asked for a run's first intents, which come as its workers begin one after the other."""
    with writing(connection, results) as (journal, commits):
        waiting = []
        for line in range(3):
            waiting.append(journal.record_intent(line, 1, 0.0, Request("GET", "/")))
            await turns(2)
        await asyncio.gather(*waiting)
        return len(commits)


def test_the_first_intents_of_a_run_share_a_commit(connection: sqlite3.Connection, tmp_path: Path) -> None:
    assert asyncio.run(commits_of_a_start(connection, tmp_path / "results.jsonl")) == 1


async def goes_before_long(connection: sqlite3.Connection, results: Path, following: int) -> bool:
    """Whether so many intents that follow two are on their way to the disk two turns of the loop later."""
    with writing(connection, results) as (journal, _commits):
        await asyncio.gather(*(journal.record_intent(line, 1, 0.0, Request("GET", "/")) for line in (1, 2)))
        waiting = [journal.record_intent(3 + line, 1, 0.0, Request("GET", "/")) for line in range(following)]
        await turns(2)
        goes = journal.at_disk
        await asyncio.gather(*waiting)
        return goes


def test_where_every_line_that_was_let_leave_is_back_the_commit_goes_at_once(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    goes = [asyncio.run(goes_before_long(connection, tmp_path / "results.jsonl", count)) for count in (2, 1)]
    assert goes == [True, False]


async def commits_of_two_processes(connection: sqlite3.Connection, results: Path) -> tuple[int, list[str]]:
    """How often the disk is asked for what two others have noted, and what each is told."""
    told: list[str] = []
    with writing(connection, results) as (journal, commits):
        for line in (1, 2):
            journal.record_rows([(line, 1, 0.0, '["GET","/",[],""]')], [], [(line, "ok", "{}", b"{}", False)])
            journal.tell_written(told.append)
        await journal.flush()
        return len(commits), told


def test_what_other_processes_note_in_one_turn_is_one_commit_and_each_is_told(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    assert asyncio.run(commits_of_two_processes(connection, tmp_path / "results.jsonl")) == (1, ["", ""])
    assert (tmp_path / "results.jsonl").read_bytes() == b"{}\n{}\n"
